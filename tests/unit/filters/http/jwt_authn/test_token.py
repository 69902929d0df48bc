"""The form of tokens, in the order in which faults are found, and the codes of faults."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.jwt_authn.faults import CODES, JwtFault
from pyvoy.filters.http.jwt_authn.token import Token
from tests.support.tokens import FAR, encoded, token

HEAD, PAYLOAD, SIGNATURE = token().split(".")


def with_head(text: bytes) -> str:
    return f"{encoded(text)}.{PAYLOAD}.{SIGNATURE}"


def test_a_good_token() -> None:
    found = Token(token({"sub": "me", "aud": "a", "nbf": 5, "o": {"d": [1]}}, header={"kid": "k"}).encode())
    assert (found.issuer, found.subject, found.key_id, found.algorithm) == ("iss", "me", "k", "ES256")
    assert (found.expires_s, found.not_before_s, found.issued_s, found.audiences) == (FAR, 5, None, ("a",))
    assert found.claim(("o", "d")) == [1]
    assert found.claim(("o", "d", "e")) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a.b", "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"),
        ("a..c", "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections"),
        (f"%.{PAYLOAD}.{SIGNATURE}", "Jwt header is an invalid Base64url encoded"),
        (with_head(b"["), "Jwt header is an invalid JSON"),
        (with_head(b"[]"), "Jwt header is an invalid JSON"),
        (with_head(b"{}"), "Jwt header [alg] field is required and must be a string"),
        (with_head(b'{"alg": "none"}'), "Jwt header [alg] is not supported"),
        (with_head(b'{"alg": "ES256", "kid": 1}'), "Jwt header [kid] field is not a string"),
        (f"{HEAD}.%.{SIGNATURE}", "Jwt payload is an invalid Base64url encoded"),
        (token("["), "Jwt payload is an invalid JSON"),
        (token({"iss": 1}), "Jwt payload [iss] field is not a string"),
        (token({"sub": 1}), "Jwt payload [sub] field is not a string"),
        (token({"iat": "x"}), "Jwt payload [iat] field is not an integer"),
        (token({"nbf": -1}), "Jwt payload [nbf] field is not a positive 64 bit integer"),
        (token({"exp": True}), "Jwt payload [exp] field is not an integer"),
        (token({"jti": 1}), "Jwt payload [jti] field is not a string"),
        (token({"aud": [1]}), "Jwt payload [aud] field is not a string or string list"),
        (f"{HEAD}.{PAYLOAD}.%", "Jwt signature is an invalid Base64url encoded"),
    ],
)
def test_faults_of_form(text: str, fault: str) -> None:
    with pytest.raises(JwtFault) as raised:
        Token(text.encode())
    assert str(raised.value) == fault
    assert fault in CODES


@pytest.mark.parametrize(
    ("claims", "now_s", "fault"),
    [
        ({"exp": 1000}, 1060, ""),
        ({"exp": 1000}, 1061, "Jwt is expired"),
        ({"nbf": 1000}, 940, ""),
        ({"nbf": 1000}, 939, "Jwt not yet valid"),
    ],
)
def test_time(claims: dict[str, int], now_s: int, fault: str) -> None:
    found = Token(token(claims).encode())
    if not fault:
        found.check_time(now_s, 60)
        return
    with pytest.raises(JwtFault, match=fault):
        found.check_time(now_s, 60)


def test_codes_are_envoys() -> None:
    assert CODES["Jwt verification fails"] == 26
    assert CODES["Jwks doesn't have key to match kid or alg from Jwt"] == 32
