"""Reads a TLS ClientHello from the first bytes of a connection, without a TLS library and without I/O.

It answers what a listener wants to know before it chooses a filter chain: is this TLS, which server name and which
application protocols does the client ask for.  It does not judge what only the handshake can judge (ciphers, keys).
Source: RFC 8446 and 5246 for the format; what counts as TLS, and every limit, as Envoy's tls_inspector decides it
through BoringSSL (probed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, IntEnum

MAX_CLIENT_HELLO_BYTES = 16 * 1024  # Envoy TlsInspector.max_client_hello_size: default and ceiling
RECORD_HEADER_BYTES = 5
MAX_RECORD_BYTES = 16384 + 256 + 64  # BoringSSL's ceiling of what a record may announce
MAX_PLAINTEXT_BYTES = 16384  # RFC 8446 5.1
MAX_HANDSHAKE_MESSAGE_BYTES = 16384  # BoringSSL's ceiling of a message before authentication
MAX_EMPTY_RECORDS = 32  # BoringSSL's patience with records that carry nothing
MAX_WARNING_ALERTS = 4  # and with warnings
MAX_V2_HELLO_BYTES = 4096
MAX_SERVER_NAME_BYTES = 255  # RFC 6066 by way of DNS names

TLS_1_0, TLS_1_3 = 0x0301, 0x0304

EXTENSION_SERVER_NAME = 0
EXTENSION_SUPPORTED_GROUPS = 10
EXTENSION_EC_POINT_FORMATS = 11
EXTENSION_SIGNATURE_ALGORITHMS = 13
EXTENSION_ALPN = 16
EXTENSION_SUPPORTED_VERSIONS = 43
EXTENSION_ENCRYPTED_CLIENT_HELLO = 0xFE0D

_ALERT_RECORD, _HANDSHAKE_RECORD = 21, 22
_CLIENT_HELLO = 1
_HTTP_METHODS = (b"GET ", b"POST ", b"HEAD ", b"PUT ")


class ClientHelloState(Enum):
    """What the bytes so far have turned out to be.

    INVALID_VERSION is a hello whose legacy version is outside TLS 1.0 to 1.3, CLOSED a close_notify before any hello:
    Envoy closes both connections.
    """

    NEED_MORE = 0
    HELLO = 1
    NOT_TLS = 2
    TOO_LARGE = 3
    INVALID_VERSION = 4
    CLOSED = 5


class Refusal(IntEnum):
    """Why bytes are no ClientHello: BoringSSL's reason names and numbers, as Envoy's access log shows them."""

    BAD_ALERT = 0x66
    CLIENTHELLO_PARSE_FAILED = 0x83
    CONNECTION_REJECTED = 0x85
    DATA_LENGTH_TOO_LONG = 0x87
    DECODE_ERROR = 0x89
    ENCRYPTED_LENGTH_TOO_LONG = 0x92
    ERROR_PARSING_EXTENSION = 0x95
    EXCESSIVE_MESSAGE_SIZE = 0x96
    HTTPS_PROXY_REQUEST = 0x9B
    HTTP_REQUEST = 0x9C
    RECORD_LENGTH_MISMATCH = 0xC7
    RECORD_TOO_LARGE = 0xC8
    TOO_MANY_EMPTY_FRAGMENTS = 0xDB
    TOO_MANY_WARNING_ALERTS = 0xDC
    UNEXPECTED_MESSAGE = 0xDF
    UNEXPECTED_RECORD = 0xE1
    UNKNOWN_ALERT_TYPE = 0xE3
    WRONG_VERSION_NUMBER = 0xF7
    EXCESS_HANDSHAKE_DATA = 0xFF
    SSLV3_ALERT_HANDSHAKE_FAILURE = 0x410

    @property
    def text(self) -> str:
        """The form of %DOWNSTREAM_TRANSPORT_FAILURE_REASON%."""
        return f"TLS_error|error:1{self.value:07x}:SSL_routines:OPENSSL_internal:{self.name}:TLS_error_end"


class _Refused(Exception):
    """The bytes are no acceptable ClientHello."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.name)
        self.refusal = refusal


class _Closed(Exception):
    """The peer said goodbye."""


@dataclass(slots=True, frozen=True)
class ClientHello:
    """A parsed ClientHello.

    `version` is the legacy version field, `cipher_suites` the list as sent (two bytes each), `extensions` type and body
    of each in the order sent, `server_name` the SNI as sent (b"" when absent), `alpn` the offered protocols in the
    client's order (empty when absent or malformed).
    """

    version: int
    cipher_suites: bytes
    extensions: dict[int, bytes] = field(default_factory=dict)
    server_name: bytes = b""
    alpn: tuple[bytes, ...] = ()


class ClientHelloReader:
    """Follows one connection's first bytes; fed the whole buffer again whenever it has grown.

    After each `inspect`: `consumed` is the number of bytes that were needed, `hello` what was parsed (HELLO and
    INVALID_VERSION), `refusal` why the bytes were refused (NOT_TLS and INVALID_VERSION).
    """

    __slots__ = (
        "_empty_records",
        "_message",
        "_records_end",
        "_warnings",
        "consumed",
        "hello",
        "limit_bytes",
        "refusal",
    )

    def __init__(self, limit_bytes: int = MAX_CLIENT_HELLO_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.hello: ClientHello | None = None
        self.refusal: Refusal | None = None
        self.consumed = 0
        self._records_end = 0
        self._message = bytearray()
        self._empty_records = 0
        self._warnings = 0

    def inspect(self, data: bytes | bytearray) -> ClientHelloState:
        """Judge the connection by all its bytes so far (never reading past `limit_bytes`)."""
        size = min(len(data), self.limit_bytes)
        try:
            if self._take_hello(data, size):
                return self._judge()
        except _Refused as problem:
            self.refusal = problem.refusal
            return ClientHelloState.NOT_TLS
        except _Closed:
            return ClientHelloState.CLOSED
        self.consumed = size
        return ClientHelloState.TOO_LARGE if size >= self.limit_bytes else ClientHelloState.NEED_MORE

    def _judge(self) -> ClientHelloState:
        if self.hello is not None and TLS_1_0 <= self.hello.version <= TLS_1_3:
            return ClientHelloState.HELLO
        self.refusal = Refusal.CONNECTION_REJECTED
        return ClientHelloState.INVALID_VERSION

    def _take_hello(self, data: bytes | bytearray, size: int) -> bool:
        """Parse the hello once all its records have come; False while they have not."""
        if self._records_end == 0:
            if size < RECORD_HEADER_BYTES:
                return False
            self.consumed = RECORD_HEADER_BYTES
            _check_mixed_up(bytes(data[:RECORD_HEADER_BYTES]))
            if data[0] & 0x80 and data[2] == _CLIENT_HELLO and data[3] == 3:
                return self._take_v2_hello(data, size)
        while not self._message_is_whole():
            if not self._take_record(data, size):
                return False
        self.hello = _parse_message(bytes(self._message))
        return True

    def _take_record(self, data: bytes | bytearray, size: int) -> bool:
        start = self._records_end
        body = start + RECORD_HEADER_BYTES
        if size < body:
            return False
        self.consumed = body
        length = data[start + 3] << 8 | data[start + 4]
        if data[start + 1] != 3:
            raise _Refused(Refusal.WRONG_VERSION_NUMBER)
        if length > MAX_RECORD_BYTES:
            raise _Refused(Refusal.ENCRYPTED_LENGTH_TOO_LONG)
        if size < body + length:
            return False
        self.consumed = self._records_end = body + length
        self._take_fragment(data[start], bytes(data[body : body + length]))
        return True

    def _take_fragment(self, kind: int, fragment: bytes) -> None:
        if len(fragment) > MAX_PLAINTEXT_BYTES:
            raise _Refused(Refusal.DATA_LENGTH_TOO_LONG)
        self._empty_records = 0 if fragment else self._empty_records + 1
        if self._empty_records > MAX_EMPTY_RECORDS:
            raise _Refused(Refusal.TOO_MANY_EMPTY_FRAGMENTS)
        if kind == _ALERT_RECORD:
            self._take_alert(fragment)
        elif kind == _HANDSHAKE_RECORD:
            self._message += fragment
        else:
            raise _Refused(Refusal.UNEXPECTED_RECORD)

    def _take_alert(self, alert: bytes) -> None:
        """A warning is passed over a few times; close_notify (0) ends the connection."""
        if len(alert) != 2:
            raise _Refused(Refusal.BAD_ALERT)
        if alert[0] == 1:
            if alert[1] == 0:
                raise _Closed
            self._warnings += 1
            if self._warnings > MAX_WARNING_ALERTS:
                raise _Refused(Refusal.TOO_MANY_WARNING_ALERTS)
            return
        raise _Refused(Refusal.SSLV3_ALERT_HANDSHAKE_FAILURE if alert[0] == 2 else Refusal.UNKNOWN_ALERT_TYPE)

    def _message_is_whole(self) -> bool:
        message = self._message
        if len(message) < 4:
            return False
        length = int.from_bytes(message[1:4], "big")
        if len(message) >= 4 + length:
            return True
        if length > MAX_HANDSHAKE_MESSAGE_BYTES:
            raise _Refused(Refusal.EXCESSIVE_MESSAGE_SIZE)
        return False

    def _take_v2_hello(self, data: bytes | bytearray, size: int) -> bool:
        """A hello in SSL 2.0's framing, as old clients sent it to offer TLS: no extensions (RFC 5246, E.2)."""
        length = (data[0] & 0x7F) << 8 | data[1]
        if length > MAX_V2_HELLO_BYTES:
            raise _Refused(Refusal.RECORD_TOO_LARGE)
        if length < RECORD_HEADER_BYTES - 2:
            raise _Refused(Refusal.RECORD_LENGTH_MISMATCH)
        if size < 2 + length:
            return False
        self.consumed = 2 + length
        cursor = _Cursor(bytes(data[3 : 2 + length]), Refusal.DECODE_ERROR)
        version = cursor.number(2)
        cipher_bytes, session_id_bytes, challenge_bytes = cursor.number(2), cursor.number(2), cursor.number(2)
        specs = _Cursor(cursor.take(cipher_bytes), Refusal.DECODE_ERROR)
        cursor.take(session_id_bytes + challenge_bytes)
        cursor.must_end()
        ciphers = b""
        while specs.remaining:
            number = specs.number(3)
            if number <= 0xFFFF:  # the others are SSL 2.0's own
                ciphers += number.to_bytes(2, "big")
        if not ciphers:
            raise _Refused(Refusal.CLIENTHELLO_PARSE_FAILED)
        self.hello = ClientHello(version, ciphers)
        return True


def _check_mixed_up(start: bytes) -> None:
    """Plain HTTP on a TLS port has reasons of its own."""
    if start.startswith(_HTTP_METHODS):
        raise _Refused(Refusal.HTTP_REQUEST)
    if start == b"CONNE":
        raise _Refused(Refusal.HTTPS_PROXY_REQUEST)


class _Cursor:
    """Takes length-prefixed vectors from a byte string; input that is too short is refused for the given reason."""

    __slots__ = ("data", "offset", "refusal")

    def __init__(self, data: bytes, refusal: Refusal) -> None:
        self.data = data
        self.offset = 0
        self.refusal = refusal

    @property
    def remaining(self) -> int:
        return len(self.data) - self.offset

    def take(self, length: int) -> bytes:
        end = self.offset + length
        self.must(end <= len(self.data))
        piece = self.data[self.offset : end]
        self.offset = end
        return piece

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))

    def must_end(self) -> None:
        self.must(self.offset == len(self.data))

    def must(self, condition: bool) -> None:
        if not condition:
            raise _Refused(self.refusal)


def _parse_message(message: bytes) -> ClientHello:
    if message[0] != _CLIENT_HELLO:
        raise _Refused(Refusal.UNEXPECTED_MESSAGE)
    end = 4 + int.from_bytes(message[1:4], "big")
    cursor = _Cursor(message[4:end], Refusal.CLIENTHELLO_PARSE_FAILED)
    version = cursor.number(2)
    cursor.take(32)
    cursor.must(len(cursor.vector(1)) <= 32)
    cipher_suites = cursor.vector(2)
    cursor.must(len(cipher_suites) >= 2 and len(cipher_suites) % 2 == 0)
    cursor.must(len(cursor.vector(1)) > 0)
    extensions = _parse_extensions(cursor)
    if len(message) > end:
        raise _Refused(Refusal.EXCESS_HANDSHAKE_DATA)
    _check_encrypted_hello(extensions.get(EXTENSION_ENCRYPTED_CLIENT_HELLO))
    server_name = _server_name(extensions.get(EXTENSION_SERVER_NAME))
    return ClientHello(version, cipher_suites, extensions, server_name, _alpn(extensions.get(EXTENSION_ALPN)))


def _parse_extensions(cursor: _Cursor) -> dict[int, bytes]:
    """Type and body of each extension; the loop every connection pays for, hence without the cursor."""
    extensions: dict[int, bytes] = {}
    if not cursor.remaining:
        return extensions
    block = cursor.vector(2)
    cursor.must_end()
    at = 0
    while at < len(block):
        cursor.must(at + 4 <= len(block))
        kind = block[at] << 8 | block[at + 1]
        body = at + 4
        at = body + (block[at + 2] << 8 | block[at + 3])
        cursor.must(at <= len(block) and kind not in extensions)  # RFC 8446 4.2: none twice
        extensions[kind] = block[body:at]
    return extensions


def numbers_of(data: bytes) -> tuple[int, ...]:
    """The 16-bit numbers of a list; an odd byte at the end is dropped."""
    return tuple(data[at] << 8 | data[at + 1] for at in range(0, len(data) - 1, 2))


def _server_name(body: bytes | None) -> bytes:
    """The host name of the server_name extension: exactly one name, of type host_name (RFC 6066 3)."""
    if body is None:
        return b""
    cursor = _Cursor(body, Refusal.ERROR_PARSING_EXTENSION)
    names = _Cursor(cursor.vector(2), cursor.refusal)
    cursor.must(names.number(1) == 0)
    name = names.vector(2)
    names.must_end()
    cursor.must_end()
    cursor.must(0 < len(name) <= MAX_SERVER_NAME_BYTES and b"\x00" not in name)
    return name


def _alpn(body: bytes | None) -> tuple[bytes, ...]:
    """The ALPN names in the client's order; a malformed list is ignored, the real handshake will complain."""
    if body is None or len(body) < 4 or int.from_bytes(body[:2], "big") != len(body) - 2:
        return ()
    names: list[bytes] = []
    at = 2
    while at < len(body):
        end = at + 1 + body[at]
        if body[at] == 0 or end > len(body):
            return ()
        names.append(body[at + 1 : end])
        at = end
    return tuple(names)


def _check_encrypted_hello(body: bytes | None) -> None:
    """The outer form of encrypted_client_hello must parse; the server has no key for it and reads no more."""
    if body is None:
        return
    cursor = _Cursor(body, Refusal.DECODE_ERROR)
    if cursor.number(1) == 0:
        cursor.take(5)
        cursor.vector(2)
        cursor.vector(2)
        cursor.must_end()
