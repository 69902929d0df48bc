"""HTTP/2 upstreams that misspeak: frames, header blocks, settings, windows, messages and endings that they must not send.

The rules are those of RFC 9113 and RFC 7541 as public conformance suites ask servers for them, turned round; what a
client of the proxy gets, what is logged and counted is what Envoy makes of it.
"""
# ruff: noqa: E501 - a table: a case reads best on its own line

from struct import pack

from tests.parity.case import Case, request
from tests.parity.cases.http2_upstream import (
    CONNECT,
    HTTP2,
    UPGRADE,
    WEBSOCKET,
    fields,
    from_http1,
    from_http2,
    options,
    reply,
    upstream,
)
from tests.support import h2wire as h2
from tests.support.h2wire import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HAS_PRIORITY,
    HEADERS,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    block,
    data,
    frame,
    head,
    settings,
    window,
)
from tests.support.steps import Step, Wait
from tests.support.upstream import STREAM, Script

UNKNOWN = 0x16
OPEN = head(STREAM, fields=fields(), end=False)
WHOLE = reply()
STATUS = b"\x88"
"""`:status: 200`, indexed."""
BIG = (b"x-big", b"x" * 17000)
LENIENT = options("explicit_http_config: {http2_protocol_options: {override_stream_error_on_invalid_http_message: true}}")
PAIR = [(b":status", b"200"), (b"x-a", b"1")]


def heads(payload: bytes, flags: int = END_HEADERS, stream: int = STREAM) -> bytes:
    """A HEADERS frame of these bytes."""
    return frame(HEADERS, flags, stream, payload)


def more(payload: bytes = b"", flags: int = END_HEADERS, stream: int = STREAM) -> bytes:
    """A CONTINUATION frame."""
    return frame(CONTINUATION, flags, stream, payload)


def response(*pairs: tuple[bytes, bytes], end: bool = True) -> bytes:
    """A head of just these fields."""
    return head(STREAM, fields=list(pairs), end=end)


DEPENDS = pack(">IB", STREAM, 7)
ROOT = pack(">IB", 0, 7)
FAULTS: tuple[tuple[str, str, tuple[Step, ...]], ...] = (
    # frames
    ("unknown-frame", "200", (frame(UNKNOWN, 0, 0, b"12345678") + frame(UNKNOWN, 255, STREAM, b"1") + WHOLE,)),
    ("ping-odd-flags", "200", (frame(PING, 0x16, 0, b"12345678") + WHOLE,)),
    ("ping-reserved-bit", "200", (frame(PING, 0, 0x80000000, b"12345678") + WHOLE,)),
    ("ping-unasked-ack", "200", (frame(PING, ACK, 0, b"12345678") + WHOLE,)),
    ("ping-on-stream", "502", (frame(PING, 0, STREAM, b"12345678") + WHOLE,)),
    ("ping-short", "502", (frame(PING, 0, 0, b"123456") + WHOLE,)),
    ("data-largest", "200", (OPEN + data(STREAM, b"x" * 16384),)),
    ("data-too-large", "200", (OPEN, Wait(0.1), data(STREAM, b"x" * 16385))),
    ("head-too-large-frame", "502", (response(*PAIR, BIG),)),
    ("data-padded", "200", (OPEN + frame(DATA, PADDED | END_STREAM, STREAM, b"\x03abc\0\0\0"),)),
    ("data-all-padding", "200", (OPEN + frame(DATA, PADDED | END_STREAM, STREAM, b"\x03\0\0\0"),)),
    ("data-padded-too-long", "200", (OPEN, Wait(0.1), frame(DATA, PADDED | END_STREAM, STREAM, b"\x06test"))),
    ("data-padding-absent", "200", (OPEN, Wait(0.1), frame(DATA, PADDED | END_STREAM, STREAM))),
    ("data-on-0", "200", (OPEN, Wait(0.1), data(0, b"x"))),
    ("data-before-head", "502", (data(STREAM, b"x") + WHOLE,)),
    ("data-on-even", "502", (data(2, b"x") + WHOLE,)),
    ("head-on-0", "502", (head(0, fields=fields()) + WHOLE,)),
    ("head-on-even", "502", (head(2, fields=fields()) + WHOLE,)),
    ("head-on-unused", "502", (head(101, fields=fields()) + WHOLE,)),
    ("head-padded", "200", (heads(b"\x03" + STATUS + b"\0\0\0", END_HEADERS | END_STREAM | PADDED),)),
    ("head-padded-too-long", "502", (heads(b"\x11" + STATUS, END_HEADERS | END_STREAM | PADDED),)),
    ("head-priority", "200", (heads(ROOT + STATUS, END_HEADERS | END_STREAM | HAS_PRIORITY),)),
    ("head-depends-on-itself", "200", (heads(DEPENDS + STATUS, END_HEADERS | END_STREAM | HAS_PRIORITY),)),
    ("head-priority-short", "502", (heads(ROOT[:3], END_HEADERS | END_STREAM | HAS_PRIORITY),)),
    ("priority", "200", (frame(PRIORITY, 0, STREAM, ROOT) + WHOLE,)),
    ("priority-on-itself", "200", (frame(PRIORITY, 0, STREAM, DEPENDS) + WHOLE,)),
    ("priority-on-0", "200", (frame(PRIORITY, 0, 0, ROOT) + WHOLE,)),
    ("priority-short", "502", (frame(PRIORITY, 0, STREAM, ROOT[:4]) + WHOLE,)),
    ("rst-on-0", "502", (h2.rst(0) + WHOLE,)),
    ("rst-on-even", "502", (h2.rst(2) + WHOLE,)),
    ("rst-on-unused", "502", (h2.rst(101) + WHOLE,)),
    ("rst-short", "502", (frame(RST_STREAM, 0, STREAM, b"\0\0\0") + WHOLE,)),
    ("rst-unknown-code", "503", (h2.rst(STREAM, 0xFF),)),
    ("rst-http11-required", "503", (h2.rst(STREAM, 13),)),
    ("rst-calm", "503", (h2.rst(STREAM, 11),)),
    ("rst-connect-error", "503", (h2.rst(STREAM, 10),)),
    ("push-promise", "200", (frame(PUSH_PROMISE, END_HEADERS, STREAM, pack(">I", 2) + block(*h2.GET)) + WHOLE,)),
    ("push-promise-known", "502", (frame(SETTINGS, ACK) + frame(PUSH_PROMISE, END_HEADERS, STREAM, pack(">I", 2) + block(*h2.GET)) + WHOLE,)),
    ("push-promise-on-0", "502", (frame(PUSH_PROMISE, END_HEADERS, 0, pack(">I", 2) + block(*h2.GET)) + WHOLE,)),
    # header blocks
    ("block-cut", "502", (heads(b"\x40"),)),
    ("block-index-0", "502", (heads(STATUS + b"\x80"),)),
    ("block-index-unknown", "502", (heads(STATUS + b"\xc6"),)),
    ("block-name-unknown", "502", (heads(STATUS + b"\x7f\x07\x00"),)),
    ("block-integer-too-long", "502", (heads(STATUS + b"\x7f" + b"\xff" * 8),)),
    ("block-huffman-padding-long", "502", (heads(STATUS + b"\x00\x85\xf2\xb2\x4a\x84\xff\x84\x49\x50\x9f\xff"),)),
    ("block-huffman-padding-zero", "502", (heads(STATUS + b"\x00\x85\xf2\xb2\x4a\x84\xff\x83\x49\x50\x90"),)),
    ("block-huffman-eos", "502", (heads(STATUS + b"\x00\x85\xf2\xb2\x4a\x84\xff\x87\x49\x51\xff\xff\xff\xfa\x7f"),)),
    ("block-size-update", "200", (heads(b"\x3f\x61\x3f\xe1\x1f" + STATUS, END_HEADERS | END_STREAM),)),
    ("block-size-update-late", "502", (heads(STATUS + b"\x21"),)),
    ("block-size-update-too-large", "502", (heads(b"\x3f\xe2\x1f" + STATUS),)),
    ("block-size-updates-three", "200", (heads(b"\x20\x21\x22" + STATUS, END_HEADERS | END_STREAM),)),
    ("block-empty", "502", (heads(b"", END_HEADERS | END_STREAM),)),
    ("block-continued", "200", (heads(STATUS, END_STREAM) + more(block((b"x-a", b"1")), 0) + more(block((b"x-b", b"2"))),)),
    ("block-continued-empty", "502", (heads(STATUS, END_STREAM) + more(b"", 0) + more(),)),
    ("block-then-data", "502", (heads(STATUS, 0) + data(STREAM, b"x"),)),
    ("block-then-priority", "502", (heads(STATUS, 0) + frame(PRIORITY, 0, STREAM, ROOT) + more(),)),
    ("block-then-unknown", "502", (heads(STATUS, 0) + frame(UNKNOWN, 0, 0, b"12345678") + more(),)),
    ("block-then-settings", "502", (heads(STATUS, 0) + settings() + more(),)),
    ("block-then-other-stream", "502", (heads(STATUS, 0) + more(b"", END_HEADERS, 2),)),
    ("continuation-on-0", "502", (heads(STATUS, 0) + more(b"", END_HEADERS, 0),)),
    ("continuation-alone", "502", (more(STATUS) + WHOLE,)),
    ("continuation-behind-head", "200", (OPEN, Wait(0.1), more(block((b"x-a", b"1"))))),
    ("head-60-kb", "200", (heads(STATUS, END_STREAM) + b"".join(more(block((b"x-%d" % n, b"y" * 12000)), END_HEADERS if n == 4 else 0) for n in range(5)),)),
    ("head-70-kb", "503", (heads(STATUS, END_STREAM) + b"".join(more(block((b"x-%d" % n, b"y" * 14000)), END_HEADERS if n == 4 else 0) for n in range(5)),)),
    ("head-70-kb-open", "503", (heads(STATUS, 0) + b"".join(more(block((b"x-%d" % n, b"y" * 14000)), END_HEADERS if n == 4 else 0) for n in range(5)) + data(STREAM, b"ok"),)),
    ("continuations-without-end", "503", (heads(STATUS, 0) + more(block((b"x-a", b"y" * 8000)), 0) * 12,)),
    # settings
    ("settings-again", "200", (settings((4, 70000), (3, 10)) + settings() + WHOLE,)),
    ("settings-ack-unasked", "502", (frame(SETTINGS, ACK) * 3 + WHOLE,)),
    ("settings-ack-payload", "502", (frame(SETTINGS, ACK, 0, b"\0") + WHOLE,)),
    ("settings-on-stream", "502", (frame(SETTINGS, 0, STREAM, b"\0\3\0\0\0\x64") + WHOLE,)),
    ("settings-short", "502", (frame(SETTINGS, 0, 0, b"\0\3\0") + WHOLE,)),
    ("settings-push-0", "200", (settings((2, 0)) + WHOLE,)),
    ("settings-push-1", "502", (settings((2, 1)) + WHOLE,)),
    ("settings-push-2", "502", (settings((2, 2)) + WHOLE,)),
    ("settings-window-too-large", "502", (settings((4, 1 << 31)) + WHOLE,)),
    ("settings-frame-too-small", "502", (settings((5, 16383)) + WHOLE,)),
    ("settings-frame-too-large", "502", (settings((5, 1 << 24)) + WHOLE,)),
    ("settings-connect-2", "502", (settings((8, 2)) + WHOLE,)),
    ("settings-connect-taken-back", "502", (settings((8, 1)) + settings((8, 0)) + WHOLE,)),
    ("settings-unknown", "200", (settings((0xFF, 1), (0xF000, 7)) + WHOLE,)),
    ("settings-table-0", "200", (settings((1, 0)) + WHOLE,)),
    ("settings-table-huge", "200", (settings((1, 0xFFFFFFFF)) + WHOLE,)),
    ("settings-list-tiny", "200", (settings((6, 1)) + WHOLE,)),
    # windows
    ("window-0", "502", (window(0, 0) + WHOLE,)),
    ("window-0-on-stream", "502", (window(STREAM, 0) + WHOLE,)),
    ("window-0-in-body", "200", (OPEN, Wait(0.1), window(STREAM, 0))),
    ("window-too-large", "502", (window(0, 0x7FFFFFFF) * 2 + WHOLE,)),
    ("window-too-large-on-stream", "502", (window(STREAM, 0x7FFFFFFF) * 2 + WHOLE,)),
    ("window-short", "502", (frame(WINDOW_UPDATE, 0, 0, b"\0\0\1") + WHOLE,)),
    ("window-on-even", "502", (window(2, 100) + WHOLE,)),
    ("window-on-unused", "502", (window(101, 100) + WHOLE,)),
    # behind the end of a stream
    ("end-then-data", "200", (WHOLE + data(STREAM, b"x"),)),
    ("end-then-head", "200", (WHOLE + head(STREAM, fields=fields()),)),
    ("end-then-continuation", "200", (WHOLE + more(block((b"x-a", b"1"))),)),
    ("end-then-rst", "200", (WHOLE + h2.rst(STREAM, 0),)),
    ("end-then-window", "200", (WHOLE + window(STREAM, 10),)),
    ("end-then-priority", "200", (WHOLE + frame(PRIORITY, 0, STREAM, ROOT),)),
    ("rst-then-data", "200", (OPEN, Wait(0.1), h2.rst(STREAM) + data(STREAM, b"x"))),
    ("rst-then-head", "200", (OPEN, Wait(0.1), h2.rst(STREAM) + head(STREAM, fields=fields()))),
    ("rst-then-continuation", "200", (OPEN, Wait(0.1), h2.rst(STREAM) + more(block((b"x-a", b"1"))))),
    ("rst-twice", "503", (h2.rst(STREAM, 2) * 2,)),
    # the end of the connection
    ("goaway-on-stream", "502", (frame(GOAWAY, 0, STREAM, pack(">II", 1, 0)) + WHOLE,)),
    ("goaway-short", "502", (frame(GOAWAY, 0, 0, b"\0\0\0\0") + WHOLE,)),
    ("goaway-unknown-code", "200", (h2.goaway(1, 0xFF) + WHOLE,)),
    ("goaway-error-after", "200", (h2.goaway(1, 2) + WHOLE,)),
    ("goaway-error-untaken", "503", (h2.goaway(0, 1),)),
    ("goaway-calm", "503", (h2.goaway(0, 11),)),
    ("goaway-debug", "200", (frame(GOAWAY, 0, 0, pack(">II", 1, 0) + b"some text") + WHOLE,)),
    ("goaway-twice", "200", (h2.goaway(0x7FFFFFFF) + h2.goaway(1) + WHOLE,)),
    ("goaway-grows", "502", (h2.goaway(1) + h2.goaway(0x7FFFFFFF) + WHOLE,)),
    ("goaway-shrinks", "503", (h2.goaway(1) + h2.goaway(0),)),
    ("goaway-in-body", "200", (OPEN + data(STREAM, b"a", end=False), Wait(0.1), h2.goaway(0, 2), Wait(0.1), data(STREAM, b"b"))),
    ("goaway-close", "200", (h2.goaway(1), Wait(0.1), WHOLE)),
    # messages
    ("status-twice", "502", (response((b":status", b"200"), (b":status", b"200")),)),
    ("status-late", "502", (response((b"x-a", b"1"), (b":status", b"200")),)),
    ("status-empty", "502", (response((b":status", b"")),)),
    ("status-2-digits", "502", (response((b":status", b"20")),)),
    ("status-4-digits", "502", (response((b":status", b"2000")),)),
    ("status-99", "99", (response((b":status", b"099")),)),
    ("status-600", "600", (response((b":status", b"600")),)),
    ("status-999", "999", (response((b":status", b"999")),)),
    ("status-signed", "502", (response((b":status", b"+20")),)),
    ("status-101", "502", (response((b":status", b"101")),)),
    ("status-101-open", "502", (response((b":status", b"101"), end=False),)),
    ("status-100-end", "502", (response((b":status", b"100")),)),
    ("status-103-then-data", "502", (response((b":status", b"103"), end=False) + data(STREAM, b"x"),)),
    ("status-103-then-nothing", "503", (response((b":status", b"103"), end=False), Wait(0.1), h2.rst(STREAM, 2))),
    ("status-100-twice", "200", (response((b":status", b"100"), end=False) * 2 + WHOLE,)),
    ("status-102", "200", (response((b":status", b"102"), end=False) + WHOLE,)),
    ("method-in-response", "502", (response(*PAIR[:1], (b":method", b"GET")),)),
    ("unknown-pseudo", "502", (response(*PAIR[:1], (b":test", b"ok")),)),
    ("name-empty", "502", (response(*PAIR, (b"", b"x")),)),
    ("name-colon", "502", (response(*PAIR, (b"a:b", b"x")),)),
    ("name-space", "502", (response(*PAIR, (b"a b", b"x")),)),
    ("name-control", "502", (response(*PAIR, (b"a\x01", b"x")),)),
    ("name-high", "502", (response(*PAIR, (b"a\xe9", b"x")),)),
    ("name-underscore", "200", (response(*PAIR, (b"a_b", b"x")),)),
    ("value-nul", "502", (response(*PAIR, (b"x-v", b"a\0b")),)),
    ("value-newline", "502", (response(*PAIR, (b"x-v", b"a\nb")),)),
    ("value-return", "502", (response(*PAIR, (b"x-v", b"a\rb")),)),
    ("value-control", "502", (response(*PAIR, (b"x-v", b"a\x01b")),)),
    ("value-delete", "502", (response(*PAIR, (b"x-v", b"a\x7fb")),)),
    ("value-tab", "200", (response(*PAIR, (b"x-v", b"a\tb")),)),
    ("value-high", "200", (response(*PAIR, (b"x-v", b"\xc3\xa9\xff")),)),
    ("value-spaces", "200", (response(*PAIR, (b"x-v", b"  a  ")),)),
    ("value-empty", "200", (response(*PAIR, (b"x-v", b"")),)),
    ("field-keep-alive", "502", (response(*PAIR, (b"keep-alive", b"5")),)),
    ("field-proxy-connection", "502", (response(*PAIR, (b"proxy-connection", b"close")),)),
    ("field-transfer-encoding", "502", (response(*PAIR, (b"transfer-encoding", b"chunked")),)),
    ("field-upgrade", "502", (response(*PAIR, (b"upgrade", b"websocket")),)),
    ("field-te", "200", (response(*PAIR, (b"te", b"trailers")),)),
    ("field-te-other", "502", (response(*PAIR, (b"te", b"gzip")),)),
    ("field-host", "200", (response(*PAIR, (b"host", b"b.test")),)),
    ("field-cookies", "200", (response(*PAIR, (b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")),)),
    ("length-no-number", "502", (reply((b"content-length", b"abc")),)),
    ("length-negative", "502", (reply((b"content-length", b"-2")),)),
    ("length-signed", "502", (reply((b"content-length", b"+2")),)),
    ("length-empty", "502", (reply((b"content-length", b"")),)),
    ("length-list", "502", (reply((b"content-length", b"2, 2")),)),
    ("length-twice", "502", (reply((b"content-length", b"2"), (b"content-length", b"2")),)),
    ("length-two", "502", (reply((b"content-length", b"2"), (b"content-length", b"3")),)),
    ("length-huge", "502", (reply((b"content-length", b"99999999999999999999")),)),
    ("length-padded-zeros", "200", (reply((b"content-length", b"0002")),)),
    ("length-without-body", "502", (reply((b"content-length", b"2"), body=None),)),
    ("length-short-in-trailers", "200", (reply((b"content-length", b"5"), trailers=[(b"x-t", b"1")]),)),
    ("body-of-204", "204", (reply(status=204),)),
    ("body-of-304", "304", (reply(status=304),)),
    ("length-of-204", "502", (reply((b"content-length", b"2"), status=204, body=None),)),
    ("length-0-of-204", "204", (reply((b"content-length", b"0"), status=204, body=None),)),
    ("length-of-103", "502", (response((b":status", b"103"), (b"content-length", b"0"), end=False) + WHOLE,)),
    ("length-of-304", "304", (reply((b"content-length", b"2"), status=304, body=None),)),
    ("trailers-open", "200", (OPEN + data(STREAM, b"ok", end=False) + head(STREAM, fields=[(b"x-t", b"1")], end=False), Wait(0.2), data(STREAM, b"more"))),
    ("trailers-pseudo", "200", (OPEN + data(STREAM, b"ok", end=False), Wait(0.1), head(STREAM, fields=[(b":status", b"200")]))),
    ("trailers-pseudo-method", "200", (OPEN + data(STREAM, b"ok", end=False), Wait(0.1), head(STREAM, fields=[(b":method", b"GET")]))),
    ("trailers-upper", "200", (OPEN + data(STREAM, b"ok", end=False), Wait(0.1), head(STREAM, fields=[(b"X-T", b"1")]))),
    ("trailers-connection", "200", (OPEN + data(STREAM, b"ok", end=False), Wait(0.1), head(STREAM, fields=[(b"connection", b"close")]))),
    ("trailers-length", "200", (OPEN + data(STREAM, b"ok", end=False), Wait(0.1), head(STREAM, fields=[(b"content-length", b"2")]))),
    ("trailers-empty", "200", (OPEN + data(STREAM, b"ok", end=False), Wait(0.1), head(STREAM, fields=[]))),
    ("trailers-many", "200", (OPEN + data(STREAM, b"ok", end=False), Wait(0.1), head(STREAM, fields=[(b"x-%d" % n, b"y") for n in range(101)]))),
    ("head-twice", "200", (OPEN + OPEN + data(STREAM, b"ok"),)),
    # floods
    ("flood-data", "200", (OPEN + data(STREAM, b"", end=False) * 20 + data(STREAM, b"ok"),)),
    ("flood-continuation", "502", (heads(STATUS, END_STREAM) + more(b"", 0) * 20 + more(),)),
    ("flood-settings", "200", (settings() * 1200 + WHOLE,)),
    ("flood-ping", "200", (frame(PING, 0, 0, b"12345678") * 1200 + WHOLE,)),
    ("flood-priority", "502", (frame(PRIORITY, 0, STREAM, ROOT) * 400 + WHOLE,)),
    ("flood-window", "502", (window(0, 1) * 400 + WHOLE,)),
    ("flood-unknown", "200", (frame(UNKNOWN, 0, 0, b"x") * 2000 + WHOLE,)),
)  # fmt: skip

FIRST: tuple[tuple[str, str, tuple[Step, ...]], ...] = (
    ("without-settings", "502", (Wait(0.1), head(1, fields=fields()))),
    ("ack-first", "502", (Wait(0.1), frame(SETTINGS, ACK) + settings() + head(1, fields=fields()))),
    ("ping-first", "502", (Wait(0.1), frame(PING, 0, 0, b"12345678") + settings() + head(1, fields=fields()))),
    ("client-preface", "502", (Wait(0.1), h2.PREFACE + settings() + head(1, fields=fields()))),
    ("goaway-first", "502", (Wait(0.1), h2.goaway(0), Wait(0.3))),
    ("settings-then-goaway", "503", (settings() + h2.goaway(0), Wait(0.3))),
    ("silence-then-close", "", (Wait(0.3),)),
    ("half-a-frame", "", (settings() + b"\0\0\x05\x01", Wait(0.3))),
)  # fmt: skip

AGAIN = {"end-then-data": "200 200", "end-then-head": "200 200", "end-then-continuation": "200 200", "end-then-window": "200 200", "settings-table-0": "200 200", "settings-table-huge": "200 200", "goaway-grows": "502 200", "block-size-update": "200 200", "flood-ping": "200 200", "head-70-kb": "503 200"}  # fmt: skip
MALFORMED = {"status-twice": "502 200", "status-late": "502 200", "status-empty": "502 200", "status-101": "502 200", "status-100-end": "502 200", "name-empty": "502 200", "value-nul": "502 200", "field-upgrade": "502 200", "length-two": "502 200", "length-no-number": "502 200", "trailers-open": "200", "trailers-pseudo": "200", "trailers-many": "200", "head-twice": "200", "body-of-204": "204", "data-before-head": "502 200", "length-without-body": "502 200"}  # fmt: skip
TO_HTTP2 = ("data-too-large", "data-padded-too-long", "data-before-head", "head-too-large-frame", "rst-connect-error", "rst-http11-required", "block-cut", "head-70-kb", "window-0-in-body", "rst-then-head", "goaway-in-body", "goaway-grows", "status-101", "status-103-then-data", "status-600", "value-high", "body-of-204", "body-of-304", "length-of-304", "length-0-of-204", "trailers-open", "trailers-pseudo", "trailers-length", "trailers-empty", "trailers-many", "head-twice", "flood-data", "flood-ping")  # fmt: skip
TABLE = {name: (want, steps) for name, want, steps in FAULTS}

SIZED = heads(STATUS, END_STREAM) + b"".join(more(block((b"x-%d" % n, b"y" * 14000)), END_HEADERS if n == 4 else 0) for n in range(5))
CASES = (
    *(from_http1(f"bad-{name}", want, up=upstream(steps), settle_s=0.4) for name, want, steps in FAULTS),
    *(from_http2(f"bad-{name}", TABLE[name][0], head(1), up=upstream(TABLE[name][1])) for name in TO_HTTP2),
    *(Case(f"up2-first-{name}", want, ((request(), Wait(1.0)),), cluster=HTTP2, upstream={"up": Script(raw=(steps,))}) for name, want, steps in FIRST),
    *(from_http1(f"again-{name}", want, request("/1"), request("/2"), up=upstream(TABLE[name][1], (WHOLE,))) for name, want in AGAIN.items()),
    *(from_http1(f"lenient-{name}", want, request("/1"), request("/2"), cluster=LENIENT, up=upstream(TABLE[name][1], (WHOLE,))) for name, want in MALFORMED.items()),
    from_http1("bad-websocket-302", "302", request("/", *WEBSOCKET), up=upstream(reply((b"location", b"/x"), status=302, body=None), early=True, values=((8, 1),)), hcm=UPGRADE, cluster=CONNECT),
    from_http1("bad-websocket-201", "201", request("/", *WEBSOCKET), up=upstream(reply(status=201), early=True, values=((8, 1),)), hcm=UPGRADE, cluster=CONNECT),
    from_http1("bad-websocket-length", "101", request("/", *WEBSOCKET), up=upstream((head(STREAM, fields=fields(200, (b"content-length", b"3")), end=False) + data(STREAM, b"hello", end=False), Wait(0.2), data(STREAM, b"more")), early=True, values=((8, 1),)), hcm=UPGRADE, cluster=CONNECT, settle_s=1.5),
    from_http1("bad-websocket-204", "204", request("/", *WEBSOCKET), up=upstream(reply(status=204, body=None), early=True, values=((8, 1),)), hcm=UPGRADE, cluster=CONNECT),
    from_http1("bad-websocket-end", "101", request("/", *WEBSOCKET), up=upstream(reply(body=None), early=True, values=((8, 1),)), hcm=UPGRADE, cluster=CONNECT),
    from_http1("bad-websocket-101", "502", request("/", *WEBSOCKET), up=upstream((head(STREAM, fields=fields(101), end=False),), early=True, values=((8, 1),)), hcm=UPGRADE, cluster=CONNECT),
    from_http1("bad-websocket-unannounced", "101", request("/", *WEBSOCKET), up=upstream((head(STREAM, fields=fields(), end=False) + data(STREAM, b"hello", end=False), Wait(0.2), data(STREAM, b"more")), early=True), hcm=UPGRADE, cluster=CONNECT, settle_s=1.5),
    from_http1("bad-websocket-reset", "101", request("/", *WEBSOCKET), up=upstream((head(STREAM, fields=fields(), end=False) + data(STREAM, b"hello", end=False), Wait(0.2), h2.rst(STREAM, 2)), early=True, values=((8, 1),)), hcm=UPGRADE, cluster=CONNECT, settle_s=1.5),
    from_http1("bad-body-of-head", "200", request(method="HEAD"), up=upstream()),
    from_http1("bad-body-of-head-length", "200", request(method="HEAD"), up=upstream(reply((b"content-length", b"2")))),
    from_http1("bad-body-of-head-empty", "200", request(method="HEAD"), up=upstream(reply(body=b""))),
    from_http2("bad-body-of-head", "200", head(1, fields=[(b":method", b"HEAD"), *h2.GET[1:]]), up=upstream()),
    from_http1("limit-80-kb", "200", cluster=options("common_http_protocol_options: {max_response_headers_kb: 80}, explicit_http_config: {http2_protocol_options: {}}"), up=upstream(SIZED)),
    from_http1("limit-1-kb", "503", cluster=options("common_http_protocol_options: {max_response_headers_kb: 1}, explicit_http_config: {http2_protocol_options: {}}"), up=upstream(reply((b"x-a", b"y" * 1200)))),
)  # fmt: skip
