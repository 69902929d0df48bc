"""Public keys and signatures: importPublicKey and verifySignature, and what the JWT helper stands on.

Source: Envoy, Common::Crypto::Utility (texts too).  RSA keys verify PKCS #1 v1.5 signatures, EC keys ECDSA.
"""

from __future__ import annotations

from typing import Any

HASHES = ("SHA1", "SHA224", "SHA256", "SHA384", "SHA512")


def load(der: bytes) -> Any:
    """The key of a DER-encoded SubjectPublicKeyInfo, or None."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        return load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm):
        return None


def verify(hash_name: bytes, key: Any, signature: bytes, data: bytes) -> bytes | None:
    """Why a signature does not hold, or None when it does."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    name = hash_name.decode("latin-1").upper()
    if name not in HASHES:
        return hash_name + b" is not supported."
    digest = getattr(hashes, name)()
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, data, padding.PKCS1v15(), digest)
        elif isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(signature, data, ec.ECDSA(digest))
        else:
            return b"Failed to verify digest. Error code: 0"
    except InvalidSignature:
        return b"Failed to verify digest. Error code: 0"
    return None
