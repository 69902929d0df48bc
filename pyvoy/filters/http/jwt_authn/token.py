"""A JSON Web Token: its three parts read and checked for form, and what it says of its time.

Who signed it is `keys`.  Sources: RFC 7515, RFC 7519; texts and order of the checks are those of Envoy 1.40.
"""

from __future__ import annotations

import binascii
import json
from base64 import urlsafe_b64decode
from typing import Any

from pyvoy.filters.http.jwt_authn.faults import JwtFault

ALGORITHMS = frozenset(
    "ES256 ES384 ES512 HS256 HS384 HS512 RS256 RS384 RS512 PS256 PS384 PS512 EdDSA".split()  # noqa: SIM905  # a table
)
_MAX_INTEGER = 2**63

_BASE64URL = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=")


class Token:
    """A token that has the right form; `signed` is what `signature` is of."""

    __slots__ = (
        "algorithm",
        "audiences",
        "expires_s",
        "header",
        "issued_s",
        "issuer",
        "key_id",
        "not_before_s",
        "payload",
        "payload_text",
        "signature",
        "signed",
        "subject",
    )

    def __init__(self, text: bytes) -> None:
        """Raises JwtFault."""
        parts = text.split(b".")
        if len(parts) != 3 or not all(parts):
            raise JwtFault("Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections")
        self.header = _object(parts[0], "header")
        algorithm = self.header.get("alg")
        if not isinstance(algorithm, str):
            raise JwtFault("Jwt header [alg] field is required and must be a string")
        self.algorithm = algorithm
        if algorithm not in ALGORITHMS:
            raise JwtFault("Jwt header [alg] is not supported")
        self.key_id = _text(self.header, "kid", "header")
        self.payload_text = parts[1]
        self.payload = _object(parts[1], "payload")
        self.issuer = _text(self.payload, "iss")
        self.subject = _text(self.payload, "sub")
        self.issued_s = _seconds(self.payload, "iat")
        self.not_before_s = _seconds(self.payload, "nbf")
        self.expires_s = _seconds(self.payload, "exp")
        _text(self.payload, "jti")
        self.audiences = _texts(self.payload, "aud")
        self.signature = _decoded(parts[2], "signature")
        self.signed = parts[0] + b"." + parts[1]

    def check_time(self, now_s: int, skew_s: int) -> None:
        """Whether the token is valid now, give or take the clocks' difference.  Raises JwtFault."""
        if now_s + skew_s < (self.not_before_s or 0):
            raise JwtFault("Jwt not yet valid")
        if self.expires_s and now_s > self.expires_s + skew_s:
            raise JwtFault("Jwt is expired")

    def claim(self, path: tuple[str, ...]) -> Any:
        """A claim, by the names on the way to it; None when there is none."""
        found: Any = self.payload
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found


def _decoded(text: bytes, what: str) -> bytes:
    try:
        if not _BASE64URL.issuperset(text):
            raise ValueError
        return urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise JwtFault(f"Jwt {what} is an invalid Base64url encoded") from None


def _object(text: bytes, what: str) -> dict[str, Any]:
    decoded = _decoded(text, what)
    try:
        found = json.loads(decoded)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise JwtFault(f"Jwt {what} is an invalid JSON")
    return found


def _text(values: dict[str, Any], name: str, what: str = "payload") -> str:
    value = values.get(name, "")
    if not isinstance(value, str):
        raise JwtFault(f"Jwt {what} [{name}] field is not a string")
    return value


def _seconds(values: dict[str, Any], name: str) -> int | None:
    value = values.get(name)
    if value is None and name not in values:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise JwtFault(f"Jwt payload [{name}] field is not an integer")
    if not 0 <= value < _MAX_INTEGER:
        raise JwtFault(f"Jwt payload [{name}] field is not a positive 64 bit integer")
    return int(value)


def _texts(values: dict[str, Any], name: str) -> tuple[str, ...]:
    value = values.get(name, [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise JwtFault(f"Jwt payload [{name}] field is not a string or string list")
    return tuple(listed)
