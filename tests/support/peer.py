"""A raw TCP peer that writes down every byte: the client side of a case, and each connection of an upstream."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Callable, Iterable
from typing import cast

from tests.support import h2wire
from tests.support.messages import methods_of, responses
from tests.support.steps import Answers, Close, Drip, Fin, Reset, Step, Until, UntilEnd, Wait
from tests.support.tls import Session, Tls


class Peer(asyncio.Protocol):
    """One connection.  `received`: all bytes; `end`: open, fin or reset, as the other side ended it."""

    def __init__(
        self,
        connected: Callable[["Peer"], None] | None = None,
        tls: Tls | None = None,
        *,
        server_side: bool = True,
    ) -> None:
        self.received = bytearray()
        self.sent = bytearray()
        self.end = "open"
        self.end_s: float | None = None
        self.transport: asyncio.Transport | None = None
        self._changed = asyncio.Event()
        self._connected = connected
        self.session: Session | None = None
        """TLS, if it is spoken; `received` and `sent` are plain bytes."""
        self._tls = tls
        self._server_side = server_side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self._tls is not None:
            self.session = self._tls.session(self._write_raw, server_side=self._server_side)
            self.session.start()
        if self._connected:
            self._connected(self)

    def data_received(self, data: bytes) -> None:
        if self.session is None:
            self.received += data
        else:
            self.received += self.session.receive(data)
            if self.session.ended or self.session.fault:
                self._ended("fin")
        self._changed.set()

    def eof_received(self) -> bool:
        self._ended("fin")
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._ended("reset")
        self._changed.set()

    def _ended(self, how: str) -> None:
        if self.end == "open":
            self.end = how
            self.end_s = time.monotonic()
        self._changed.set()

    async def until(self, done: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until `done()`; False when the other side ended first or the time is over."""
        deadline = time.monotonic() + timeout_s
        while not done():
            remaining = deadline - time.monotonic()
            if self.end != "open" or remaining <= 0:
                return False
            self._changed.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), remaining)
        return True

    async def until_end(self, timeout_s: float) -> None:
        """Wait until the other side ended its direction, at most `timeout_s`."""
        await self.until(lambda: self.end != "open", timeout_s)

    def final_responses(self) -> int:
        """How many complete final responses have arrived."""
        if self.sent.startswith(h2wire.PREFACE):
            found, _ = h2wire.responses(bytes(self.received))
            return sum(
                1 for message in found if not message.interim and (message.complete or message.framing != "stream")
            )
        found, _ = responses(bytes(self.received), methods_of(bytes(self.sent)), self.end != "open")
        return sum(1 for message in found if message.complete and not message.interim)

    async def run(self, steps: Iterable[Step]) -> None:
        """Do the steps in order."""
        for step in steps:
            await self._do(step)

    async def _do(self, step: Step) -> None:
        match step:
            case bytes():
                self.write(step)
            case Wait(seconds):
                await asyncio.sleep(seconds)
            case Until(text, timeout_s):
                await self.until(lambda: text in self.received, timeout_s)
            case Answers(count, timeout_s):
                await self.until(lambda: self.final_responses() >= count, timeout_s)
            case UntilEnd(timeout_s):
                await self.until_end(timeout_s)
            case Drip(data, size, pause_s):
                for start in range(0, len(data), size):
                    self.write(data[start : start + size])
                    await asyncio.sleep(pause_s)
            case Fin():
                if self.session is not None:
                    self.session.say_goodbye()
                elif self.alive():
                    self.transport.write_eof()  # type: ignore[union-attr]
            case Close():
                self.close()
            case Reset():
                self.reset()

    def alive(self) -> bool:
        """Whether we still hold the socket."""
        return self.transport is not None and not self.transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send, unless the connection is gone."""
        self.sent += data
        if self.session is not None:
            self.session.write(data)
        else:
            self._write_raw(data)

    def _write_raw(self, data: bytes) -> None:
        if self.alive():
            self.transport.write(data)  # type: ignore[union-attr]

    def close(self) -> None:
        """Orderly close."""
        if self.alive():
            if self.session is not None:
                self.session.say_goodbye()
            self.transport.close()  # type: ignore[union-attr]

    def reset(self) -> None:
        """Close with a RST."""
        if self.alive():
            sock = self.transport.get_extra_info("socket")  # type: ignore[union-attr]
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.transport.abort()  # type: ignore[union-attr]


async def connect(port: int, tls: Tls | None = None) -> Peer:
    """A client connection to 127.0.0.1, with its handshake done or failed."""
    loop = asyncio.get_running_loop()
    _, peer = await loop.create_connection(lambda: Peer(None, tls, server_side=False), "127.0.0.1", port)
    peer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # type: ignore[union-attr]
    session = peer.session
    if session is not None:
        await peer.until(lambda: session.done or bool(session.fault), 5.0)
    return peer
