"""Reads a TLS ClientHello from the first bytes of a connection, without a TLS library and without I/O.

It answers what a listener wants to know before it chooses a filter chain: is this TLS, which server name and which
application protocols does the client ask for.  It does not judge what only the handshake can judge (ciphers, keys).
Source: RFC 8446 and 5246 for the format; what counts as TLS, and every limit, as Envoy's tls_inspector decides it
through BoringSSL (probed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

MAX_CLIENT_HELLO_BYTES = 16 * 1024  # Envoy TlsInspector.max_client_hello_size: default and ceiling
RECORD_HEADER_BYTES = 5
MAX_RECORD_BYTES = 16384 + 256  # RFC 8446 5.2, the longest a record may announce
MAX_PLAINTEXT_BYTES = 16384  # RFC 8446 5.1
MAX_HANDSHAKE_MESSAGE_BYTES = 16384  # BoringSSL's ceiling of a message before authentication
MAX_EMPTY_RECORDS = 32  # BoringSSL's patience with records that carry nothing
MAX_SERVER_NAME_BYTES = 255  # RFC 6066 by way of DNS names

TLS_1_0, TLS_1_1, TLS_1_2, TLS_1_3 = 0x0301, 0x0302, 0x0303, 0x0304

EXTENSION_SERVER_NAME = 0
EXTENSION_SUPPORTED_GROUPS = 10
EXTENSION_EC_POINT_FORMATS = 11
EXTENSION_SIGNATURE_ALGORITHMS = 13
EXTENSION_ALPN = 16
EXTENSION_SUPPORTED_VERSIONS = 43

_HANDSHAKE_RECORD = 22
_CLIENT_HELLO = 1
_FALLBACK_SCSV = 0x5600


class ClientHelloState(Enum):
    """What the bytes so far have turned out to be."""

    NEED_MORE = 0
    HELLO = 1
    NOT_TLS = 2
    TOO_LARGE = 3


class _Malformed(Exception):
    """The bytes break the format; the message says where, for the debug log."""


@dataclass(slots=True, frozen=True)
class ClientHello:
    """A parsed ClientHello.

    `version` is the legacy version field, `supported_versions` the extension's list (empty when absent),
    `extensions` the (type, body) pairs as sent, `server_name` the SNI as sent (b"" when absent), `alpn` the offered
    protocols in the client's order (empty when absent or malformed).
    """

    version: int
    cipher_suites: tuple[int, ...]
    compression_methods: bytes
    extensions: tuple[tuple[int, bytes], ...]
    server_name: bytes = b""
    alpn: tuple[bytes, ...] = ()
    supported_versions: tuple[int, ...] = ()

    def extension(self, kind: int) -> bytes | None:
        """The body of the first extension of that type, None when the client did not send it."""
        for found, body in self.extensions:
            if found == kind:
                return body
        return None


class ClientHelloReader:
    """Follows one connection's first bytes; fed the whole buffer again whenever it has grown.

    After each `inspect`: `consumed` is the number of bytes that were needed, `hello` what was parsed (also for a hello
    that was well-formed but is refused, state NOT_TLS: its ALPN counts all the same, as in Envoy), `problem` why the
    bytes are not TLS.
    """

    __slots__ = ("_empty_records", "_message", "_records_end", "consumed", "hello", "limit_bytes", "problem")

    def __init__(self, limit_bytes: int = MAX_CLIENT_HELLO_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.hello: ClientHello | None = None
        self.problem = ""
        self.consumed = 0
        self._records_end = 0
        self._message = bytearray()
        self._empty_records = 0

    def inspect(self, data: bytes | bytearray | memoryview) -> ClientHelloState:
        """Judge the connection by all its bytes so far (never reading past `limit_bytes`)."""
        size = min(len(data), self.limit_bytes)
        try:
            complete = self._take_records(data, size)
            if complete:
                self._parse()
        except _Malformed as problem:
            self.problem = str(problem)
            return ClientHelloState.NOT_TLS
        if complete:
            return ClientHelloState.HELLO
        self.consumed = size
        return ClientHelloState.TOO_LARGE if size >= self.limit_bytes else ClientHelloState.NEED_MORE

    def _take_records(self, data: bytes | bytearray | memoryview, size: int) -> bool:
        """Join the fragments of every whole record up to `size`; True when the first message is whole."""
        while True:
            if self._message_is_whole():
                return True
            start = self._records_end
            body = start + RECORD_HEADER_BYTES
            if size < body:
                return False
            self.consumed = body
            length = data[start + 3] << 8 | data[start + 4]
            _check_record_header(data[start], data[start + 1], length)
            if size < body + length:
                return False
            self.consumed = self._records_end = body + length
            self._take_fragment(data[start], bytes(data[body : body + length]))

    def _take_fragment(self, kind: int, fragment: bytes) -> None:
        if len(fragment) > MAX_PLAINTEXT_BYTES:
            raise _Malformed("DATA_LENGTH_TOO_LONG")
        self._empty_records = 0 if fragment else self._empty_records + 1
        if self._empty_records > MAX_EMPTY_RECORDS:
            raise _Malformed("TOO_MANY_EMPTY_FRAGMENTS")
        if kind != _HANDSHAKE_RECORD:
            raise _Malformed("UNEXPECTED_RECORD")
        self._message += fragment

    def _message_is_whole(self) -> bool:
        message = self._message
        if len(message) < 4:
            return False
        length = int.from_bytes(message[1:4], "big")
        if len(message) >= 4 + length:
            return True
        if length > MAX_HANDSHAKE_MESSAGE_BYTES:
            raise _Malformed("EXCESSIVE_MESSAGE_SIZE")
        return False

    def _parse(self) -> None:
        message = bytes(self._message)
        if message[0] != _CLIENT_HELLO:
            raise _Malformed("UNEXPECTED_MESSAGE")
        body = message[4:]
        length = int.from_bytes(message[1:4], "big")
        if len(body) > length:
            _parse_hello(body[:length])  # a decode error is reported before the surplus is
            raise _Malformed("EXCESS_HANDSHAKE_DATA")
        self.hello = _parse_hello(body)
        _check_acceptable(self.hello)


def _check_record_header(kind: int, major_version: int, length: int) -> None:
    if major_version != 3:
        raise _Malformed("WRONG_VERSION_NUMBER")
    if length > MAX_RECORD_BYTES:
        raise _Malformed("ENCRYPTED_LENGTH_TOO_LONG")


class _Cursor:
    """Takes length-prefixed vectors from a byte string; short input is malformed."""

    __slots__ = ("data", "offset")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.offset = 0

    @property
    def remaining(self) -> int:
        return len(self.data) - self.offset

    def take(self, length: int) -> bytes:
        end = self.offset + length
        if end > len(self.data):
            raise _Malformed("DECODE_ERROR")
        piece = self.data[self.offset : end]
        self.offset = end
        return piece

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def vector(self, width: int) -> bytes:
        return self.take(self.number(width))

    def must_end(self) -> None:
        if self.offset != len(self.data):
            raise _Malformed("DECODE_ERROR")


def _parse_hello(body: bytes) -> ClientHello:
    cursor = _Cursor(body)
    version = cursor.number(2)
    cursor.take(32)
    if len(cursor.vector(1)) > 32:
        raise _Malformed("DECODE_ERROR")
    cipher_suites = cursor.vector(2)
    if len(cipher_suites) < 2 or len(cipher_suites) % 2:
        raise _Malformed("DECODE_ERROR")
    compression_methods = cursor.vector(1)
    if not compression_methods:
        raise _Malformed("DECODE_ERROR")
    extensions = _parse_extensions(cursor)
    bodies = dict(reversed(extensions))  # the first of a kind counts
    return ClientHello(
        version,
        _numbers(cipher_suites),
        compression_methods,
        extensions,
        _server_name(bodies.get(EXTENSION_SERVER_NAME)),
        _alpn(bodies.get(EXTENSION_ALPN)),
        _supported_versions(bodies.get(EXTENSION_SUPPORTED_VERSIONS)),
    )


def _parse_extensions(cursor: _Cursor) -> tuple[tuple[int, bytes], ...]:
    if not cursor.remaining:
        return ()
    block = _Cursor(cursor.vector(2))
    cursor.must_end()
    extensions: list[tuple[int, bytes]] = []
    while block.remaining:
        extensions.append((block.number(2), block.vector(2)))
    return tuple(extensions)


def _numbers(data: bytes) -> tuple[int, ...]:
    """The 16-bit numbers of a list; an odd byte at the end is dropped."""
    return tuple(data[at] << 8 | data[at + 1] for at in range(0, len(data) - 1, 2))


def _server_name(body: bytes | None) -> bytes:
    """The host name of the server_name extension: one name of type host_name, as BoringSSL reads it."""
    if body is None:
        return b""
    cursor = _Cursor(body)
    names = _Cursor(cursor.vector(2))
    kind = names.number(1)
    name = names.vector(2)
    names.must_end()
    cursor.must_end()
    if kind != 0 or not 0 < len(name) <= MAX_SERVER_NAME_BYTES or b"\x00" in name:
        raise _Malformed("ERROR_PARSING_EXTENSION")
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


def _supported_versions(body: bytes | None) -> tuple[int, ...]:
    return () if body is None else _numbers(body[1:])


def _check_acceptable(hello: ClientHello) -> None:
    """What BoringSSL refuses after the hello is parsed and before it looks for the server name."""
    best = _negotiated_version(hello)
    if best < TLS_1_3 and _FALLBACK_SCSV in hello.cipher_suites:
        raise _Malformed("INAPPROPRIATE_FALLBACK")
    methods = hello.compression_methods
    if 0 not in methods or (best >= TLS_1_3 and len(methods) != 1):
        raise _Malformed("INVALID_COMPRESSION_LIST")


def _negotiated_version(hello: ClientHello) -> int:
    """The highest version both sides speak, of TLS 1.0 to 1.3."""
    body = hello.extension(EXTENSION_SUPPORTED_VERSIONS)
    if body is None:
        best = min(hello.version, TLS_1_2)
    else:
        if not body or body[0] != len(body) - 1 or body[0] == 0 or body[0] % 2:
            raise _Malformed("DECODE_ERROR")
        best = max((known for known in hello.supported_versions if TLS_1_0 <= known <= TLS_1_3), default=0)
    if best < TLS_1_0:
        raise _Malformed("UNSUPPORTED_PROTOCOL")
    return best
