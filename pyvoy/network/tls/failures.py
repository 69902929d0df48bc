"""Why a TLS connection failed, in the words of Envoy (BoringSSL's names and numbers) made from OpenSSL's.

Source: Envoy, SslSocket::drainErrorQueue; BoringSSL's ssl.h for the numbers; forms observed on Envoy 1.40.
"""

from __future__ import annotations

import ssl

_SSL_LIBRARY = 0x10000000
_ALERT = 1000
VERIFY_FAILED = "CERTIFICATE_VERIFY_FAILED"
NO_PEER_CERTIFICATE = "PEER_DID_NOT_RETURN_A_CERTIFICATE"

_NUMBERS = {
    "BAD_SIGNATURE": 110,
    "CERTIFICATE_VERIFY_FAILED": 125,
    "CONNECTION_REJECTED": 133,
    "DECODE_ERROR": 137,
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": 139,
    "DIGEST_CHECK_FAILED": 142,
    "HTTPS_PROXY_REQUEST": 155,
    "HTTP_REQUEST": 156,
    "NO_SHARED_CIPHER": 184,
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": 192,
    "UNEXPECTED_MESSAGE": 223,
    "UNSUPPORTED_PROTOCOL": 240,
    "WRONG_VERSION_NUMBER": 247,
    "NO_COMMON_SIGNATURE_ALGORITHMS": 253,
}
_ALERTS = {
    "SSLV3_ALERT_UNEXPECTED_MESSAGE": 10,
    "SSLV3_ALERT_BAD_RECORD_MAC": 20,
    "TLSV1_ALERT_RECORD_OVERFLOW": 22,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": 40,
    "SSLV3_ALERT_NO_CERTIFICATE": 41,
    "SSLV3_ALERT_BAD_CERTIFICATE": 42,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": 43,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": 44,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": 45,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": 46,
    "SSLV3_ALERT_ILLEGAL_PARAMETER": 47,
    "TLSV1_ALERT_UNKNOWN_CA": 48,
    "TLSV1_ALERT_ACCESS_DENIED": 49,
    "TLSV1_ALERT_DECODE_ERROR": 50,
    "TLSV1_ALERT_DECRYPT_ERROR": 51,
    "TLSV1_ALERT_PROTOCOL_VERSION": 70,
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": 71,
    "TLSV1_ALERT_INTERNAL_ERROR": 80,
    "TLSV1_ALERT_USER_CANCELLED": 90,
    "TLSV1_ALERT_NO_RENEGOTIATION": 100,
    "TLSV1_UNRECOGNIZED_NAME": 112,
    "TLSV1_ALERT_CERTIFICATE_REQUIRED": 116,
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": 120,
}
_OTHER_NAMES = {
    # What OpenSSL calls otherwise than BoringSSL.
    "CLIENTHELLO_TLSEXT": "CONNECTION_REJECTED",  # a client that asks for an OCSP response and must not go without
    "UNSUPPORTED_PROTOCOL_VERSION": "UNSUPPORTED_PROTOCOL",
    "NO_PROTOCOLS_AVAILABLE": "UNSUPPORTED_PROTOCOL",
    "VERSION_TOO_LOW": "UNSUPPORTED_PROTOCOL",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "TLSV1_ALERT_CERTIFICATE_REQUIRED",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "NO_COMMON_SIGNATURE_ALGORITHMS",
    "PACKET_LENGTH_TOO_LONG": "WRONG_VERSION_NUMBER",
    "RECORD_LAYER_FAILURE": "WRONG_VERSION_NUMBER",
}
_DETAILS = {NO_PEER_CERTIFICATE: "peer did not provide required client certificate"}
_PREFIX, _SUFFIX = "TLS_error:|", ":TLS_error_end"


def reason_of(error: ssl.SSLError) -> str:
    """BoringSSL's name of what happened."""
    name = error.reason or "INTERNAL_ERROR"
    return _OTHER_NAMES.get(name, name)


def failure_text(reason: str, detail: str = "") -> str:
    """The form of %DOWNSTREAM_TRANSPORT_FAILURE_REASON% and of the details of responses; `detail` is what the
    verification of certificates has to add."""
    number = _NUMBERS.get(reason)
    if number is None:
        number = _ALERT + _ALERTS[reason] if reason in _ALERTS else 68
    detail = detail or _DETAILS.get(reason, "")
    more = f":{detail}" if detail else ""
    text = f"{_PREFIX}{_SSL_LIBRARY + number}:SSL routines:OPENSSL_internal:{reason}{more}{_SUFFIX}"
    return text.replace(" ", "_")
