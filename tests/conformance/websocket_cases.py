"""Conversations over WebSocket, after the matters of the public Autobahn suite: what a client says, frame by frame.

A row is a name, the pieces that are written, how many frames come before the client says goodbye (without a goodbye the
server ends it), and how the bytes are chopped.
"""
# ruff: noqa: E501 - tables

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from tests.support.websocket import BINARY, CLOSE, CONT, PING, PONG, TEXT, close, frame, pieces

KIB, MIB = 1024, 1024 * 1024
EURO = "κόσμε€😀".encode()


@dataclass(frozen=True, slots=True)
class Talk:
    """One row."""

    name: str
    sends: Sequence[bytes]
    answers: int = 0
    goodbye: bytes = close()
    chop: int = 0
    compressed: bool = False


def refused(name: str, *sends: bytes, chop: int = 0) -> Talk:
    """The server ends it."""
    return Talk(name, sends, goodbye=b"", chop=chop)


def text(size: int) -> bytes:
    """So many bytes of text."""
    return (b"0123456789abcdef" * (size // 16 + 1))[:size]


SIZES = (0, 1, 125, 126, 127, 128, 129, 65535, 65536, 65537, 128 * KIB, 128 * KIB + 1)
FRAMING = [
    *(Talk(f"1-{kind}-{size}", [frame(opcode, text(size))], 1) for kind, opcode in (("text", TEXT), ("binary", BINARY)) for size in SIZES),
    *(Talk(f"1-chopped-{chop}", [frame(TEXT, text(65536))], 1, chop=chop) for chop in (997, 4096)),
    Talk("1-octet-wise", [frame(TEXT, text(300))], 1, chop=1),
]  # fmt: skip
PINGS = [
    Talk("2-empty", [frame(PING)], 1),
    Talk("2-text", [frame(PING, b"Hello, world!")], 1),
    Talk("2-binary", [frame(PING, b"\0\xff\xfe\xfd\xfc\xfb\0\xff")], 1),
    Talk("2-125", [frame(PING, b"\xfe" * 125)], 1),
    refused("2-126", frame(PING, b"\xfe" * 126)),
    Talk("2-octet-wise", [frame(PING, b"\xfe" * 125)], 1, chop=1),
    Talk("2-pong-unasked", [frame(PONG)]),
    Talk("2-pong-then-ping", [frame(PONG, b"unsolicited"), frame(PING, b"ping")], 1),
    Talk("2-ten", [frame(PING, b"payload-%d" % n) for n in range(10)], 10),
    Talk("2-ten-octet-wise", [frame(PING, b"payload-%d" % n) for n in range(10)], 10, chop=1),
]
BITS = [
    *(refused(f"3-rsv-{rsv}", frame(TEXT, b"Hello", rsv=rsv)) for rsv in range(1, 8)),
    refused("3-rsv-behind-a-good-one", frame(TEXT, b"Hello"), frame(TEXT, b"Hello", rsv=2), frame(PING)),
    *(refused(f"4-opcode-{opcode}", frame(TEXT, b"Hello"), frame(opcode, b"x"), frame(PING)) for opcode in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)),
]  # fmt: skip
FRAGMENTS = [
    refused("5-ping-in-pieces", frame(PING, b"frag1", fin=False), frame(CONT, b"frag2")),
    refused("5-pong-in-pieces", frame(PONG, b"frag1", fin=False), frame(CONT, b"frag2")),
    *(Talk(f"5-{count}-pieces", pieces(TEXT, text(count * 11), 11), 1) for count in range(2, 16)),
    Talk("5-octet-wise", pieces(TEXT, text(60), 10), 1, chop=1),
    Talk("5-ping-between", [frame(TEXT, b"frag1", fin=False), frame(PING, b"ping"), frame(CONT, b"frag2")], 2),
    Talk("5-pings-between", [frame(TEXT, b"1", fin=False), frame(PING, b"a"), frame(CONT, b"2", fin=False), frame(PING, b"b"), frame(CONT, b"3")], 3),
    Talk("5-empty-pieces", [frame(TEXT, fin=False), frame(CONT, fin=False), frame(CONT)], 1),
    Talk("5-empty-pieces-around", [frame(TEXT, fin=False), frame(CONT, b"middle", fin=False), frame(CONT)], 1),
    refused("5-nothing-to-continue", frame(CONT, b"non-continuation"), frame(TEXT, b"Hello")),
    refused("5-nothing-to-continue-open", frame(CONT, b"x", fin=False), frame(TEXT, b"Hello")),
    refused("5-text-in-a-message", frame(TEXT, b"frag1", fin=False), frame(TEXT, b"frag2")),
    Talk("5-pause-between", [frame(TEXT, b"frag1", fin=False), frame(PING, b"1"), frame(CONT, b"frag2", fin=False), frame(PING, b"2"), frame(CONT, b"frag3")], 3),
]  # fmt: skip
UTF8 = [
    Talk("6-valid", [frame(TEXT, EURO)], 1),
    Talk("6-valid-in-pieces", pieces(TEXT, EURO, 1), 1),
    Talk("6-valid-octet-wise", [frame(TEXT, EURO)], 1, chop=1),
    *(refused(f"6-invalid-{bad.hex()}", frame(TEXT, EURO + bad + b"edited")) for bad in
      (b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\x80", b"\xfe", b"\xff", b"\xe0\x80\x80", b"\xf8\x88\x80\x80\x80")),
    refused("6-invalid-at-once", frame(TEXT, EURO + b"\xed\xa0\x80", fin=False), frame(CONT, b"edited")),
    refused("6-incomplete", frame(TEXT, EURO + b"\xe2\x82")),
    Talk("6-binary-may-be-anything", [frame(BINARY, bytes(range(256)))], 1),
]  # fmt: skip
CLOSES = [
    Talk("7-message-and-close", [frame(TEXT, b"Hello")], 1),
    refused("7-two-closes", close() + close()),
    refused("7-ping-behind-close", close() + frame(PING)),
    refused("7-text-behind-close", close() + frame(TEXT, b"Hello")),
    refused("7-close-in-a-message", frame(TEXT, b"frag1", fin=False) + close() + frame(CONT, b"frag2")),
    refused("7-large-then-close", frame(TEXT, text(256 * KIB)) + close() + frame(PING)),
    Talk("7-empty-close", [], goodbye=close(None)),
    refused("7-close-of-one-octet", frame(CLOSE, b"\x03")),
    Talk("7-reason", [], goodbye=close(1000, b"Hello World!")),
    Talk("7-reason-of-123", [], goodbye=close(1000, b"*" * 123)),
    refused("7-reason-of-124", close(1000, b"*" * 124)),
    refused("7-reason-no-utf8", close(1000, b"\xce\xba\xed\xa0\x80")),
    *(Talk(f"7-code-{code}", [], goodbye=close(code)) for code in (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999)),
    *(refused(f"7-code-{code}", close(code)) for code in (0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999)),
]  # fmt: skip
LARGE = [
    *(Talk(f"9-text-{size // KIB}k", [frame(TEXT, text(size))], 1) for size in (256 * KIB, MIB)),
    *(Talk(f"9-pieces-{size}", pieces(BINARY, text(256 * KIB), size), 1) for size in (256, 4 * KIB, 64 * KIB)),
    Talk("9-chopped-997", [frame(BINARY, text(256 * KIB))], 1, chop=997),
    Talk("9-many", [frame(TEXT, text(64)) for _ in range(200)], 200),
    Talk("10-mtu", [frame(TEXT, text(65536))], 1, chop=1300),
]


def deflated(payload: bytes) -> bytes:
    """A message's payload as permessage-deflate has it."""
    packer = zlib.compressobj(wbits=-15)
    return (packer.compress(payload) + packer.flush(zlib.Z_SYNC_FLUSH))[:-4]


COMPRESSED = [
    *(Talk(f"12-{size}", [frame(TEXT, deflated(text(size)), rsv=4)], 1, compressed=True) for size in (16, 1024, 65536, 128 * KIB)),
    Talk("12-plain-among-them", [frame(TEXT, deflated(text(99)), rsv=4), frame(TEXT, b"plain")], 2, compressed=True),
    Talk("13-in-pieces", pieces(BINARY, deflated(text(70000)), 100, rsv=4), 1, compressed=True),
    Talk("13-octet-wise", [frame(TEXT, deflated(text(2000)), rsv=4)], 1, chop=1, compressed=True),
]  # fmt: skip

GROUPS = {
    "framing": FRAMING, "pings": PINGS, "bits": BITS, "fragments": FRAGMENTS, "utf8": UTF8, "closes": CLOSES, "large": LARGE,
    "compressed": COMPRESSED,
}  # fmt: skip
