"""What OpenSSL can and the standard `ssl` does not offer, through the library that `ssl` itself has loaded (ctypes).

Verification by our own rules inside the handshake (so that the peer gets the right alert), session ticket keys that all
workers share, groups, signature algorithms, session life time.  No other file knows that an SSLContext is a pointer.
Where the library cannot be reached (a Python with OpenSSL linked in statically) `available()` is False, and what needs
it is refused when it is configured.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvoy.network.tls.session import Session

TICKET_KEYS_BYTES = 80
"""Name (16), HMAC secret (32) and AES key (32) of OpenSSL's session tickets."""

_NO_EXPLICIT_POLICY = 43
"""Of the errors that OpenSSL has no alert for, so that it sends certificate_unknown, as Envoy does."""
_REVOKED = 23
_EXPIRED, _NOT_YET_VALID = 10, 9
_CTRL_SET_MODE = 33
_CTRL_SET_STATUS_CALLBACK = 63
_CTRL_SET_STATUS_RESPONSE = 71
_STATUS_SEND, _STATUS_REFUSE, _STATUS_OMIT = 0, 2, 3
_MODE_NO_AUTO_CHAIN = 8
_CTRL_SET_SESSION_CACHE_MODE = 44
_CTRL_SET_TICKET_KEYS = 59
_CTRL_SET_GROUPS_LIST = 92
_CTRL_SET_SIGNATURE_ALGORITHMS_LIST = 98
_CTRL_GET_NEGOTIATED_GROUP = 134
_POINTER = ctypes.c_void_p
_SESSION_OFFSET = object.__basicsize__ + ctypes.sizeof(_POINTER)
_VERIFY = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER)
_STATUS = ctypes.CFUNCTYPE(ctypes.c_int, _POINTER, _POINTER)
_VERIFY_ONE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int, _POINTER)

_GROUPS = {
    # OpenSSL's numbers (obj_mac.h; groups without one are 0x1000000 and their TLS number) -> BoringSSL's names.
    415: "P-256",
    715: "P-384",
    716: "P-521",
    1034: "X25519",
    0x1000000 + 0x11EC: "X25519MLKEM768",
}
_SIGNATURES = {
    408: ("ecdsa_secp256r1_sha256", "ecdsa_secp384r1_sha384", "ecdsa_secp521r1_sha512"),
    912: ("rsa_pss_rsae_sha256", "rsa_pss_rsae_sha384", "rsa_pss_rsae_sha512"),
    6: ("rsa_pkcs1_sha256", "rsa_pkcs1_sha384", "rsa_pkcs1_sha512"),
    1087: ("ed25519", "ed25519", "ed25519"),
}
_DIGESTS = {672: 0, 673: 1, 674: 2, 0: 0}
_CTRL_GET_PEER_SIGNATURE_NID = 108

_FUNCTIONS: tuple[tuple[str, object, tuple[object, ...]], ...] = (
    ("SSL_CTX_ctrl", ctypes.c_long, (_POINTER, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)),
    ("SSL_ctrl", ctypes.c_long, (_POINTER, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)),
    ("SSL_clear_options", ctypes.c_uint64, (_POINTER, ctypes.c_uint64)),
    ("SSL_get_version", ctypes.c_char_p, (_POINTER,)),
    ("SSL_get_certificate", _POINTER, (_POINTER,)),
    ("SSL_get_SSL_CTX", _POINTER, (_POINTER,)),
    ("SSL_get_peer_signature_type_nid", ctypes.c_int, (_POINTER, ctypes.POINTER(ctypes.c_int))),
    ("SSL_CTX_get_options", ctypes.c_uint64, (_POINTER,)),
    ("SSL_CTX_set_timeout", ctypes.c_long, (_POINTER, ctypes.c_long)),
    ("SSL_CTX_set_cert_verify_callback", None, (_POINTER, _VERIFY, _POINTER)),
    ("SSL_CTX_set_verify_depth", None, (_POINTER, ctypes.c_int)),
    ("X509_verify_cert", ctypes.c_int, (_POINTER,)),
    ("X509_verify_cert_error_string", ctypes.c_char_p, (ctypes.c_long,)),
    ("X509_STORE_CTX_get_error", ctypes.c_int, (_POINTER,)),
    ("X509_STORE_CTX_get_error_depth", ctypes.c_int, (_POINTER,)),
    ("X509_STORE_CTX_set_error", None, (_POINTER, ctypes.c_int)),
    ("X509_STORE_CTX_get0_cert", _POINTER, (_POINTER,)),
    ("X509_STORE_CTX_set_verify_cb", None, (_POINTER, _VERIFY_ONE)),
    ("SSL_CTX_callback_ctrl", ctypes.c_long, (_POINTER, ctypes.c_int, _STATUS)),
    ("SSL_CTX_add_client_CA", ctypes.c_int, (_POINTER, _POINTER)),
    ("CRYPTO_malloc", _POINTER, (ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int)),
    ("d2i_X509", _POINTER, (_POINTER, ctypes.POINTER(ctypes.c_char_p), ctypes.c_long)),
    ("X509_free", None, (_POINTER,)),
    ("i2d_X509", ctypes.c_int, (_POINTER, ctypes.POINTER(ctypes.c_char_p))),
)


@functools.cache
def _library() -> ctypes.CDLL | None:
    """The library with its functions declared; None where it cannot be reached or is not what it seems to be."""
    import _ssl

    path = getattr(_ssl, "__file__", None)
    try:
        library = ctypes.CDLL(path)
        for name, result, arguments in _FUNCTIONS:
            function = getattr(library, name)
            function.restype = result
            function.argtypes = arguments
    except (OSError, AttributeError, TypeError):
        return None
    probe = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    probe.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    if library.SSL_CTX_get_options(pointer(probe)) != int(probe.options) & 0xFFFFFFFFFFFFFFFF:
        return None
    session = probe.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="probe")
    inner: Any = session
    return library if library.SSL_get_SSL_CTX(_session_pointer(inner._sslobj)) == pointer(probe) else None


def available() -> bool:
    """Whether what this file offers works here."""
    return _library() is not None


def pointer(context: ssl.SSLContext) -> int:
    """The SSL_CTX of an SSLContext: the first field behind the object's header, in every CPython since 3.2."""
    address = id(context) + object.__basicsize__
    return ctypes.c_void_p.from_address(address).value or 0


def _session_pointer(session: Session) -> int:
    """The SSL of a session: the second field behind the object's header."""
    return _POINTER.from_address(id(session) + _SESSION_OFFSET).value or 0


@functools.cache
def _quick() -> ctypes.PyDLL | None:
    """The same library for functions that are done at once: they do not let go of the interpreter's lock, which would
    cost more than they do."""
    library = _library()
    if library is None:
        return None
    quick = ctypes.PyDLL(library._name)
    for name, arguments in (
        ("SSL_ctrl", (_POINTER, ctypes.c_int, ctypes.c_long, _POINTER)),
        ("SSL_clear_options", (_POINTER, ctypes.c_uint64)),
        ("SSL_shutdown", (_POINTER,)),
        ("ERR_clear_error", ()),
    ):
        getattr(quick, name).argtypes = arguments
    return quick


def group_number(session: Session) -> int:
    """OpenSSL's number of the key exchange group that a handshake used; 0 where it cannot be told."""
    quick = _quick()
    return 0 if quick is None else int(quick.SSL_ctrl(_session_pointer(session), _CTRL_GET_NEGOTIATED_GROUP, 0, None))


def group_name(number: int) -> str:
    """BoringSSL's name of a group; "" for one that it does not know."""
    return _GROUPS.get(number, "")


def follow_client_order(session: Session) -> None:
    """Let the client's order of ciphers decide on this connection, whose handshake has not begun."""
    quick = _quick()
    if quick is not None:
        quick.SSL_clear_options(_session_pointer(session), ssl.OP_CIPHER_SERVER_PREFERENCE)


def say_goodbye(session: Session) -> None:
    """Send close_notify; whether the peer has sent its own is of no interest here."""
    quick = _quick()
    if quick is None:
        with contextlib.suppress(OSError):  # the peer's own is not there, or the connection is broken
            session.shutdown()
    elif quick.SSL_shutdown(_session_pointer(session)) < 0:
        quick.ERR_clear_error()  # whoever comes next looks into the same queue of errors


def peer_signature_name(session: Session) -> str:
    """The TLS name of the algorithm that the peer signed the handshake with; "" when it did not, or cannot be told."""
    library = _library()
    if library is None:
        return ""
    pointer = _session_pointer(session)
    number = ctypes.c_int(0)
    if not library.SSL_get_peer_signature_type_nid(pointer, ctypes.byref(number)):
        return ""
    names = _SIGNATURES.get(number.value)
    digest = ctypes.c_int(0)
    place = ctypes.cast(ctypes.byref(digest), ctypes.c_char_p)
    library.SSL_ctrl(pointer, _CTRL_GET_PEER_SIGNATURE_NID, 0, place)
    return "" if names is None else names[_DIGESTS.get(digest.value, 0)]


def version_name(session: Session) -> str:
    """The version that a handshake, even one that failed, came to; "" where it cannot be told."""
    library = _library()
    return "" if library is None else str(library.SSL_get_version(_session_pointer(session)).decode())


def own_certificate(session: Session) -> bytes:
    """The DER form of the certificate that we have shown; b"" for none, or where it cannot be told."""
    library = _library()
    certificate = None if library is None else library.SSL_get_certificate(_session_pointer(session))
    return b"" if library is None or not certificate else _der(library, certificate)


def _der(library: ctypes.CDLL, certificate: int) -> bytes:
    size = library.i2d_X509(certificate, None)
    buffer = ctypes.create_string_buffer(size)
    place = ctypes.cast(buffer, ctypes.c_char_p)
    library.i2d_X509(certificate, ctypes.byref(place))
    return buffer.raw


def loaded() -> ctypes.CDLL:
    """The library; raises where it cannot be reached."""
    library = _library()
    if library is None:
        raise ssl.SSLError("OpenSSL cannot be reached from this Python")
    return library


def set_ticket_keys(context: ssl.SSLContext, keys: bytes) -> bool:
    """Encrypt session tickets with these TICKET_KEYS_BYTES; False where that is not possible."""
    library = _library()
    if library is None or len(keys) != TICKET_KEYS_BYTES:
        return False
    return bool(library.SSL_CTX_ctrl(pointer(context), _CTRL_SET_TICKET_KEYS, len(keys), keys) == 1)


def set_groups(context: ssl.SSLContext, names: str) -> bool:
    """The key exchange groups, by preference, separated by colons; False for a name that OpenSSL does not know."""
    return bool(loaded().SSL_CTX_ctrl(pointer(context), _CTRL_SET_GROUPS_LIST, 0, names.encode()) == 1)


def set_signature_algorithms(context: ssl.SSLContext, names: str) -> bool:
    """The signature algorithms, by preference, separated by colons; False for a name that OpenSSL does not know."""
    done = loaded().SSL_CTX_ctrl(pointer(context), _CTRL_SET_SIGNATURE_ALGORITHMS_LIST, 0, names.encode())
    return bool(done == 1)


def forget_sessions(context: ssl.SSLContext) -> None:
    """Keep no sessions on the server's side; tickets are another matter."""
    loaded().SSL_CTX_ctrl(pointer(context), _CTRL_SET_SESSION_CACHE_MODE, 0, None)


def set_session_timeout(context: ssl.SSLContext, seconds: int) -> None:
    """How long sessions can be resumed."""
    loaded().SSL_CTX_set_timeout(pointer(context), seconds)


def show_no_more(context: ssl.SSLContext) -> None:
    """Show the certificates that were loaded and, as Envoy, nothing that the trusted ones would add to their chain."""
    library = _library()
    if library is not None:
        library.SSL_CTX_ctrl(pointer(context), _CTRL_SET_MODE, _MODE_NO_AUTO_CHAIN, None)


def set_verify_depth(context: ssl.SSLContext, depth: int) -> None:
    """How many intermediate certificates a chain may have."""
    loaded().SSL_CTX_set_verify_depth(pointer(context), depth)


Status = bytes | None | bool
"""An OCSP response to send; None for none, False to refuse the client."""


def set_status_callback(context: ssl.SSLContext, answer: Callable[[bytes], Status]) -> object:
    """Ask `answer` for the OCSP response to the certificate (DER) that a client which asks for one is to see.

    Returns what must live as long as the context does."""
    library = loaded()

    def status(session: int, _: int | None) -> int:
        certificate = library.SSL_get_certificate(session)
        given = answer(_der(library, certificate) if certificate else b"")
        if not given:
            return _STATUS_OMIT if given is None else _STATUS_REFUSE
        assert isinstance(given, bytes)
        place = library.CRYPTO_malloc(len(given), b"", 0)  # OpenSSL frees it
        ctypes.memmove(place, given, len(given))
        library.SSL_ctrl(session, _CTRL_SET_STATUS_RESPONSE, len(given), ctypes.cast(place, ctypes.c_char_p))
        return _STATUS_SEND

    callback = _STATUS(status)
    library.SSL_CTX_callback_ctrl(pointer(context), _CTRL_SET_STATUS_CALLBACK, callback)
    return callback


def name_client_authorities(context: ssl.SSLContext, certificates: list[bytes]) -> None:
    """Tell clients whose certificates (DER) are trusted, so that they can choose among theirs."""
    library = loaded()
    for der in certificates:
        place = ctypes.c_char_p(der)
        certificate = library.d2i_X509(None, ctypes.byref(place), len(der))
        if certificate:
            library.SSL_CTX_add_client_CA(pointer(context), certificate)
            library.X509_free(certificate)


class PeerChain:
    """The peer's certificates in the middle of a handshake; lives for one call of the verifier."""

    __slots__ = ("_library", "_store")

    def __init__(self, library: ctypes.CDLL, store: int) -> None:
        self._library = library
        self._store = store

    def verify(self, *, allow_expired: bool) -> str:
        """Build and check the chain up to the trusted certificates; "" or what is wrong, in OpenSSL's words."""
        library, store = self._library, self._store
        if allow_expired:
            library.X509_STORE_CTX_set_verify_cb(store, _ACCEPT_EXPIRED)
        if library.X509_verify_cert(store) == 1:
            return ""
        error = library.X509_STORE_CTX_get_error(store)
        depth = library.X509_STORE_CTX_get_error_depth(store)
        text = library.X509_verify_cert_error_string(error).decode()
        if error == _REVOKED:
            text = f"certificate revocation check against provided CRLs failed: {text}"
        return f"X509_verify_cert: certificate verification error at depth {depth}: {text}"

    def leaf(self) -> bytes:
        """The peer's own certificate in DER form."""
        return _der(self._library, self._library.X509_STORE_CTX_get0_cert(self._store))

    def accept(self) -> None:
        """Nothing is wrong, whatever was said before."""
        self._library.X509_STORE_CTX_set_error(self._store, 0)

    def refuse(self) -> None:
        """The certificate is not the one that is wanted."""
        self._library.X509_STORE_CTX_set_error(self._store, _NO_EXPLICIT_POLICY)


def _accept_expired(ok: int, store: int) -> int:
    return ok or int(loaded().X509_STORE_CTX_get_error(store) in (_EXPIRED, _NOT_YET_VALID))


_ACCEPT_EXPIRED = _VERIFY_ONE(_accept_expired)
"""A constant, as the callback must outlive every call."""


def set_verifier(context: ssl.SSLContext, verify: Callable[[PeerChain], bool]) -> object:
    """Let `verify` decide on the peer's certificates inside the handshake; an exception in it refuses them.

    Returns what must live as long as the context does."""
    library = loaded()

    def decide(store: int, _: int | None) -> int:
        return int(verify(PeerChain(library, store)))

    callback = _VERIFY(decide)
    library.SSL_CTX_set_cert_verify_callback(pointer(context), callback, None)
    return callback
