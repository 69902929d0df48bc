"""The frames of HTTP/2: numbers, flags, error codes, and writing them.  Pure.

Source: RFC 9113, 4.1, 6 and 7; RFC 8441, 3 (extended CONNECT).
"""

from __future__ import annotations

from struct import Struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_BYTES: Final = 9

DATA: Final = 0
HEADERS: Final = 1
PRIORITY: Final = 2
RST_STREAM: Final = 3
SETTINGS: Final = 4
PUSH_PROMISE: Final = 5
PING: Final = 6
GOAWAY: Final = 7
WINDOW_UPDATE: Final = 8
CONTINUATION: Final = 9

END_STREAM: Final = 1
ACK: Final = 1
END_HEADERS: Final = 4
PADDED: Final = 8
HAS_PRIORITY: Final = 32

HEADER_TABLE_SIZE: Final = 1
ENABLE_PUSH: Final = 2
MAX_CONCURRENT_STREAMS: Final = 3
INITIAL_WINDOW_SIZE: Final = 4
MAX_FRAME_SIZE: Final = 5
MAX_HEADER_LIST_SIZE: Final = 6
ENABLE_CONNECT_PROTOCOL: Final = 8

frame_head: Final = Struct(">HBBBI")
"""Length (16 high bits, 8 low bits), type, flags, stream."""
_setting = Struct(">HI")
settings_of = _setting.iter_unpack
_word = Struct(">I")
word_at = _word.unpack_from
"""The 32 bits at an offset."""
_two_words = Struct(">II")
_STREAM_MASK: Final = 0x7FFFFFFF


class ErrorCode:
    """RFC 9113, 7."""

    NO_ERROR: Final = 0
    PROTOCOL_ERROR: Final = 1
    INTERNAL_ERROR: Final = 2
    FLOW_CONTROL_ERROR: Final = 3
    SETTINGS_TIMEOUT: Final = 4
    STREAM_CLOSED: Final = 5
    FRAME_SIZE_ERROR: Final = 6
    REFUSED_STREAM: Final = 7
    CANCEL: Final = 8
    COMPRESSION_ERROR: Final = 9
    CONNECT_ERROR: Final = 10
    ENHANCE_YOUR_CALM: Final = 11


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    """One frame."""
    size = len(payload)
    return frame_head.pack(size >> 8, size & 255, kind, flags, stream_id) + payload


def settings(values: list[tuple[int, int]]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join([_setting.pack(*pair) for pair in values]))


def window_update(stream_id: int, increment: int) -> bytes:
    """A WINDOW_UPDATE frame; stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream_id, _word.pack(increment))


def rst_stream(stream_id: int, code: int) -> bytes:
    """An RST_STREAM frame."""
    return frame(RST_STREAM, 0, stream_id, _word.pack(code))


def goaway(last_stream_id: int, code: int, debug: bytes = b"") -> bytes:
    """A GOAWAY frame; `debug` says why, for people."""
    return frame(GOAWAY, 0, 0, _two_words.pack(last_stream_id, code) + debug)


def header_frames(stream_id: int, block: bytes, end: bool, limit_bytes: int) -> bytes:
    """HEADERS and, for a block above the peer's frame size, CONTINUATION frames."""
    flags = END_STREAM if end else 0
    size = len(block)
    if size <= limit_bytes:
        return frame_head.pack(size >> 8, size & 255, HEADERS, flags | END_HEADERS, stream_id) + block
    parts = [frame(HEADERS, flags, stream_id, block[:limit_bytes])]
    for at in range(limit_bytes, size, limit_bytes):
        last = END_HEADERS if at + limit_bytes >= size else 0
        parts.append(frame(CONTINUATION, last, stream_id, block[at : at + limit_bytes]))
    return b"".join(parts)


def data_frame(stream_id: int, data: bytes, end: bool) -> bytes:
    """One DATA frame; the caller keeps to windows and frame size."""
    size = len(data)
    return frame_head.pack(size >> 8, size & 255, DATA, END_STREAM if end else 0, stream_id) + data
