"""A client that says HTTP/2 frame by frame on a real connection, and what it may wait for in answer.

Blocking, one connection each; no read waits longer than PATIENCE_S, which is what conformance suites grant a server.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import hpack

from tests.support import h2wire as h2
from tests.support.h2wire import Frame
from tests.support.messages import Headers

PATIENCE_S = 2.0
INITIAL_WINDOW = (4, 65535)


@dataclass(frozen=True, slots=True)
class Head:
    """A HEADERS or CONTINUATION frame whose block is made when it is sent, by the connection's own HPACK encoder."""

    stream: int = 1
    fields: Sequence[tuple[bytes, bytes]] = tuple(h2.GET)
    flags: int = h2.END_STREAM | h2.END_HEADERS
    kind: int = h2.HEADERS
    lead: bytes = b""
    """Payload in front of the block: the length of the padding, a priority."""
    tail: bytes = b""
    before: bytes = b""
    """Bytes of the block in front of the fields."""
    after: bytes = b""

    def encode(self, encoder: hpack.Encoder) -> bytes:
        """The frame."""
        block = self.before + encoder.encode(list(self.fields)) + self.after
        return h2.frame(self.kind, self.flags, self.stream, self.lead + block + self.tail)


class Conversation:
    """One connection.  `heard` is what has come, for the message of a failure."""

    def __init__(self, port: int, context: ssl.SSLContext | None = None) -> None:
        sock = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock = context.wrap_socket(sock, server_hostname="a.test") if context else sock
        self._encoder = hpack.Encoder()
        self._buffer = b""
        self.heard: list[str] = []
        self.settings: dict[int, int] = {}

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def send(self, *steps: bytes | Head) -> None:
        """One write; a connection that the server has closed meanwhile takes it in silence."""
        data = b"".join(step if isinstance(step, bytes) else step.encode(self._encoder) for step in steps)
        try:
            self._sock.sendall(data)
        except (ConnectionError, ssl.SSLError):
            self.heard.append("write refused")

    def read(self) -> Frame | None:
        """The next frame; None when the server has closed.  Raises TimeoutError, also if it closed within a frame."""
        while True:
            size = 9 + int.from_bytes(self._buffer[:3], "big")
            if len(self._buffer) >= max(size, 9):
                one = h2.frames(self._buffer[:size])[0]
                self._buffer = self._buffer[size:]
                self.heard.append(f"{one.kind}/{one.flags} on {one.stream}: {one.payload[:16]!r}")
                return one
            try:
                data = self._sock.recv(65536)
            except (ConnectionError, ssl.SSLError):
                data = b""
            if not data and self._buffer:
                raise TimeoutError(f"closed behind {self._buffer[:40]!r}")
            if not data:
                self.heard.append("closed")
                return None
            self._buffer += data

    def open(self) -> None:
        """Preface and settings of both sides, with their acknowledgements."""
        self.send(h2.opening(INITIAL_WINDOW))
        acknowledged = False
        while not (acknowledged and self.settings):
            one = self.read()
            assert one is not None, self.heard
            if one.kind == h2.SETTINGS and one.flags & h2.ACK:
                acknowledged = True
            elif one.kind == h2.SETTINGS:
                pairs = [one.payload[at : at + 6] for at in range(0, len(one.payload), 6)]
                self.settings = {int.from_bytes(p[:2], "big"): int.from_bytes(p[2:], "big") for p in pairs}
                self.send(h2.frame(h2.SETTINGS, h2.ACK))


Outcome = Callable[[Conversation], bool]
"""Reads on, and says whether what had to come has come."""


def _until(wanted: Callable[[Frame | None], bool]) -> Outcome:
    """Anything may come first; the end of the connection and silence are the end of waiting."""

    def outcome(conversation: Conversation) -> bool:
        while True:
            try:
                one = conversation.read()
            except TimeoutError:
                conversation.heard.append("silence")
                return False
            if wanted(one):
                return True
            if one is None:
                return False

    return outcome


def _first(kind: int, right: Callable[[Frame], bool]) -> Outcome:
    """The first frame of a kind has to be right."""

    def outcome(conversation: Conversation) -> bool:
        found: list[Frame] = []

        def take(one: Frame | None) -> bool:
            if one is not None and one.kind == kind:
                found.append(one)
            return bool(found)

        return _until(take)(conversation) and right(found[0])

    return outcome


def _is(one: Frame | None, kind: int, *codes: int) -> bool:
    return one is not None and one.kind == kind and h2.code(one) in codes


def connection_error(*codes: int) -> Outcome:
    """GOAWAY with one of these codes, or a close."""
    return _until(lambda one: one is None or _is(one, h2.GOAWAY, *codes))


def stream_error(*codes: int) -> Outcome:
    """RST_STREAM or GOAWAY with one of these codes, or a close."""
    return _until(lambda one: one is None or _is(one, h2.GOAWAY, *codes) or _is(one, h2.RST_STREAM, *codes))


def goaway(*codes: int) -> Outcome:
    """GOAWAY itself."""
    return _first(h2.GOAWAY, lambda one: h2.code(one) in codes)


def reset(stream: int, code: int) -> Outcome:
    """RST_STREAM itself."""
    return _first(h2.RST_STREAM, lambda one: one.stream == stream and h2.code(one) == code)


def pong(payload: bytes) -> Outcome:
    """The first PING that comes answers with this payload."""
    return _first(h2.PING, lambda one: one.flags & h2.ACK != 0 and one.payload == payload)


def pong_or_close(payload: bytes) -> Outcome:
    """The answer to a PING, or a close."""
    return _until(lambda one: one is None or (one.kind == h2.PING and one.flags & 1 == 1 and one.payload == payload))


def head_on(stream: int) -> Outcome:
    """A response head on this stream."""
    return _first(h2.HEADERS, lambda one: one.stream == stream)


def data_of(length: int) -> Outcome:
    """DATA of just this length."""
    return _first(h2.DATA, lambda one: len(one.payload) == length)


CLOSE: Outcome = _until(lambda one: one is None)
ACKNOWLEDGED: Outcome = _first(h2.SETTINGS, lambda one: one.flags & h2.ACK != 0)
ANY_DATA: Outcome = _first(h2.DATA, lambda one: True)
STREAM_END: Outcome = _until(
    lambda one: (
        one is not None
        and ((one.kind in (h2.DATA, h2.HEADERS) and one.flags & h2.END_STREAM == 1) or _is(one, h2.RST_STREAM, 0))
    )
)


def settings_first(conversation: Conversation) -> bool:
    """The very first frame is SETTINGS, and no acknowledgement."""
    one = conversation.read()
    return one is not None and one.kind == h2.SETTINGS and not one.flags & h2.ACK


def fields_of(count: int, size: int = 4000) -> Headers:
    """Large fields that mean nothing."""
    return [(b"x-dummy%d" % number, b"x" * size) for number in range(count)]
