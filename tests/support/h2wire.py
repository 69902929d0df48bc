"""HTTP/2 on the wire for tests: frames and heads as bytes, and recorded bytes read back as messages.

Not a codec: it writes what it is told, faults included, and reads what a proxy really sent.  Heads are written as
literals that enter no table, so that every frame stands for itself; they are read by the public `hpack` package.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from struct import pack, unpack

import hpack

from tests.support.messages import Headers, Message

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED, HAS_PRIORITY = 1, 1, 4, 8, 32
GET: Headers = [(b":method", b"GET"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a.test")]
POST: Headers = [(b":method", b"POST"), *GET[1:]]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it was read."""

    kind: int
    flags: int
    stream: int
    payload: bytes


def frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    """One frame."""
    return pack(">I", len(payload))[1:] + pack(">BBI", kind, flags, stream) + payload


def block(*fields: tuple[bytes, bytes]) -> bytes:
    """A header block of literals."""
    return b"".join([b"\x00" + _text(name) + _text(value) for name, value in fields])


def _text(value: bytes) -> bytes:
    if len(value) < 127:
        return bytes([len(value)]) + value
    size, octets = len(value) - 127, bytearray([127])
    while size >= 128:
        octets.append(size & 127 | 128)
        size >>= 7
    return bytes([*octets, size]) + value


def head(stream: int, *more: tuple[bytes, bytes], fields: Headers | None = None, end: bool = True) -> bytes:
    """A HEADERS frame; `fields` takes the place of a plain GET, `more` comes behind."""
    flags = END_HEADERS | (END_STREAM if end else 0)
    return frame(HEADERS, flags, stream, block(*(GET if fields is None else fields), *more))


def data(stream: int, body: bytes, end: bool = True) -> bytes:
    """A DATA frame."""
    return frame(DATA, END_STREAM if end else 0, stream, body)


def settings(*values: tuple[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(pack(">HI", *pair) for pair in values))


def window(stream: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame."""
    return frame(WINDOW_UPDATE, 0, stream, pack(">I", increment))


def rst(stream: int, code: int = 8) -> bytes:
    """An RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream, pack(">I", code))


def goaway(last: int, code: int = 0) -> bytes:
    """A GOAWAY frame."""
    return frame(GOAWAY, 0, 0, pack(">II", last, code))


def opening(*values: tuple[int, int]) -> bytes:
    """What a client says first."""
    return PREFACE + settings(*values)


def frames(sent: bytes) -> list[Frame]:
    """The whole frames in recorded bytes; a preface is skipped."""
    found = []
    sent = sent.removeprefix(PREFACE)
    while len(sent) >= 9:
        size = int.from_bytes(sent[:3], "big")
        kind, flags, stream = unpack(">BBI", sent[3:9])
        if len(sent) < 9 + size:
            break
        found.append(Frame(kind, flags, stream, sent[9 : 9 + size]))
        sent = sent[9 + size :]
    return found


def code(one: Frame) -> int:
    """The error code of RST_STREAM or GOAWAY."""
    return int.from_bytes(one.payload[4 if one.kind == GOAWAY else 0 :][:4], "big")


def _unpadded(one: Frame) -> bytes:
    payload = one.payload
    if one.flags & PADDED:
        payload = payload[1 : len(payload) - payload[0]]
    return payload[5:] if one.kind == HEADERS and one.flags & HAS_PRIORITY else payload


def _events(sent: bytes) -> Iterator[tuple[Frame, Headers | bytes]]:
    """Frames of streams with what they carry: fields of whole heads, bytes of the others."""
    decoder = hpack.Decoder(max_header_list_size=1 << 24)
    held: Frame | None = None
    for one in frames(sent):
        if one.kind in (HEADERS, CONTINUATION):
            whole = _joined(held, one)
            held = None if whole.flags & END_HEADERS else whole
            if held is None:
                yield whole, [(bytes(name), bytes(value)) for name, value in decoder.decode(whole.payload, raw=True)]
        elif one.kind in (DATA, RST_STREAM):
            yield one, _unpadded(one)


def _joined(held: Frame | None, one: Frame) -> Frame:
    """A HEADERS frame with what has come of its CONTINUATIONs."""
    if held is not None:
        return Frame(HEADERS, held.flags | one.flags, held.stream, held.payload + one.payload)
    return Frame(HEADERS, one.flags & ~(PADDED | HAS_PRIORITY), one.stream, _unpadded(one))


def messages(sent: bytes, first: bytes) -> dict[int, list[Message]]:
    """The messages by stream; `first` is the pseudo header that begins one.  A reset stands in `framing`."""
    found: dict[int, list[Message]] = {}
    for one, content in _events(sent):
        on_stream = found.setdefault(one.stream, [])
        if isinstance(content, list):
            _take_fields(on_stream, content, first)
        elif one.kind == RST_STREAM:
            if not on_stream:
                on_stream.append(Message(b"HTTP/2 none", [], "stream", complete=False))
            on_stream[-1].framing = f"reset {code(one)}"
        else:
            on_stream[-1].body += content
        if one.flags & END_STREAM and one.kind != RST_STREAM:
            on_stream[-1].complete = True
    return found


def _take_fields(on_stream: list[Message], fields: Headers, first: bytes) -> None:
    values = dict(fields)
    if first not in values:
        on_stream[-1].trailers = fields
        return
    if first == b":status":
        start = b"HTTP/2 " + values[first]
        fields = [pair for pair in fields if pair[0] != first]
    else:
        start = b"%b %b HTTP/2" % (values[first], values.get(b":path", b"-"))
    on_stream.append(Message(start, fields, "stream", complete=False))


def responses(sent: bytes) -> tuple[list[Message], bytes]:
    """What a server sent: responses in the order of their streams, and how it said that no more come."""
    found = messages(sent, b":status")
    ends = [one for one in frames(sent) if one.kind == GOAWAY]
    rest = b"GOAWAY" if ends and not code(ends[-1]) else b""
    return [message for stream in sorted(found) for message in found[stream]], rest


def requests(sent: bytes) -> tuple[list[Message], bytes]:
    """What a client sent."""
    found = messages(sent, b":method")
    return [message for stream in sorted(found) for message in found[stream]], b""
