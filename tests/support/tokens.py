"""JSON Web Tokens for tests: signed by keys that are made for this run, and the key sets that fit."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

SECRET = b"a secret of thirty-two bytes, yes"
FAR = 4_000_000_000


def encoded(data: bytes) -> str:
    """base64url without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@cache
def _key(algorithm: str) -> Any:
    if algorithm.startswith("ES"):
        return ec.generate_private_key(ec.SECP256R1())
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, 2048)


def _sign(algorithm: str, data: bytes) -> bytes:
    if algorithm == "HS256":
        return hmac.new(SECRET, data, hashlib.sha256).digest()
    key = _key(algorithm[:2] if algorithm[:2] in ("RS", "PS") else algorithm)
    if algorithm == "ES256":
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")
    if algorithm == "EdDSA":
        return bytes(key.sign(data))
    digest = {"256": hashes.SHA256(), "512": hashes.SHA512()}[algorithm[2:]]
    if algorithm.startswith("PS"):
        return bytes(key.sign(data, padding.PSS(padding.MGF1(digest), digest.digest_size), digest))
    return bytes(key.sign(data, padding.PKCS1v15(), digest))


def token(
    claims: dict[str, Any] | str | None = None, algorithm: str = "ES256", header: dict[str, Any] | None = None
) -> str:
    """A token of issuer "iss" that is valid for long, with these claims more (a text: the payload as it is)."""
    payload = claims if isinstance(claims, str) else json.dumps({"iss": "iss", "exp": FAR, **(claims or {})})
    head = json.dumps({"alg": algorithm, **(header or {})})
    data = f"{encoded(head.encode())}.{encoded(payload.encode())}"
    return f"{data}.{encoded(_sign(algorithm, data.encode()))}"


def _numbers(value: int, size: int | None = None) -> str:
    return encoded(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def jwk(algorithm: str = "ES256", **more: str) -> dict[str, str]:
    """The public key (or the secret) of an algorithm."""
    if algorithm == "HS256":
        return {"kty": "oct", "k": encoded(SECRET), **more}
    if algorithm == "ES256":
        numbers = _key("ES256").public_key().public_numbers()
        return {"kty": "EC", "crv": "P-256", "x": _numbers(numbers.x, 32), "y": _numbers(numbers.y, 32), **more}
    if algorithm == "EdDSA":
        raw = _key("EdDSA").public_key().public_bytes_raw()
        return {"kty": "OKP", "crv": "Ed25519", "x": encoded(raw), **more}
    numbers = _key(algorithm[:2]).public_key().public_numbers()
    return {"kty": "RSA", "n": _numbers(numbers.n), "e": _numbers(numbers.e), **more}


def jwks(*keys: dict[str, str]) -> str:
    """A key set; by default the ES256 key alone."""
    return json.dumps({"keys": list(keys) or [jwk()]})
