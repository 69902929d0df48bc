"""Key sets: which keys can be read, and which tokens they have signed."""

from __future__ import annotations

import json

import pytest

from pyvoy.filters.http.jwt_authn.faults import JwtFault
from pyvoy.filters.http.jwt_authn.keys import KeySet
from pyvoy.filters.http.jwt_authn.token import Token
from tests.support.certificates import issued
from tests.support.tokens import encoded, jwk, jwks, token

ALGORITHMS = ("ES256", "RS256", "RS512", "PS256", "HS256", "EdDSA")


def fault(keys: str, text: str) -> str:
    try:
        KeySet(keys.encode()).check(Token(text.encode()))
    except JwtFault as found:
        return str(found)
    return ""


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm(algorithm: str) -> None:
    good = token(algorithm=algorithm)
    head, _, signature = good.split(".")
    assert fault(jwks(jwk(algorithm)), good) == ""
    forged = f"{head}.{encoded(b'{}')}.{signature}"
    assert fault(jwks(jwk(algorithm)), forged) == "Jwt verification fails"
    assert fault(jwks(*map(jwk, ALGORITHMS)), good) == ""


@pytest.mark.parametrize(
    ("key", "header", "expected"),
    [
        (jwk(kid="a"), {"kid": "a"}, ""),
        (jwk(kid="a"), {}, ""),
        (jwk(), {"kid": "a"}, ""),
        (jwk(kid="a"), {"kid": "b"}, "Jwks doesn't have key to match kid or alg from Jwt"),
        (jwk(alg="ES256"), {}, ""),
        (jwk("RS256", alg="RS256"), {}, "Jwks doesn't have key to match kid or alg from Jwt"),
        (jwk("RS256"), {}, "Jwt verification fails"),
    ],
)
def test_key_id_and_algorithm(key: dict[str, str], header: dict[str, str], expected: str) -> None:
    assert fault(jwks(key), token(header=header)) == expected


def test_a_signature_of_the_wrong_length() -> None:
    head, payload, _ = token(algorithm="EdDSA").split(".")
    assert fault(jwks(jwk("EdDSA")), f"{head}.{payload}.AAAA") == "Jwt ED25519 signature is wrong length"


def test_keys_that_cannot_be_read_are_left_out() -> None:
    unreadable: list[object] = [1, {}, {"kty": "x"}, {"kty": "RSA"}, jwk(crv="P-1"), jwk(alg="RS256"), jwk(alg="ES384")]
    assert fault(json.dumps({"keys": [*unreadable, jwk()]}), token()) == ""
    assert fault(json.dumps({"keys": unreadable}), token()) == "Jwks doesn't have any valid public key"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nonsense", "Jwks is an invalid JSON"),
        ("[]", "Jwks is an invalid JSON"),
        ("{}", "Jwks does not have [keys] field"),
        ('{"keys": {}}', "[keys] in Jwks is not an array"),
        ('{"k": "no certificate"}', "X509 parse pubkey fails"),
    ],
)
def test_texts_that_are_no_key_set(text: str, expected: str) -> None:
    assert fault(text, token()) == expected


def test_certificates_by_key_id() -> None:
    keys = KeySet(json.dumps({"k": issued("server", ("a.test",)).cert}).encode())
    assert [key.kind for key in keys.keys] in ([], ["RSA"])
