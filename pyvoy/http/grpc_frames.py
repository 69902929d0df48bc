"""The length-prefixed messages of a gRPC body that comes in pieces: written, cut, counted.  Pure.

What is too large or must not be compressed is for those who read to say: each of them has limits and words of its own.
Source: the gRPC protocol over HTTP/2 (Length-Prefixed-Message); Envoy's Grpc::Decoder and FrameInspector.
"""

from __future__ import annotations

PREFIX_BYTES = 5
"""Of a message on the wire: its flag and its length."""


def frame(message: bytes | bytearray) -> bytes:
    """A message with its prefix, not compressed.  Raises TypeError for what is no bytes."""
    if not isinstance(message, bytes | bytearray):
        raise TypeError(f"a gRPC message is bytes (SerializeToString()), not {type(message).__name__}")
    return b"\0" + len(message).to_bytes(4, "big") + message


class FrameReader:
    """Messages out of a body, one after the other; holds at most one of them and what came with it.

    Asked for what is not whole yet, each method answers None."""

    __slots__ = ("_at", "_data")

    def __init__(self) -> None:
        self._data = bytearray()
        self._at = 0
        """Where the next message begins."""

    @property
    def held_bytes(self) -> int:
        """What is kept of messages that nobody has taken."""
        return len(self._data) - self._at

    def feed(self, data: bytes) -> None:
        """A piece of the body."""
        self._data += data

    def head(self) -> tuple[int, int] | None:
        """Flag and size in bytes of the next message, which itself need not be there yet."""
        data, at = self._data, self._at
        start = at + PREFIX_BYTES
        if len(data) < start:
            self._drop()
            return None
        return data[at], int.from_bytes(data[at + 1 : start], "big")

    def message(self) -> bytes | None:
        """Take the next message, without its prefix."""
        return self._take(PREFIX_BYTES)

    def frame(self) -> bytes | None:
        """Take the next message with its prefix."""
        return self._take(0)

    def _take(self, skip: int) -> bytes | None:
        head = self.head()
        if head is None:
            return None
        data, at = self._data, self._at
        stop = at + PREFIX_BYTES + head[1]
        if stop > len(data):
            self._drop()
            return None
        self._at = stop
        return bytes(data[at + skip : stop])

    def _drop(self) -> None:
        """Forget what was taken; now and then only, since what follows moves to the front."""
        if self._at:
            del self._data[: self._at]
            self._at = 0


class MessageCounter:
    """Counts the length-prefixed messages in a body that comes in pieces; holds at most a prefix."""

    __slots__ = ("_left", "_prefix", "count")

    def __init__(self) -> None:
        self.count = 0
        self._left = 0
        self._prefix = b""

    def take(self, data: bytes) -> int:
        """A piece of the body; returns how many messages begin in it (their prefix is whole)."""
        begun = 0
        while data:
            if self._left:
                step = min(self._left, len(data))
                self._left -= step
                data = data[step:]
                continue
            need = PREFIX_BYTES - len(self._prefix)
            self._prefix += data[:need]
            data = data[need:]
            if len(self._prefix) == PREFIX_BYTES:
                self._left = int.from_bytes(self._prefix[1:], "big")
                self._prefix = b""
                begun += 1
        self.count += begun
        return begun
