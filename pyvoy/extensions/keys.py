"""Keys and signatures, for scripts and modules: they are loaded, made and verified, and what the JWT helper stands on.

Source: Envoy, Common::Crypto::Utility (texts too).  RSA keys make PKCS #1 v1.5 signatures, EC keys ECDSA.
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


def load_pem(text: bytes) -> Any:
    """The key of a PEM text (a public key or a certificate), or None."""
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        if b"BEGIN CERTIFICATE" in text:
            return x509.load_pem_x509_certificate(text).public_key()
        return load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        return None


def load_private(der: bytes) -> Any:
    """The key of a DER-encoded private key, or None."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_der_private_key

    try:
        return load_der_private_key(der, None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return None


def load_private_pem(text: bytes) -> Any:
    """The key of a PEM text, or None."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(text, None)
    except (TypeError, ValueError, UnsupportedAlgorithm):
        return None


def family(key: Any) -> str:
    """RS for an RSA key, ES for one on an elliptic curve, "" for others."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(key, rsa.RSAPublicKey):
        return "RS"
    return "ES" if isinstance(key, ec.EllipticCurvePublicKey) else ""


def ec_signature(raw: bytes) -> bytes:
    """An ECDSA signature as two numbers side by side (RFC 7518, 3.4) in the form that `verify` takes."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    half = len(raw) // 2
    return encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))


def verify(hash_name: bytes, key: Any, signature: bytes, data: bytes) -> bytes | None:
    """Why a signature does not hold, or None when it does.  `key` is None for what was no key."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    name = hash_name.decode("latin-1").upper()
    if name not in HASHES:
        return hash_name + b" is not supported."
    if key is None:
        return b"Failed to initialize digest verify."
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


def sign(hash_name: bytes, key: Any, data: bytes) -> tuple[bytes, bytes]:
    """A signature, and why there is none: one of the two is empty.  `key` is None for what was no private key."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    name = hash_name.decode("latin-1").upper()
    if name not in HASHES:
        return b"", hash_name + b" is not supported."
    digest = getattr(hashes, name)()
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), digest), b""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(digest)), b""
    return b"", b"Invalid key type: private key required for signing operation."
