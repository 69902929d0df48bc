"""What can be wrong with a token, and the numbers that Envoy gives it (JwtVerify::Status), for metadata."""

from __future__ import annotations

_FIELDS = ("iat", "nbf", "exp")
_TEXTS = (
    "OK",
    "Jwt is missing",
    "Jwt not yet valid",
    "Jwt is expired",
    "Jwt is not in the form of Header.Payload.Signature with two dots and 3 sections",
    "Jwt header is an invalid Base64url encoded",
    "Jwt header is an invalid JSON",
    "Jwt header [alg] field is required and must be a string",
    "Jwt header [alg] is not supported",
    "Jwt header [kid] field is not a string",
    "Jwt payload is an invalid Base64url encoded",
    "Jwt payload is an invalid JSON",
    "Jwt payload [iss] field is not a string",
    "Jwt payload [sub] field is not a string",
    *(
        f"Jwt payload [{name}] field is not {what}"
        for name in _FIELDS
        for what in ("an integer", "a positive 64 bit integer")
    ),
    "Jwt payload [jti] field is not a string",
    "Jwt payload [aud] field is not a string or string list",
    "Jwt signature is an invalid Base64url encoded",
    "Jwt ED25519 signature is wrong length",
    "Jwt issuer is not configured",
    "Audiences in Jwt are not allowed",
    "Jwt verification fails",
    "Found multiple Jwt tokens",
    "Jwks is an invalid JSON",
    "Jwks does not have [keys] field",
    "[keys] in Jwks is not an array",
    "Jwks doesn't have any valid public key",
    "Jwks doesn't have key to match kid or alg from Jwt",
)
CODES = {text: number for number, text in enumerate(_TEXTS)} | {"Jwks remote fetch is failed": 40}
"""Numbers by text; those of single keys do not reach a request."""

MISSING, UNKNOWN_ISSUER, AUDIENCE = (_TEXTS[number] for number in (1, 24, 25))
UNVERIFIED = _TEXTS[26]


class JwtFault(Exception):
    """Why a token is not accepted; the text is what the client is told."""
