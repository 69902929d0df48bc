"""Key sets (JWKS): the keys that can be read of them, and whether one of them has signed a token.

A key that cannot be read is left out, as in Envoy.  Sources: RFC 7517, RFC 7518, RFC 8037.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

from pyvoy.filters.http.jwt_authn.faults import UNVERIFIED, JwtFault
from pyvoy.filters.http.jwt_authn.token import Token

NO_KEYS = "Jwks doesn't have any valid public key"
_DIGESTS = {"256": "sha256", "384": "sha384", "512": "sha512"}
_CURVES = {"P-256": ("ES256", "SECP256R1"), "P-384": ("ES384", "SECP384R1"), "P-521": ("ES512", "SECP521R1")}
_SIGNATURE_BYTES = 64

Verify = Callable[[str, bytes, bytes], bool]
"""Algorithm, signature, signed bytes."""


class Key:
    """One key; `algorithm` and `key_id` are "" where it does not say."""

    __slots__ = ("algorithm", "key_id", "kind", "verify")

    def __init__(self, kind: str, algorithm: str, key_id: str, verify: Verify) -> None:
        self.kind = kind
        self.algorithm = algorithm
        self.key_id = key_id
        self.verify = verify


class KeySet:
    """The keys of one text, JWKS or certificates by key id.  Raises JwtFault when there is none to be read."""

    __slots__ = ("keys",)

    def __init__(self, text: bytes) -> None:
        try:
            found = json.loads(text)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise JwtFault("Jwks is an invalid JSON")
        if "keys" not in found:
            self.keys = _certificates(found)
            return
        if not isinstance(found["keys"], list):
            raise JwtFault("[keys] in Jwks is not an array")
        self.keys = [key for entry in found["keys"] if (key := _key(entry)) is not None]
        if not self.keys:
            raise JwtFault(NO_KEYS)

    def check(self, token: Token) -> None:
        """Whether one of the keys has signed the token.  Raises JwtFault."""
        fitting = False
        for key in self.keys:
            if token.key_id and key.key_id and key.key_id != token.key_id:
                continue
            if key.algorithm and key.algorithm != token.algorithm:
                continue
            fitting = True
            if key.kind == "OKP" and len(token.signature) != _SIGNATURE_BYTES:
                raise JwtFault("Jwt ED25519 signature is wrong length")
            if key.verify(token.algorithm, token.signature, token.signed):
                return
        raise JwtFault(UNVERIFIED if fitting else "Jwks doesn't have key to match kid or alg from Jwt")


def _key(entry: Any) -> Key | None:
    """One key of a set; None when it cannot be read."""
    if not isinstance(entry, dict):
        return None
    algorithm, key_id = entry.get("alg", ""), entry.get("kid", "")
    if not isinstance(algorithm, str) or not isinstance(key_id, str):
        return None
    make = _MAKERS.get(entry.get("kty"))
    try:
        found = None if make is None else make(entry, algorithm)
    except (KeyError, TypeError, ValueError):
        return None
    return None if found is None else Key(entry["kty"], *found[:1], key_id, found[1])


def _number(entry: dict[str, Any], name: str) -> int:
    return int.from_bytes(_bytes(entry, name), "big")


def _bytes(entry: dict[str, Any], name: str) -> bytes:
    text = entry[name]
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _rsa(entry: dict[str, Any], algorithm: str) -> tuple[str, Verify] | None:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers

    if algorithm and algorithm[:2] not in ("RS", "PS"):
        return None
    return algorithm, _rsa_verify(RSAPublicNumbers(_number(entry, "e"), _number(entry, "n")).public_key())


def _rsa_verify(key: Any) -> Verify:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    digests = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}

    def verify(algorithm: str, signature: bytes, signed: bytes) -> bool:
        digest = digests.get(algorithm[2:])
        if digest is None or algorithm[:2] not in ("RS", "PS"):
            return False
        pad: Any = padding.PKCS1v15()
        if algorithm[:2] == "PS":
            pad = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
        try:
            key.verify(signature, signed, pad, digest)
        except InvalidSignature:
            return False
        return True

    return verify


def _ec(entry: dict[str, Any], algorithm: str) -> tuple[str, Verify] | None:
    from cryptography.hazmat.primitives.asymmetric import ec

    implied, curve_name = _CURVES[entry.get("crv") or next(c for c, (a, _) in _CURVES.items() if a == algorithm)]
    if algorithm and algorithm != implied:
        return None
    curve = getattr(ec, curve_name)()
    key = ec.EllipticCurvePublicNumbers(_number(entry, "x"), _number(entry, "y"), curve).public_key()
    return implied, _ec_verify(key)


def _ec_verify(key: Any) -> Verify:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    digests = {"ES384": hashes.SHA384(), "ES512": hashes.SHA512()}

    def verify(algorithm: str, signature: bytes, signed: bytes) -> bool:
        half = len(signature) // 2
        numbers = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
        try:
            key.verify(encode_dss_signature(*numbers), signed, ec.ECDSA(digests.get(algorithm, hashes.SHA256())))
        except InvalidSignature:
            return False
        return True

    return verify


def _oct(entry: dict[str, Any], algorithm: str) -> tuple[str, Verify] | None:
    if algorithm and algorithm[:2] != "HS":
        return None
    secret = _bytes(entry, "k")

    def verify(name: str, signature: bytes, signed: bytes) -> bool:
        digest = _DIGESTS.get(name[2:])
        if name[:2] != "HS" or digest is None:
            return False
        return hmac.compare_digest(hmac.new(secret, signed, getattr(hashlib, digest)).digest(), signature)

    return algorithm, verify


def _okp(entry: dict[str, Any], algorithm: str) -> tuple[str, Verify] | None:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if algorithm not in ("", "EdDSA") or entry.get("crv") != "Ed25519":
        return None
    key = Ed25519PublicKey.from_public_bytes(_bytes(entry, "x"))

    def verify(_name: str, signature: bytes, signed: bytes) -> bool:
        try:
            key.verify(signature, signed)
        except InvalidSignature:
            return False
        return True

    return algorithm, verify


_MAKERS: dict[Any, Callable[[dict[str, Any], str], tuple[str, Verify] | None]] = {
    "RSA": _rsa,
    "EC": _ec,
    "oct": _oct,
    "OKP": _okp,
}


def _certificates(found: dict[str, Any]) -> list[Key]:
    """Certificates by key id: the RSA keys in them."""
    if not found or not all(isinstance(text, str) for text in found.values()):
        raise JwtFault("Jwks does not have [keys] field")
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    keys = []
    for key_id, text in found.items():
        try:
            key = x509.load_pem_x509_certificate(text.encode()).public_key()
        except ValueError:
            raise JwtFault("X509 parse pubkey fails") from None
        if isinstance(key, RSAPublicKey):
            keys.append(Key("RSA", "RS256", key_id, _rsa_verify(key)))
    return keys
