"""Session tickets under several keys: the first encrypts, all of them decrypt, so that keys can be changed in turn.

OpenSSL itself knows one key, and asks a callback where there are more; only contexts with several pay for that.
Source: Envoy, ServerContextImpl::sessionTicketProcess; OpenSSL, SSL_CTX_set_tlsext_ticket_key_evp_cb.
"""

from __future__ import annotations

import ctypes
import os
import ssl

from pyvoy.network.tls import openssl
from pyvoy.network.tls.openssl import TICKET_KEYS_BYTES

_POINTER = ctypes.c_void_p
_NAME_BYTES, _HMAC_BYTES, _IV_BYTES = 16, 32, 16
_FAILED, _NOT_FOUND, _FINE, _RENEW = -1, 0, 1, 2
_UTF8_STRING, _OCTET_STRING = 4, 5
_DIGEST = b"sha256"
_CHOOSE = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER, _POINTER, _POINTER, _POINTER, ctypes.c_int)


class _Parameter(ctypes.Structure):
    """OSSL_PARAM."""

    _fields_ = (
        ("key", ctypes.c_char_p),
        ("data_type", ctypes.c_uint),
        ("data", ctypes.c_char_p),
        ("data_size", ctypes.c_size_t),
        ("return_size", ctypes.c_size_t),
    )


class _Key:
    """One of the keys, as OpenSSL's functions take it."""

    __slots__ = ("cipher_key", "mac_parameters", "name")

    def __init__(self, data: bytes) -> None:
        hmac_end = _NAME_BYTES + _HMAC_BYTES
        self.name = data[:_NAME_BYTES]
        self.cipher_key = data[hmac_end:]
        self.mac_parameters = (_Parameter * 3)(
            _Parameter(b"key", _OCTET_STRING, data[_NAME_BYTES:hmac_end], _HMAC_BYTES, 0),
            _Parameter(b"digest", _UTF8_STRING, _DIGEST, len(_DIGEST), 0),
            _Parameter(None, 0, None, 0, 0),
        )


def available() -> bool:
    """Whether this OpenSSL can use several keys: since 3.0."""
    return openssl.available() and hasattr(openssl.loaded(), "SSL_CTX_set_tlsext_ticket_key_evp_cb")


def set_several_keys(context: ssl.SSLContext, data: bytes) -> object:
    """Use these keys of TICKET_KEYS_BYTES each; returns what must live as long as the context does."""
    library = _declared()
    keys = [_Key(data[at : at + TICKET_KEYS_BYTES]) for at in range(0, len(data), TICKET_KEYS_BYTES)]
    newest = keys[0]
    cipher = library.EVP_aes_256_cbc()

    def choose(_: int, name: int, iv: int, cipher_context: int, mac_context: int, encrypts: int) -> int:
        if encrypts:
            key = newest
            ctypes.memmove(name, key.name, _NAME_BYTES)
            ctypes.memmove(iv, os.urandom(_IV_BYTES), _IV_BYTES)
            start = library.EVP_EncryptInit_ex
        else:
            asked = ctypes.string_at(name, _NAME_BYTES)
            found = next((one for one in keys if one.name == asked), None)
            if found is None:
                return _NOT_FOUND
            key = found
            start = library.EVP_DecryptInit_ex
        if not (
            start(cipher_context, cipher, None, key.cipher_key, iv)
            and library.EVP_MAC_CTX_set_params(mac_context, key.mac_parameters)
        ):
            return _FAILED
        return _FINE if key is newest else _RENEW

    callback = _CHOOSE(choose)
    library.SSL_CTX_set_tlsext_ticket_key_evp_cb(openssl.pointer(context), callback)
    return callback


def _declared() -> ctypes.CDLL:
    library = openssl.loaded()
    library.EVP_aes_256_cbc.restype = _POINTER
    for name in ("EVP_EncryptInit_ex", "EVP_DecryptInit_ex"):
        getattr(library, name).argtypes = (_POINTER, _POINTER, _POINTER, ctypes.c_char_p, _POINTER)
    library.EVP_MAC_CTX_set_params.argtypes = (_POINTER, _POINTER)
    library.SSL_CTX_set_tlsext_ticket_key_evp_cb.argtypes = (_POINTER, _CHOOSE)
    return library
