"""What a client may do wrong or right by RFC 9113 and RFC 7541, and what a server may answer: one row each.

The rows follow the public h2spec suite in strict mode: every case of it has its row under its number here, so that a
failure there has a name.  A row is a name, what the client says, and the outcome; a step may also wait for something.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack

from tests.support import h2wire as h2
from tests.support.h2conversation import (
    ACKNOWLEDGED,
    ANY_DATA,
    CLOSE,
    STREAM_END,
    Conversation,
    Head,
    Outcome,
    connection_error,
    data_of,
    fields_of,
    goaway,
    head_on,
    pong,
    pong_or_close,
    reset,
    settings_first,
    stream_error,
)
from tests.support.h2wire import (
    ACK,
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
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    block,
    data,
    frame,
    rst,
    settings,
    window,
)

PROTOCOL, FLOW, CLOSED, SIZE, REFUSED, COMPRESSION = 1, 3, 5, 6, 7, 9
CANCEL = 8

Step = bytes | Head | Outcome


@dataclass(frozen=True, slots=True)
class Case:
    """One row; `opened` is False where the client says the preface itself."""

    name: str
    steps: Sequence[Step]
    outcome: Outcome
    opened: bool = True


def post(**more: object) -> Head:
    """A POST whose body is to come."""
    return Head(fields=POST, flags=END_HEADERS, **more)  # type: ignore[arg-type]


def with_field(*more: tuple[bytes, bytes]) -> Head:
    """A GET with more fields."""
    return Head(fields=[*GET, *more])


def without(*names: bytes) -> Head:
    """A GET that lacks pseudo headers."""
    return Head(fields=[pair for pair in GET if pair[0] not in names])


def priority(stream: int, on: int = 0, weight: int = 255) -> bytes:
    """A PRIORITY frame."""
    return frame(PRIORITY, 0, stream, pack(">IB", on, weight))


def exceed_the_streams(conversation: Conversation) -> bool:
    """One stream more than the server allows; none can end, for there is no window."""
    allowed = conversation.settings[3]
    conversation.send(settings((4, 0)))
    for number in range(allowed + 1):
        conversation.send(h2.head(1 + 2 * number))
    return stream_error(PROTOCOL, REFUSED)(conversation)


def exceed_the_table(conversation: Conversation) -> bool:
    """A dynamic table one octet larger than the server allows."""
    size = conversation.settings.get(1, 4096) + 1 - 31
    octets = bytearray([0x3F])
    while size >= 128:
        octets.append(size & 127 | 128)
        size >>= 7
    conversation.send(Head(before=bytes([*octets, size])))
    return connection_error(COMPRESSION)(conversation)


ZEROS = bytes(8)
SAID = b"h2spec\0\0"
ASK = frame(PING, 0, 0, ZEROS)
NAMED = frame(PING, 0, 0, SAID)
OPEN = Head(flags=END_HEADERS)
DUMMY = fields_of(1)
CONTINUED = Head(kind=CONTINUATION, flags=END_HEADERS, fields=DUMMY)
GET_BLOCK = block(*GET)
USER_AGENT, PLAIN = b"\x87\xb5\x05\xb1\x61\xcc\x5a\x93", b"\x0auser-agent"
X_TEST, X_TEST_PLAIN = b"\x85\xf2\xb2\x4a\x84\xff", b"\x06x-test"
VALUE, VALUE_PLAIN = b"\x84\x9c\x48\xac\xa4", b"\x06h2spec"
BEGUN = Head(flags=END_STREAM)
"""A head that is not whole."""
POST_BEGUN = Head(fields=POST, flags=0)
TRAILERS = Head(fields=[(b"x-test", b"ok")])


GENERIC = [
    Case("generic-1-1-preface", [h2.opening((4, 65535))], settings_first, opened=False),
    Case("generic-2-1-priority-on-idle", [priority(1), ASK], pong(ZEROS)),
    Case("generic-2-2-window-on-half-closed", [settings((4, 0)), Head(), window(1, 1)], ANY_DATA),
    Case("generic-2-3-priority-on-half-closed", [settings((4, 0)), Head(), priority(1), window(1, 1)], ANY_DATA),
    Case("generic-2-4-rst-on-half-closed", [Head(), rst(1), ASK], pong_or_close(ZEROS)),
    Case("generic-2-5-priority-on-closed", [Head(), STREAM_END, priority(1), ASK], pong(ZEROS)),
    Case("generic-3.1-1-data", [post(), data(1, b"test")], head_on(1)),
    Case("generic-3.1-2-two-data", [post(), data(1, b"test", end=False), data(1, b"test")], head_on(1)),
    Case("generic-3.1-3-padded-data", [post(), frame(DATA, END_STREAM | PADDED, 1, b"\x06testpadded")], head_on(1)),
    Case("generic-3.2-1-headers", [Head()], head_on(1)),
    Case("generic-3.2-2-padded-headers", [Head(flags=5 | PADDED, lead=b"\x08", tail=ZEROS)], head_on(1)),
    Case("generic-3.2-3-headers-with-priority", [Head(flags=5 | HAS_PRIORITY, lead=b"\0\0\0\0\xff")], head_on(1)),
    Case("generic-3.3-1-priority-1", [priority(1, weight=0), Head()], head_on(1)),
    Case("generic-3.3-2-priority-256", [priority(1), Head()], head_on(1)),
    Case("generic-3.3-3-dependency", [priority(3, on=1, weight=0), Head()], head_on(1)),
    Case("generic-3.3-4-exclusive", [priority(1, on=1 << 31, weight=0), Head()], head_on(1)),
    Case("generic-3.3-5-priority-on-idle-then-lower", [priority(3), Head()], head_on(1)),
    Case("generic-3.4-1-rst", [OPEN, rst(1), ASK], pong_or_close(ZEROS)),
    Case(
        "generic-3.5-1-settings",
        [settings((1, 4096), (2, 1), (3, 100), (4, 65535), (5, 16384), (6, 100))],
        ACKNOWLEDGED,
    ),
    Case("generic-3.7-1-ping", [NAMED], pong(SAID)),
    Case("generic-3.8-1-goaway", [frame(GOAWAY, 0, 0, bytes(8) + b"h2spec"), NAMED], pong_or_close(SAID)),
    Case("generic-3.9-1-window-of-connection", [window(0, 1), ASK], pong(ZEROS)),
    Case("generic-3.9-2-window-of-stream", [Head(), window(1, 1)], head_on(1)),
    Case(
        "generic-3.10-1-continuation",
        [frame(HEADERS, END_STREAM, 1, GET_BLOCK[:5]), frame(CONTINUATION, END_HEADERS, 1, GET_BLOCK[5:])],
        head_on(1),
    ),
    Case(
        "generic-3.10-2-continuations",
        [
            frame(HEADERS, END_STREAM, 1, GET_BLOCK[:5]),
            frame(CONTINUATION, 0, 1, GET_BLOCK[5:10]),
            frame(CONTINUATION, END_HEADERS, 1, GET_BLOCK[10:]),
        ],
        head_on(1),
    ),
    Case("generic-4-1-get", [Head()], head_on(1)),
    Case("generic-4-2-head", [Head(fields=[(b":method", b"HEAD"), *GET[1:]])], head_on(1)),
    Case("generic-4-3-post", [post(), data(1, b"test")], head_on(1)),
    Case(
        "generic-4-4-trailers",
        [Head(fields=[*POST, (b"trailer", b"x-test")], flags=END_HEADERS), data(1, b"test", end=False), TRAILERS],
        head_on(1),
    ),
    Case("generic-5-1-indexed", [Head(after=b"\xba")], head_on(1)),
    Case("generic-5-2-indexing-huffman-name", [Head(after=b"\x40" + USER_AGENT + VALUE)], head_on(1)),
    Case("generic-5-3-indexing-plain-name", [Head(after=b"\x40" + PLAIN + VALUE_PLAIN)], head_on(1)),
    Case("generic-5-4-indexing-new-name", [Head(after=b"\x40" + X_TEST_PLAIN + VALUE_PLAIN)], head_on(1)),
    Case("generic-5-5-indexing-new-huffman", [Head(after=b"\x40" + X_TEST + VALUE)], head_on(1)),
    Case("generic-5-6-literal-plain-name", [Head(after=b"\x00" + PLAIN + VALUE_PLAIN)], head_on(1)),
    Case("generic-5-7-literal-huffman-name", [Head(after=b"\x00" + USER_AGENT + VALUE)], head_on(1)),
    Case("generic-5-8-literal-new-name", [Head(after=b"\x00" + X_TEST_PLAIN + VALUE_PLAIN)], head_on(1)),
    Case("generic-5-9-literal-new-huffman", [Head(after=b"\x00" + X_TEST + VALUE)], head_on(1)),
    Case("generic-5-10-never-plain-name", [Head(after=b"\x10" + PLAIN + VALUE_PLAIN)], head_on(1)),
    Case("generic-5-11-never-huffman-name", [Head(after=b"\x10" + USER_AGENT + VALUE)], head_on(1)),
    Case("generic-5-12-never-new-name", [Head(after=b"\x10" + X_TEST_PLAIN + VALUE_PLAIN)], head_on(1)),
    Case("generic-5-13-never-new-huffman", [Head(after=b"\x10" + X_TEST + VALUE)], head_on(1)),
    Case("generic-5-14-table-size", [Head(before=b"\x20")], head_on(1)),
    Case("generic-5-15-table-sizes", [Head(before=b"\x20\x3f\xe1\x1f")], head_on(1)),
]

UNKNOWN = frame(0x16, 0, 0, ZEROS)
CONNECTION = [
    Case("http2-3.5-1-preface", [h2.opening((4, 65535))], settings_first, opened=False),
    Case("http2-3.5-2-no-preface", [b"INVALID CONNECTION PREFACE\r\n\r\n"], CLOSE, opened=False),
    Case("http2-4.1-1-unknown-type", [UNKNOWN, ASK], pong(ZEROS)),
    Case("http2-4.1-2-undefined-flag", [frame(PING, 0x16, 0, ZEROS)], pong(ZEROS)),
    Case("http2-4.1-3-reserved-bit", [frame(PING, 0x16, 1 << 31, ZEROS)], pong(ZEROS)),
    Case("http2-4.2-1-largest-data", [post(), data(1, b"x" * 16384)], head_on(1)),
    Case("http2-4.2-2-data-too-large", [post(), data(1, b"x" * 16385)], stream_error(SIZE)),
    Case("http2-4.2-3-headers-too-large", [with_field(*fields_of(5))], connection_error(SIZE)),
    Case("http2-4.3-1-broken-block", [frame(HEADERS, 5, 1, b"\x40")], connection_error(COMPRESSION)),
    Case("http2-4.3-2-priority-in-a-block", [Head(flags=0), priority(1), CONTINUED], connection_error(PROTOCOL)),
    Case("http2-4.3-3-other-head-in-a-block", [Head(flags=0), Head(3), CONTINUED], connection_error(PROTOCOL)),
    Case("http2-5.4.1-1-closes", [frame(PING, 0, 3, ZEROS)], CLOSE),
    Case("http2-5.4.1-2-says-goaway", [frame(PING, 0, 3, ZEROS)], goaway(PROTOCOL)),
    Case("http2-5.5-1-unknown-frame", [UNKNOWN, ASK], pong(ZEROS)),
    Case("http2-5.5-2-unknown-frame-in-a-block", [BEGUN, UNKNOWN], connection_error(PROTOCOL)),
    Case("http2-7-1-goaway-of-unknown-code", [frame(GOAWAY, 0, 0, pack(">II", 0, 0xFF)), NAMED], pong_or_close(SAID)),
    Case("http2-7-2-rst-of-unknown-code", [post(), rst(1, 0xFF), ASK], pong(ZEROS)),
]

STREAMS = [
    Case("http2-5.1-1-idle-data", [data(1, b"test")], connection_error(PROTOCOL)),
    Case("http2-5.1-2-idle-rst", [rst(1)], connection_error(PROTOCOL)),
    Case("http2-5.1-3-idle-window", [window(1, 100)], connection_error(PROTOCOL)),
    Case("http2-5.1-4-idle-continuation", [frame(CONTINUATION, 4, 1, GET_BLOCK)], connection_error(PROTOCOL)),
    Case("http2-5.1-5-half-closed-data", [Head(), data(1, b"test")], stream_error(CLOSED)),
    Case("http2-5.1-6-half-closed-headers", [Head(), Head()], stream_error(CLOSED)),
    Case(
        "http2-5.1-7-half-closed-continuation",
        [Head(), frame(CONTINUATION, 4, 1, GET_BLOCK)],
        stream_error(CLOSED, PROTOCOL),
    ),
    Case("http2-5.1-8-data-after-rst", [OPEN, rst(1), data(1, b"test")], stream_error(CLOSED)),
    Case("http2-5.1-9-headers-after-rst", [OPEN, rst(1), Head()], stream_error(CLOSED)),
    Case("http2-5.1-10-continuation-after-rst", [OPEN, rst(1), CONTINUED], stream_error(CLOSED, PROTOCOL)),
    Case("http2-5.1-11-closed-data", [Head(), STREAM_END, data(1, b"test")], connection_error(CLOSED)),
    Case("http2-5.1-12-closed-headers", [Head(), STREAM_END, Head()], connection_error(CLOSED)),
    Case("http2-5.1-13-closed-continuation", [Head(), STREAM_END, CONTINUED], connection_error(CLOSED, PROTOCOL)),
    Case("http2-5.1.1-1-even", [Head(2)], connection_error(PROTOCOL)),
    Case("http2-5.1.1-2-smaller", [Head(5), Head(3)], connection_error(PROTOCOL)),
    Case("http2-5.1.1-3-the-same-again", [Head(5), Head(5)], stream_error(CLOSED)),
    Case("http2-5.1.2-1-too-many", [], exceed_the_streams),
    Case(
        "http2-5.3.1-1-headers-on-itself", [Head(flags=5 | HAS_PRIORITY, lead=b"\0\0\0\1\xff")], stream_error(PROTOCOL)
    ),
    Case("http2-5.3.1-2-priority-on-itself", [priority(1, on=1)], stream_error(PROTOCOL)),
]

FRAMES = [
    Case("http2-6.1-1-data-on-0", [data(0, b"test")], connection_error(PROTOCOL)),
    Case("http2-6.1-2-data-on-half-closed", [Head(fields=POST), data(1, b"test")], stream_error(CLOSED)),
    Case(
        "http2-6.1-3-data-padding",
        [Head(fields=[*POST, (b"content-length", b"4")], flags=END_HEADERS), frame(DATA, 9, 1, b"\x06Test")],
        connection_error(PROTOCOL),
    ),
    Case("http2-6.2-1-priority-in-a-block", [Head(flags=0), priority(1), CONTINUED], connection_error(PROTOCOL)),
    Case("http2-6.2-2-other-head-in-a-block", [Head(flags=0), Head(3), CONTINUED], connection_error(PROTOCOL)),
    Case("http2-6.2-3-headers-on-0", [Head(0)], connection_error(PROTOCOL)),
    Case(
        "http2-6.2-4-headers-padding",
        [frame(HEADERS, 0xD, 1, bytes([len(GET_BLOCK) + 2]) + GET_BLOCK)],
        stream_error(PROTOCOL),
    ),
    Case("http2-6.3-1-priority-on-0", [priority(0)], connection_error(PROTOCOL)),
    Case("http2-6.3-2-priority-length", [Head(), frame(PRIORITY, 0, 1, b"\x80\0\0\1")], stream_error(SIZE)),
    Case("http2-6.3-3-priority-on-idle-then-lower", [priority(3), Head()], head_on(1)),
    Case("http2-6.4-1-rst-on-0", [rst(0)], connection_error(PROTOCOL)),
    Case("http2-6.4-2-rst-on-idle", [rst(1)], connection_error(PROTOCOL)),
    Case("http2-6.4-3-rst-length", [Head(), frame(RST_STREAM, 0, 1, b"\0\0\0")], stream_error(SIZE)),
    Case("http2-6.5-1-settings-ack-with-values", [frame(SETTINGS, ACK, 0, b"\0")], connection_error(SIZE)),
    Case("http2-6.5-2-settings-on-1", [frame(SETTINGS, 0, 1, b"\0\3\0\0\0\x64")], connection_error(PROTOCOL)),
    # The suite says nine octets and sends eight: the next byte that comes belongs to the frame.
    Case(
        "http2-6.5-3-settings-length", [frame(SETTINGS, 0, 0, b"\0\3\0\0\0\x64\0\2")], connection_error(PROTOCOL, SIZE)
    ),
    Case("http2-6.5.2-1-enable-push", [settings((2, 2))], connection_error(PROTOCOL)),
    Case("http2-6.5.2-2-initial-window", [settings((4, 1 << 31))], connection_error(FLOW)),
    Case("http2-6.5.2-3-frame-size-below", [settings((5, 16383))], connection_error(PROTOCOL)),
    Case("http2-6.5.2-4-frame-size-above", [settings((5, 1 << 24))], connection_error(PROTOCOL)),
    Case("http2-6.5.2-5-unknown-setting", [settings((0xFF, 1)), ASK], pong(ZEROS)),
    Case("http2-6.5.3-1-in-order", [settings((4, 100), (4, 1)), ACKNOWLEDGED, Head()], data_of(1)),
    Case("http2-6.5.3-2-acknowledged", [settings((2, 0))], ACKNOWLEDGED),
    Case("http2-6.7-1-ping", [NAMED], pong(SAID)),
    Case("http2-6.7-2-ping-ack", [frame(PING, ACK, 0, b"invalid\0"), NAMED], pong(SAID)),
    Case("http2-6.7-3-ping-on-1", [frame(PING, 0, 1, ZEROS)], connection_error(PROTOCOL)),
    Case("http2-6.7-4-ping-length", [frame(PING, 0, 0, bytes(6))], connection_error(SIZE)),
    Case("http2-6.8-1-goaway-on-1", [frame(GOAWAY, 0, 1, ZEROS)], connection_error(PROTOCOL)),
    Case("http2-6.9-1-window-of-0", [window(0, 0)], connection_error(PROTOCOL)),
    Case("http2-6.9-2-window-of-0-on-a-stream", [OPEN, window(1, 0)], stream_error(PROTOCOL)),
    Case("http2-6.9-3-window-length", [frame(WINDOW_UPDATE, 0, 0, b"\0\0\1")], connection_error(SIZE)),
    Case("http2-6.9.1-1-window-of-one", [settings((4, 1)), ACKNOWLEDGED, Head()], data_of(1)),
    Case("http2-6.9.1-2-overflow", [window(0, (1 << 31) - 1), window(0, (1 << 31) - 1)], goaway(FLOW)),
    Case(
        "http2-6.9.1-3-overflow-on-a-stream", [OPEN, window(1, (1 << 31) - 1), window(1, (1 << 31) - 1)], reset(1, FLOW)
    ),
    Case("http2-6.9.2-1-window-grows", [settings((4, 0)), ACKNOWLEDGED, Head(), settings((4, 1))], data_of(1)),
    Case(
        "http2-6.9.2-2-window-below-0",
        [settings((4, 3)), ACKNOWLEDGED, Head(), ANY_DATA, settings((4, 2)), ACKNOWLEDGED, window(1, 2)],
        data_of(1),
    ),
    Case("http2-6.9.2-3-window-too-large", [frame(SETTINGS, 0, 0, b"\0\4\x80\0\0\0")], connection_error(FLOW)),
    Case("http2-6.10-1-continuations", [BEGUN, Head(kind=CONTINUATION, flags=0, fields=DUMMY), CONTINUED], head_on(1)),
    Case(
        "http2-6.10-2-data-in-a-block",
        [POST_BEGUN, Head(kind=CONTINUATION, flags=0, fields=DUMMY), data(1, b"test")],
        connection_error(PROTOCOL),
    ),
    Case(
        "http2-6.10-3-continuation-on-0",
        [BEGUN, Head(0, kind=CONTINUATION, flags=END_HEADERS, fields=DUMMY)],
        connection_error(PROTOCOL),
    ),
    Case("http2-6.10-4-behind-a-whole-head", [Head(), CONTINUED], connection_error(PROTOCOL)),
    Case("http2-6.10-5-behind-the-last", [BEGUN, CONTINUED, CONTINUED], connection_error(PROTOCOL)),
    Case(
        "http2-6.10-6-behind-data",
        [
            POST_BEGUN,
            data(1, b"test"),
            Head(kind=CONTINUATION, flags=0, fields=DUMMY),
            Head(0, kind=CONTINUATION, flags=END_HEADERS, fields=DUMMY),
        ],
        connection_error(PROTOCOL),
    ),
]

MESSAGES = [
    Case(
        "http2-8.1-1-second-head-without-end",
        [post(), data(1, b"test", end=False), Head(fields=[(b"x-test", b"ok")], flags=END_HEADERS)],
        stream_error(PROTOCOL),
    ),
    Case("http2-8.1.2-1-upper-case", [with_field((b"X-TEST", b"ok"))], stream_error(PROTOCOL)),
    Case("http2-8.1.2.1-1-unknown-pseudo", [with_field((b":test", b"ok"))], stream_error(PROTOCOL)),
    Case("http2-8.1.2.1-2-pseudo-of-a-response", [with_field((b":status", b"200"))], stream_error(PROTOCOL)),
    Case(
        "http2-8.1.2.1-3-pseudo-in-trailers",
        [post(), data(1, b"test", end=False), Head(fields=[(b":method", b"POST")], flags=END_HEADERS)],
        stream_error(PROTOCOL),
    ),
    Case("http2-8.1.2.1-4-pseudo-behind-a-field", [Head(fields=[(b"x-test", b"ok"), *GET])], stream_error(PROTOCOL)),
    Case("http2-8.1.2.2-1-connection", [with_field((b"connection", b"keep-alive"))], stream_error(PROTOCOL)),
    Case(
        "http2-8.1.2.2-2-te",
        [with_field((b"trailers", b"test"), (b"te", b"trailers, deflate"))],
        stream_error(PROTOCOL),
    ),
    Case("http2-8.1.2.3-1-empty-path", [Head(fields=[*GET[:2], (b":path", b""), GET[3]])], stream_error(PROTOCOL)),
    Case("http2-8.1.2.3-2-no-method", [without(b":method", b":scheme")], stream_error(PROTOCOL)),
    Case("http2-8.1.2.3-2b-only-no-method", [without(b":method")], stream_error(PROTOCOL)),
    Case("http2-8.1.2.3-3-no-scheme", [without(b":scheme")], stream_error(PROTOCOL)),
    Case("http2-8.1.2.3-4-no-path", [without(b":path")], stream_error(PROTOCOL)),
    Case("http2-8.1.2.3-5-two-methods", [with_field(GET[0])], stream_error(PROTOCOL)),
    Case("http2-8.1.2.3-6-two-schemes", [with_field(GET[1])], stream_error(PROTOCOL)),
    Case("http2-8.1.2.3-7-two-paths", [with_field(GET[2])], stream_error(PROTOCOL)),
    Case("http2-8.1.2.3-7b-another-method", [with_field((b":method", b"/"))], stream_error(PROTOCOL)),
    Case(
        "http2-8.1.2.6-1-length-of-data",
        [Head(fields=[*POST, (b"content-length", b"1")], flags=END_HEADERS), data(1, b"test")],
        stream_error(PROTOCOL),
    ),
    Case(
        "http2-8.1.2.6-2-length-of-all-data",
        [
            Head(fields=[*POST, (b"content-length", b"1")], flags=END_HEADERS),
            data(1, b"test", end=False),
            data(1, b"test"),
        ],
        stream_error(PROTOCOL),
    ),
    Case(
        "http2-8.2-1-push", [frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\3" + GET_BLOCK)], connection_error(PROTOCOL)
    ),
]

HPACK = [
    Case("hpack-2.3.3-1-indexed-beyond", [Head(after=b"\xc6")], connection_error(COMPRESSION)),
    Case("hpack-2.3.3-2-literal-beyond", [Head(after=b"\x7f\x07\x00")], connection_error(COMPRESSION)),
    Case("hpack-4.2-1-size-at-the-end", [Head(after=b"\x21")], connection_error(COMPRESSION)),
    Case(
        "hpack-5.2-1-long-padding",
        [Head(after=b"\x00" + X_TEST + b"\x84\x49\x50\x9f\xff")],
        connection_error(COMPRESSION),
    ),
    Case(
        "hpack-5.2-2-padding-of-zeros",
        [Head(after=b"\x00" + X_TEST + b"\x83\x49\x50\x90")],
        connection_error(COMPRESSION),
    ),
    Case(
        "hpack-5.2-3-eos",
        [Head(after=b"\x00" + X_TEST + b"\x87\x49\x51\xff\xff\xff\xfa\x7f")],
        connection_error(COMPRESSION),
    ),
    Case(
        "hpack-5.2-3b-eos-in-front",
        [Head(after=b"\x00" + X_TEST[:-1] + b"\x87\xff\xff\xff\xfd\x25\x42\x7f")],
        connection_error(COMPRESSION),
    ),
    Case("hpack-6.1-1-index-0", [Head(after=b"\x80")], connection_error(COMPRESSION)),
    Case("hpack-6.3-1-table-too-large", [], exceed_the_table),
]

CASES = [*GENERIC, *CONNECTION, *STREAMS, *FRAMES, *MESSAGES, *HPACK]
