"""The channel between the supervisor and its children: frames over a Unix socketpair, file descriptors beside them.

A frame is a kind, JSON fields, an optional blob (the serialized bootstrap) and descriptors sent by SCM_RIGHTS.  The
channel never blocks and owns no loop: the supervisor drives it from `poll`, the children from their event loop.
A peer that does not read costs memory only up to `LIMIT_BYTES`; then the channel counts as broken.
"""

from __future__ import annotations

import array
import json
import os
import socket
import struct
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

_HEAD = struct.Struct(">III")
_READ_BYTES = 1 << 18
MAX_FDS = 128
"""Descriptors of one frame; the kernel's own limit is 253 a message."""
LIMIT_BYTES = 256 << 20
"""Largest frame and largest backlog of unsent bytes."""


class ChannelClosed(Exception):
    """The peer has gone, or has sent something that is no frame."""


@dataclass(slots=True)
class Message:
    """One frame.  The receiver owns `fds` and must close what it does not keep."""

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    blob: bytes = b""
    fds: list[int] = field(default_factory=list)


class Channel:
    """One end.  `send` queues and tries to write; `receive` returns the complete frames that have arrived."""

    __slots__ = ("_fds", "_inbox", "_outbox", "_unsent_bytes", "on_backlog", "sock")

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._inbox = bytearray()
        self._fds: deque[int] = deque()
        self._outbox: deque[tuple[memoryview, list[int]]] = deque()
        self._unsent_bytes = 0
        self.on_backlog: Callable[[], None] | None = None
        """Called when something could not be written at once, for a loop that waits for writability."""

    @classmethod
    def pair(cls) -> tuple[Channel, Channel]:
        """Two connected ends."""
        left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        return cls(left), cls(right)

    def fileno(self) -> int:
        return self.sock.fileno()

    @property
    def has_backlog(self) -> bool:
        """True while queued frames wait for the socket to become writable."""
        return bool(self._outbox)

    def send(self, kind: str, fields: dict[str, Any] | None = None, blob: bytes = b"", fds: Sequence[int] = ()) -> None:
        """Queue a frame and write what the socket takes.  Raises ChannelClosed when the peer is gone or too far behind.

        The descriptors must stay open until they are written: they are duplicated here, so the caller may close his."""
        if len(fds) > MAX_FDS:
            raise ValueError("too many descriptors in one frame")
        text = json.dumps([kind, fields or {}], separators=(",", ":")).encode()
        data = _HEAD.pack(len(text), len(blob), len(fds)) + text + blob
        self._unsent_bytes += len(data)
        if self._unsent_bytes > LIMIT_BYTES:
            raise ChannelClosed("the peer does not read")
        self._outbox.append((memoryview(data), [os.dup(fd) for fd in fds]))
        self.flush()

    def flush(self) -> None:
        """Write what the socket takes now."""
        while self._outbox:
            data, fds = self._outbox[0]
            ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
            try:
                written = self.sock.sendmsg([data], ancillary)
            except (BlockingIOError, InterruptedError):
                if self.on_backlog is not None:
                    self.on_backlog()
                return
            except OSError as error:
                raise ChannelClosed(str(error)) from error
            self._unsent_bytes -= written
            for fd in fds:
                os.close(fd)
            self._outbox.popleft()
            if written < len(data):
                self._outbox.appendleft((data[written:], []))

    def receive(self) -> list[Message]:
        """The complete frames that have arrived.  Raises ChannelClosed at the end of the stream, but only when no frame
        is left to hand out."""
        closed = ""
        while True:
            try:
                data, ancillary, _, _ = self.sock.recvmsg(_READ_BYTES, socket.CMSG_SPACE(4 * MAX_FDS))
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                closed = str(error)
                break
            self._take_fds(ancillary)
            if not data:
                closed = "closed by the peer"
                break
            self._inbox += data
        messages = self._frames()
        if closed and not messages:
            raise ChannelClosed(closed)
        return messages

    def _take_fds(self, ancillary: list[tuple[int, int, bytes]]) -> None:
        for level, kind, data in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                numbers = array.array("i")
                numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
                self._fds.extend(numbers)

    def _frames(self) -> list[Message]:
        messages = []
        while len(self._inbox) >= _HEAD.size:
            text_bytes, blob_bytes, fd_count = _HEAD.unpack_from(self._inbox)
            end = _HEAD.size + text_bytes + blob_bytes
            if end > LIMIT_BYTES:
                raise ChannelClosed("frame too large")
            if len(self._inbox) < end:
                break
            middle = _HEAD.size + text_bytes
            kind, fields = json.loads(bytes(self._inbox[_HEAD.size : middle]))
            blob = bytes(self._inbox[middle:end])
            del self._inbox[:end]
            messages.append(Message(kind, fields, blob, [self._fds.popleft() for _ in range(fd_count)]))
        return messages

    def close(self) -> None:
        """Close this end and every descriptor that nobody took."""
        self.sock.close()
        for fd in self._fds:
            os.close(fd)
        for _, fds in self._outbox:
            for fd in fds:
                os.close(fd)
        self._fds.clear()
        self._outbox.clear()
