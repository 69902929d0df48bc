"""The ClientHello reader, by a table whose expectations were seen on Envoy 1.40's tls_inspector."""

from __future__ import annotations

import pytest

from pyvoy.network.tls.client_hello import ClientHelloReader, ClientHelloState, Refusal
from tests.support.client_hello import alpn, extension, message, records, server_names, v2_hello, vector, versions

HELLO, NOT_TLS, TOO_LARGE = ClientHelloState.HELLO, ClientHelloState.NOT_TLS, ClientHelloState.TOO_LARGE
INVALID_VERSION, CLOSED = ClientHelloState.INVALID_VERSION, ClientHelloState.CLOSED
NEED_MORE = ClientHelloState.NEED_MORE
NAME = server_names(b"Example.COM")
EMPTY_RECORD = b"\x16\x03\x01\x00\x00"
WARNING = records(b"\x01\x5a", kind=21)


def hello(extensions: bytes | None = NAME, **fields: object) -> bytes:
    return records(message(extensions, **fields))  # type: ignore[arg-type]


def encrypted_hello(body: bytes) -> bytes:
    return hello(NAME + extension(0xFE0D, body))


def padded(length: int) -> bytes:
    return message(NAME + extension(21, bytes(length)))


# what was sent, state, server name, protocols
ACCEPTED = {
    "name and protocols": (hello(NAME + alpn(b"h2", b"http/1.1")), b"Example.COM", (b"h2", b"http/1.1")),
    "many records": (records(message(NAME + alpn(b"h2")), 7), b"Example.COM", (b"h2",)),
    "one byte a record": (records(message(NAME), 1), b"Example.COM", ()),
    "no extension block": (hello(None), b"", ()),
    "empty extension block": (hello(b""), b"", ()),
    "255 bytes of name": (hello(server_names(b"a" * 255)), b"a" * 255, ()),
    "name with a newline": (hello(server_names(b"a\nb")), b"a\nb", ()),
    "name with eight bits": (hello(server_names(b"a\xffb")), b"a\xffb", ()),
    "no protocol in the list": (hello(NAME + alpn()), b"Example.COM", ()),
    "empty protocol": (hello(NAME + alpn(b"h2", b"")), b"Example.COM", ()),
    "protocol list overruns": (hello(NAME + extension(16, b"\0\5\2h2")), b"Example.COM", ()),
    "protocol list with a surplus": (hello(NAME + extension(16, vector(2, b"\2h2") + b"x")), b"Example.COM", ()),
    "protocols in the client's order": (hello(alpn(b"b", b"a", b"c")), b"", (b"b", b"a", b"c")),
    "TLS 1.0": (hello(version=0x0301), b"Example.COM", ()),
    "TLS 1.3 in the old field": (hello(version=0x0304), b"Example.COM", ()),
    "only unknown versions in the extension": (hello(NAME + versions(0x0A0A)), b"Example.COM", ()),
    "no version in the extension": (hello(NAME + versions()), b"Example.COM", ()),
    "unknown compression": (hello(compression=b"\1"), b"Example.COM", ()),
    "a record that is empty": (EMPTY_RECORD + hello(), b"Example.COM", ()),
    "32 empty records": (EMPTY_RECORD * 32 + hello(), b"Example.COM", ()),
    "any minor record version": (records(message(NAME), version=b"\x03\xff"), b"Example.COM", ()),
    "a second message in its own record": (hello() + records(b"\x01\x00"), b"Example.COM", ()),
    "four warnings": (WARNING * 4 + hello(), b"Example.COM", ()),
    "a warning within": (records(message(NAME)[:9]) + WARNING + records(message(NAME)[9:]), b"Example.COM", ()),
    "version 2 framing": (v2_hello(), b"", ()),
    "version 2 framing and more": (v2_hello() + b"zzz", b"", ()),
    "nearly too large": (records(padded(15900), 1000), b"Example.COM", ()),
    "inner encrypted hello": (encrypted_hello(b"\1x"), b"Example.COM", ()),
    "outer encrypted hello": (encrypted_hello(b"\0\0\1\0\1\7" + vector(2, b"e") + vector(2, b"p")), b"Example.COM", ()),
}

REFUSED = {
    "256 bytes of name": (hello(server_names(b"a" * 256)), Refusal.ERROR_PARSING_EXTENSION),
    "name with NUL": (hello(server_names(b"a\0b")), Refusal.ERROR_PARSING_EXTENSION),
    "empty name": (hello(server_names(b"")), Refusal.ERROR_PARSING_EXTENSION),
    "two names": (hello(server_names(b"a", b"b")), Refusal.ERROR_PARSING_EXTENSION),
    "another kind of name": (hello(server_names(b"a", kind=1)), Refusal.ERROR_PARSING_EXTENSION),
    "empty name extension": (hello(extension(0, b"")), Refusal.ERROR_PARSING_EXTENSION),
    "an extension twice": (hello(extension(9, b"") * 2), Refusal.CLIENTHELLO_PARSE_FAILED),
    "no cipher": (hello(ciphers=()), Refusal.CLIENTHELLO_PARSE_FAILED),
    "no compression": (hello(compression=b""), Refusal.CLIENTHELLO_PARSE_FAILED),
    "33 bytes of session id": (hello(session_id=b"x" * 33), Refusal.CLIENTHELLO_PARSE_FAILED),
    "surplus in the message": (hello(trailing=b"x"), Refusal.CLIENTHELLO_PARSE_FAILED),
    "half an extension": (hello(extension(9, b"abc")[:-1]), Refusal.CLIENTHELLO_PARSE_FAILED),
    "surplus in the record": (records(message(NAME) + b"\x01\x00"), Refusal.EXCESS_HANDSHAKE_DATA),
    "another message": (hello(kind=2), Refusal.UNEXPECTED_MESSAGE),
    "a fatal alert": (records(b"\x02\x28", kind=21), Refusal.SSLV3_ALERT_HANDSHAKE_FAILURE),
    "an alert of three bytes": (records(b"\x01\x5a\x00", kind=21), Refusal.BAD_ALERT),
    "an alert of level 3": (records(b"\x03\x5a", kind=21), Refusal.UNKNOWN_ALERT_TYPE),
    "five warnings": (WARNING * 5 + hello(), Refusal.TOO_MANY_WARNING_ALERTS),
    "change cipher spec": (records(b"\x01", kind=20) + hello(), Refusal.UNEXPECTED_RECORD),
    "application data": (records(b"hello", kind=23), Refusal.UNEXPECTED_RECORD),
    "33 empty records": (EMPTY_RECORD * 33 + hello(), Refusal.TOO_MANY_EMPTY_FRAGMENTS),
    "record version 2": (records(message(NAME), version=b"\x02\x00"), Refusal.WRONG_VERSION_NUMBER),
    "a record too long": (b"\x16\x03\x01\x41\x41", Refusal.ENCRYPTED_LENGTH_TOO_LONG),
    "a message too long": (records(b"\x01\x00\x40\x01"), Refusal.EXCESSIVE_MESSAGE_SIZE),
    "HTTP": (b"GET / HTTP/1.1\r\n\r\n", Refusal.HTTP_REQUEST),
    "HTTP to a proxy": (b"CONNECT a:1 HTTP/1.1\r\n\r\n", Refusal.HTTPS_PROXY_REQUEST),
    "another method": (b"DELETE / HTTP/1.1\r\n\r\n", Refusal.WRONG_VERSION_NUMBER),
    "zeros": (bytes(8), Refusal.WRONG_VERSION_NUMBER),
    "version 2 framing, too long": (b"\x90\x01\x01\x03\x01", Refusal.RECORD_TOO_LARGE),
    "version 2 framing, too short": (b"\x80\x02\x01\x03\x01", Refusal.RECORD_LENGTH_MISMATCH),
    "version 2 framing, overrun": (b"\x80\x08\x01\x03\x01" + b"x" * 20, Refusal.DECODE_ERROR),
    "version 2 framing, surplus": (v2_hello(extra=b"x"), Refusal.DECODE_ERROR),
    "version 2 framing, odd ciphers": (v2_hello(specs=b"\x00\xc0\x2f\x00"), Refusal.DECODE_ERROR),
    "version 2 framing, no TLS cipher": (v2_hello(specs=b"\x07\xc0\x2f"), Refusal.CLIENTHELLO_PARSE_FAILED),
    "encrypted hello without a type": (encrypted_hello(b""), Refusal.DECODE_ERROR),
    "outer encrypted hello cut short": (encrypted_hello(b"\0"), Refusal.DECODE_ERROR),
    "outer encrypted hello with a surplus": (
        encrypted_hello(b"\0\0\1\0\1\7" + vector(2, b"e") + vector(2, b"p") + b"x"),
        Refusal.DECODE_ERROR,
    ),
}

OTHERS = {
    "nothing yet": (b"", NEED_MORE),
    "four bytes of HTTP": (b"GET ", NEED_MORE),
    "half a record": (hello()[:30], NEED_MORE),
    "half a version 2 hello": (v2_hello()[:20], NEED_MORE),
    "a record whose length fits": (b"\x16\x03\x01\x41\x40" + b"x" * 10, NEED_MORE),
    "one record over the limit": (records(message(NAME + extension(21, bytes(16320)))), TOO_LARGE),
    "a plain flood behind a record header": (b"\x16\x03\x01\x40\x01" + bytes(20000), TOO_LARGE),
    "SSL 3.0": (hello(version=0x0300), INVALID_VERSION),
    "SSL 3.0 with TLS 1.3 in the extension": (hello(NAME + versions(0x0304), version=0x0300), INVALID_VERSION),
    "TLS 1.4": (hello(version=0x0305), INVALID_VERSION),
    "version 2 framing with SSL 3.0": (v2_hello(0x0300), INVALID_VERSION),
    "goodbye": (records(b"\x01\x00", kind=21), CLOSED),
    "goodbye within": (records(message(NAME)[:9]) + records(b"\x01\x00", kind=21), CLOSED),
}


def read(
    data: bytes, *, bytewise: bool = False, limit_bytes: int = 16384
) -> tuple[ClientHelloState, ClientHelloReader]:
    reader = ClientHelloReader(limit_bytes)
    state = NEED_MORE
    for end in range(1, len(data)) if bytewise else ():
        state = reader.inspect(data[:end])
        if state is not NEED_MORE:
            return state, reader
    return reader.inspect(data), reader


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(("data", "name", "protocols"), ACCEPTED.values(), ids=ACCEPTED)
def test_a_hello_is_read(data: bytes, name: bytes, protocols: tuple[bytes, ...], bytewise: bool) -> None:
    state, reader = read(data, bytewise=bytewise and len(data) < 3000)
    assert state is HELLO
    assert reader.hello is not None
    assert (reader.hello.server_name, reader.hello.alpn) == (name, protocols)


@pytest.mark.parametrize("name", ACCEPTED)
def test_application_data_behind_a_hello_is_not_looked_at(name: str) -> None:
    data, server_name, _ = ACCEPTED[name]
    state, reader = read(data + records(b"x" * 300, kind=23))
    assert state is HELLO
    assert reader.hello is not None
    assert reader.hello.server_name == server_name
    assert reader.consumed <= len(data)


@pytest.mark.parametrize("bytewise", [False, True])
@pytest.mark.parametrize(("data", "refusal"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_hello_is_refused_with_its_reason(data: bytes, refusal: Refusal, bytewise: bool) -> None:
    state, reader = read(data, bytewise=bytewise)
    assert state is NOT_TLS
    assert reader.refusal is refusal
    assert reader.hello is None


@pytest.mark.parametrize(("data", "expected"), OTHERS.values(), ids=OTHERS)
def test_other_states(data: bytes, expected: ClientHelloState) -> None:
    assert read(data)[0] is expected
    assert read(data, bytewise=len(data) < 3000)[0] is expected


def test_a_hello_of_a_wrong_version_still_tells_its_names() -> None:
    _, reader = read(hello(NAME + alpn(b"h2"), version=0x0300))
    assert reader.refusal is Refusal.CONNECTION_REJECTED
    assert reader.hello is not None
    assert (reader.hello.server_name, reader.hello.alpn) == (b"Example.COM", (b"h2",))


def test_the_limit_counts_bytes_of_the_connection() -> None:
    data = hello()
    assert read(data, limit_bytes=len(data))[0] is HELLO
    assert read(data, limit_bytes=len(data) - 1)[0] is TOO_LARGE
    assert read(data[:-2], limit_bytes=len(data) - 1)[0] is NEED_MORE


def test_consumed_is_what_a_tls_library_would_have_read() -> None:
    data = hello()
    assert read(data + b"early")[1].consumed == len(data)
    assert read(b"GET / HTTP/1.1\r\n")[1].consumed == 5
    assert read(b"\x16\x03\x01\x40\x01" + bytes(20000))[1].consumed == 16384


def test_the_refusal_text_is_the_one_of_the_access_log() -> None:
    text = "TLS_error|error:1000009c:SSL_routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end"
    assert Refusal.HTTP_REQUEST.text == text
