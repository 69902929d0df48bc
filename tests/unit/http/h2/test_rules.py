"""Every rule of RFC 9113 that a client can break, as bytes: which error ends the stream or the connection."""
# ruff: noqa: E501 - tables

from struct import pack, unpack

import pytest

from tests.support import h2wire as h2
from tests.support.h2server import Server
from tests.support.h2wire import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GET,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PING,
    POST,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    block,
    data,
    frame,
    head,
    rst,
    settings,
    window,
)

PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, COMPRESSION, CALM = 1, 3, 5, 6, 7, 9, 11
OPEN = head(1, fields=POST, end=False)
HALF = head(1)
"""The client is done with the stream, the server is not."""
DEPENDS_ON_ITSELF = pack(">IB", 1, 15)


def without(name):
    return [pair for pair in GET if pair[0] != name]


def with_field(*more):
    return head(1, *more)


CONNECTION_ERRORS = [
    # 3.4, 3.5: the preface
    ("settings-come-first", [head(1)], PROTOCOL, False),
    # 4.1, 4.2: frame sizes
    ("data-above-the-frame-size", [OPEN, frame(DATA, 0, 1, b"x" * 16385)], SIZE, True),
    ("headers-above-the-frame-size", [frame(HEADERS, 5, 1, b"x" * 16385)], SIZE, True),
    # 4.3: header blocks
    ("undecodable-block", [frame(HEADERS, 5, 1, b"\x00\x00\x00\x00\x40")], COMPRESSION, True),
    ("priority-in-a-block", [frame(HEADERS, 1, 1, block(*GET)), frame(PRIORITY, 0, 1, b"\0" * 5)], PROTOCOL, True),
    ("other-stream-in-a-block", [frame(HEADERS, 1, 1, block(*GET)), head(3)], PROTOCOL, True),
    ("unknown-frame-in-a-block", [frame(HEADERS, 1, 1, block(*GET)), frame(0xFE, 0, 0)], PROTOCOL, True),
    # 5.1: states
    ("idle-data", [data(1, b"x")], PROTOCOL, True),
    ("idle-rst", [rst(1)], PROTOCOL, True),
    ("idle-window-update", [window(1, 9)], PROTOCOL, True),
    ("idle-continuation", [frame(CONTINUATION, 4, 1, block(*GET))], PROTOCOL, True),
    ("half-closed-data", [HALF, data(1, b"x")], CLOSED, True),
    ("half-closed-headers", [HALF, HALF], CLOSED, True),
    ("half-closed-continuation", [HALF, frame(CONTINUATION, 4, 1, block(*GET))], PROTOCOL, True),
    ("closed-by-rst-data", [OPEN, rst(1), data(1, b"x")], CLOSED, True),
    ("closed-by-rst-headers", [OPEN, rst(1), head(1)], CLOSED, True),
    # 5.1.1: identifiers
    ("even-stream", [head(2)], PROTOCOL, True),
    ("smaller-stream", [head(5), head(3)], PROTOCOL, True),
    # 5.3.1: dependencies
    ("headers-on-itself", [frame(HEADERS, 0x25, 1, DEPENDS_ON_ITSELF + block(*GET))], PROTOCOL, True),
    ("priority-on-itself", [frame(PRIORITY, 0, 1, DEPENDS_ON_ITSELF)], PROTOCOL, True),
    # 6.1: DATA
    ("data-on-0", [data(0, b"x")], PROTOCOL, True),
    ("data-padding", [OPEN, frame(DATA, PADDED, 1, b"\x05abcd")], PROTOCOL, True),
    ("data-padding-of-nothing", [OPEN, frame(DATA, PADDED, 1)], PROTOCOL, True),
    # 6.2: HEADERS
    ("headers-on-0", [head(0)], PROTOCOL, True),
    ("headers-padding", [frame(HEADERS, 5 | PADDED, 1, b"\xff" + block(*GET))], PROTOCOL, True),
    ("headers-short-priority", [frame(HEADERS, 5 | HAS_PRIORITY, 1, b"\0\0")], SIZE, True),
    # 6.3, 6.4: PRIORITY, RST_STREAM
    ("priority-on-0", [frame(PRIORITY, 0, 0, b"\0" * 5)], PROTOCOL, True),
    ("priority-length", [frame(PRIORITY, 0, 1, b"\0" * 4)], SIZE, True),
    ("rst-on-0", [rst(0)], PROTOCOL, True),
    ("rst-length", [OPEN, frame(RST_STREAM, 0, 1, b"\0" * 3)], SIZE, True),
    # 6.5: SETTINGS
    ("settings-ack-with-values", [frame(SETTINGS, 1, 0, b"\0" * 6)], SIZE, True),
    ("settings-on-1", [frame(SETTINGS, 0, 1)], PROTOCOL, True),
    ("settings-length", [frame(SETTINGS, 0, 0, b"\0" * 3)], SIZE, True),
    ("enable-push-2", [settings((2, 2))], PROTOCOL, True),
    ("window-above-the-limit", [settings((4, 1 << 31))], FLOW, True),
    ("frame-size-below", [settings((5, 16383))], PROTOCOL, True),
    ("frame-size-above", [settings((5, 1 << 24))], PROTOCOL, True),
    ("enable-connect-2", [settings((8, 2))], PROTOCOL, True),
    # 6.6: PUSH_PROMISE
    ("push-from-a-client", [OPEN, frame(5, 4, 1, b"\0\0\0\2" + block(*GET))], PROTOCOL, True),
    # 6.7, 6.8: PING, GOAWAY
    ("ping-on-1", [frame(PING, 0, 1, b"\0" * 8)], PROTOCOL, True),
    ("ping-length", [frame(PING, 0, 0, b"\0" * 6)], SIZE, True),
    ("goaway-on-1", [frame(GOAWAY, 0, 1, b"\0" * 8)], PROTOCOL, True),
    ("goaway-length", [frame(GOAWAY, 0, 0, b"\0" * 7)], SIZE, True),
    # 6.9: WINDOW_UPDATE
    ("window-update-0", [window(0, 0)], PROTOCOL, True),
    ("window-update-0-of-a-stream", [OPEN, window(1, 0)], PROTOCOL, True),
    ("window-update-length", [frame(WINDOW_UPDATE, 0, 0, b"\0" * 3)], SIZE, True),
    ("window-overflow", [window(0, (1 << 31) - 1)], FLOW, True),
    ("stream-window-overflow", [OPEN, window(1, (1 << 31) - 1)], FLOW, True),
    ("window-overflow-by-settings", [OPEN, window(1, 1 << 30), settings((4, (1 << 31) - 1))], FLOW, True),
    # 6.10: CONTINUATION
    ("continuation-alone", [frame(CONTINUATION, 4, 1, block(*GET))], PROTOCOL, True),
    ("continuation-on-0", [frame(HEADERS, 1, 1, block(*GET)), frame(CONTINUATION, 4, 0)], PROTOCOL, True),
    ("continuation-after-the-end", [HALF, frame(CONTINUATION, 4, 1, block(*GET))], PROTOCOL, True),
    # 8.1: messages
    ("trailers-without-end", [OPEN, head(1, fields=[(b"x", b"y")], end=False)], PROTOCOL, True),
    # 8.2: fields
    ("upper-case-name", [with_field((b"X-A", b"b"))], PROTOCOL, True),
    ("connection", [with_field((b"connection", b"keep-alive"))], PROTOCOL, True),
    ("proxy-connection", [with_field((b"proxy-connection", b"close"))], PROTOCOL, True),
    ("upgrade", [with_field((b"upgrade", b"websocket"))], PROTOCOL, True),
    ("transfer-encoding", [with_field((b"transfer-encoding", b"chunked"))], PROTOCOL, True),
    ("te", [with_field((b"te", b"trailers, deflate"))], PROTOCOL, True),
    ("line-feed", [with_field((b"a", b"b\nc: d"))], PROTOCOL, True),
    ("carriage-return", [with_field((b"a", b"b\rc"))], PROTOCOL, True),
    ("nul", [with_field((b"a", b"b\0"))], PROTOCOL, True),
    ("name-with-colon", [with_field((b"a:", b"b"))], PROTOCOL, True),
    ("no-name", [with_field((b"", b"b"))], PROTOCOL, True),
    # 8.3: pseudo headers
    ("unknown-pseudo", [head(1, fields=[*GET, (b":x", b"y")])], PROTOCOL, True),
    ("response-pseudo", [head(1, fields=[*GET, (b":status", b"200")])], PROTOCOL, True),
    ("pseudo-in-trailers", [OPEN, head(1, fields=[(b":method", b"GET")])], PROTOCOL, True),
    ("pseudo-behind-fields", [head(1, fields=[*GET[:3], (b"x", b"y"), GET[3]])], PROTOCOL, True),
    ("no-method", [head(1, fields=without(b":method"))], PROTOCOL, True),
    ("no-scheme", [head(1, fields=without(b":scheme"))], PROTOCOL, True),
    ("no-path", [head(1, fields=without(b":path"))], PROTOCOL, True),
    ("empty-path", [head(1, fields=[*without(b":path"), (b":path", b"")])], PROTOCOL, True),
    ("two-methods", [head(1, fields=[*GET, (b":method", b"GET")])], PROTOCOL, True),
    ("two-schemes", [head(1, fields=[*GET, (b":scheme", b"http")])], PROTOCOL, True),
    ("two-paths", [head(1, fields=[*GET, (b":path", b"/")])], PROTOCOL, True),
    ("connect-with-path", [head(1, fields=[(b":method", b"CONNECT"), *GET[1:]])], PROTOCOL, True),
    ("connect-without-authority", [head(1, fields=[(b":method", b"CONNECT")])], PROTOCOL, True),
    ("two-lengths", [with_field((b"content-length", b"0"), (b"content-length", b"1"))], PROTOCOL, True),
    ("length-of-no-body", [with_field((b"content-length", b"1"))], PROTOCOL, True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("pieces", "code", "started"), [pytest.param(*row[1:], id=row[0]) for row in CONNECTION_ERRORS]
)
@pytest.mark.parametrize("size", [0, 1], ids=["whole", "byte-by-byte"])
def test_the_connection_ends_with_the_code_of_the_rule(pieces, code, started, size):
    server = Server(started=started)
    if not started:
        server.feed(h2.PREFACE)
    sent = b"".join(pieces)
    server.feed(*([sent] if not size else [sent[at : at + 1] for at in range(len(sent))]))
    assert server.goaway == code
    assert server.error is not None
    before = len(server.written)
    server.feed(head(99))
    assert len(server.written) == before, "nothing is read behind the end"


@pytest.mark.parametrize(
    ("pieces", "code"),
    [
        pytest.param([head(1, (b"content-length", b"9"), fields=POST, end=False), data(1, b"x")], PROTOCOL, id="short"),
        pytest.param([head(1, (b"content-length", b"1"), fields=POST, end=False), data(1, b"xy", False)], PROTOCOL, id="long"),
        pytest.param([head(1, (b"content-length", b"4"), fields=POST, end=False), data(1, b"ab", False), data(1, b"c")], PROTOCOL, id="pieces"),
        pytest.param([with_field(*((b"x-%d" % n, b"") for n in range(101)))], 2, id="too-many-fields"),
        pytest.param([with_field(*((b"cookie", b"") for n in range(101)))], 2, id="too-many-crumbs"),
    ],
)  # fmt: skip
def test_the_stream_alone_ends(pieces, code):
    server = Server()
    server.feed(*pieces)
    assert server.reset_codes() == {1: code}
    assert server.goaway is None
    server.feed(head(3))
    assert 3 in server.requests


def test_malformed_messages_end_their_stream_alone_when_configured():
    server = Server(stream_errors=True)
    server.feed(head(1, (b"connection", b"close")), head(3))
    assert server.reset_codes() == {1: PROTOCOL}
    assert server.malformed == [(1, "http2.invalid.header.field")]
    assert server.requests[3].ended


ACCEPTED = [
    ("priority-of-an-idle-stream", [frame(PRIORITY, 0, 9, b"\0\0\0\0\1"), HALF]),
    ("priority-of-a-closed-stream", [OPEN, rst(1), frame(PRIORITY, 0, 1, b"\0\0\0\0\1"), head(3)]),
    ("window-update-half-closed", [HALF, window(1, 5)]),
    ("rst-half-closed", [HALF, rst(1)]),
    ("window-update-closed", [OPEN, rst(1), window(1, 5)]),
    ("rst-closed", [OPEN, rst(1), rst(1)]),
    ("unknown-frame", [frame(0xFE, 0xFF, 7, b"?"), HALF]),
    ("unknown-setting", [settings((0x99, 5)), HALF]),
    ("unknown-flags", [frame(PING, 0xFE, 0, b"12345678")]),
    ("reserved-bit", [frame(HEADERS, 5, 1 << 31 | 1, block(*GET))]),
    ("ping-ack-unasked", [frame(PING, 1, 0, b"12345678")]),
    ("goaway", [frame(GOAWAY, 0, 0, b"\0" * 8), HALF]),
    ("empty-last-data", [OPEN, data(1, b"")]),
    ("te-trailers", [with_field((b"te", b"trailers"))]),
    ("trailers", [OPEN, data(1, b"x", False), head(1, fields=[(b"x", b"y")])]),
    ("padding", [frame(HEADERS, 5 | PADDED, 1, b"\2" + block(*GET) + b"\0\0")]),
    ("all-padding", [OPEN, frame(DATA, PADDED | END_STREAM, 1, b"\3\0\0\0")]),
    ("frame-size-16384", [OPEN, frame(DATA, 1, 1, b"x" * 16384)]),
    ("window-0", [settings((4, 0)), HALF]),
    ("window-again", [settings((4, 0), (4, 100)), HALF]),
    ("options-star", [head(1, fields=[(b":method", b"OPTIONS"), *without(b":method")[:1], (b":path", b"*"), GET[3]])]),
    ("skipped-ids", [head(1), head(9), head(11)]),
]  # fmt: skip


@pytest.mark.parametrize("pieces", [pytest.param(row[1], id=row[0]) for row in ACCEPTED])
def test_what_the_rules_allow_goes_on(pieces):
    server = Server()
    server.feed(*pieces)
    assert server.goaway is None
    assert server.error is None


def test_a_wrong_preface_is_closed_without_a_word():
    server = Server(started=False)
    server.feed(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n")
    assert (server.written, server.codec.broken) == (b"", True)
    assert server.error is not None


def test_our_own_reset_is_followed_by_frames_that_were_on_their_way():
    server = Server()
    server.feed(OPEN)
    server.codec.reset_code(1, 8)
    server.feed(data(1, b"late", False), head(1, fields=[(b"x", b"y")]), window(1, 1), head(3))
    assert server.goaway is None
    assert 3 in server.requests


def test_streams_above_the_limit_are_refused_and_may_come_again():
    server = Server(max_concurrent_streams=2)
    server.feed(OPEN, head(3, fields=POST, end=False), head(5))
    assert server.reset_codes() == {5: REFUSED}
    server.feed(rst(1), head(7))
    assert 7 in server.requests


def test_a_ping_is_answered_with_what_it_said():
    server = Server()
    server.feed(frame(PING, 0, 0, b"abcdefgh"))
    assert [(one.flags, one.payload) for one in server.sent(PING)] == [(1, b"abcdefgh")]


def test_settings_are_acknowledged_each():
    server = Server()
    server.feed(settings((4, 9)), settings())
    assert [one.flags for one in server.sent(SETTINGS)] == [1, 1]


def test_what_is_announced_at_the_start():
    server = Server(started=False, max_concurrent_streams=9, stream_window_bytes=70000, allow_connect=True)
    server.feed(h2.opening())
    first = server.frames[0]
    values = dict(unpack(">HI", first.payload[at : at + 6]) for at in range(0, len(first.payload), 6))
    assert values == {3: 9, 4: 70000, 8: 1}
    assert int.from_bytes(server.sent(WINDOW_UPDATE)[0].payload, "big") == 24 * 1024 * 1024 - 65535


def test_a_head_in_many_pieces_is_one_request():
    server = Server()
    whole = block(*GET, (b"x", b"y" * 300))
    server.feed(frame(HEADERS, END_STREAM, 1, whole[:10]))
    assert server.partial == 1
    server.feed(frame(CONTINUATION, 0, 1, whole[10:200]), frame(CONTINUATION, END_HEADERS, 1, whole[200:]))
    assert server.partial == 0
    assert server.requests[1].headers.map[b"x"] == b"y" * 300


def test_cookie_crumbs_become_one_field():
    server = Server()
    server.feed(head(1, (b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2")))
    assert server.requests[1].headers.map[b"cookie"] == b"a=1; b=2"


def test_extended_connect_is_an_upgrade_to_the_rest_of_the_proxy():
    server = Server(allow_connect=True)
    server.feed(head(1, fields=[(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]], end=False))
    values = server.requests[1].headers.map
    assert (values[b":method"], values[b"upgrade"], values[b"connection"]) == (b"GET", b"websocket", b"upgrade")
