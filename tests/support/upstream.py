"""A recording upstream with a script: every connection is kept with all its bytes.

HTTP scripts answer the n-th complete request (over all connections) with the n-th answer, the last one for ever.
An answer may be given `early` (as soon as the head is there), and `raw` scripts are run once per connection.
"""

import asyncio
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count

from tests.support import h2wire
from tests.support.messages import requests
from tests.support.peer import Peer
from tests.support.steps import Step
from tests.support.tls import Tls

STREAM = 0x7FFFFF00
"""In the answers of an HTTP/2 script: the stream of the request."""
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Script:
    """What an upstream does: `answers` to requests, or `raw` steps for each connection (the last one repeats),
    behind TLS if it is set."""

    answers: tuple[tuple[Step, ...], ...] = ((OK,),)
    raw: tuple[tuple[Step, ...], ...] = ()
    early: bool = False
    tls: Tls | None = None
    http2: bool = False
    settings: tuple[tuple[int, int], ...] = ()
    """Speaks HTTP/2: bytes in answers are frames, written for stream 0x7fffff00, which stands for the request's."""


@dataclass(slots=True)
class Upstream:
    """A listening upstream; `connections` in order of arrival."""

    script: Script
    port: int = 0
    connections: list[Peer] = field(default_factory=list)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _turn: int = 0

    async def start(self) -> None:
        """Listen on `port` of 127.0.0.1 (0: any)."""
        loop = asyncio.get_running_loop()
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)  # the port may be reserved
        sock.bind(("127.0.0.1", self.port))
        self.port = sock.getsockname()[1]
        self._server = await loop.create_server(lambda: Peer(self._accept, self.script.tls), sock=sock)

    async def stop(self) -> None:
        """Close everything."""
        if self._server:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self.connections:
            peer.close()

    def forget(self) -> None:
        """Drop the connections seen so far, and start the script again."""
        self.connections.clear()
        self._turn = 0

    def received(self) -> bytes:
        """Bytes of all connections, one after the other."""
        return b"".join(bytes(peer.received) for peer in self.connections)

    def _accept(self, peer: Peer) -> None:
        number = len(self.connections)
        self.connections.append(peer)
        peer.transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # type: ignore[union-attr]
        work = peer.run(pick(self.script.raw, number)) if self.script.raw else self._serve(peer)
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, peer: Peer) -> None:
        if self.script.http2:
            await self._serve_http2(peer)
            return
        for number in count(1):
            if not peer.alive() or not await self._request(peer, number):
                peer.close()
                return
            answer = pick(self.script.answers, self._turn)
            self._turn += 1
            await peer.run(answer)

    async def _serve_http2(self, peer: Peer) -> None:
        """Answer each request as soon as it is whole, in the order of that."""
        peer.write(h2wire.settings(*self.script.settings))
        answered: set[int] = set()
        while peer.alive():
            if not await peer.until(lambda: bool(self._whole(peer) - answered), 60.0):
                peer.close()
                return
            stream = min(self._whole(peer) - answered)
            answered.add(stream)
            answer = pick(self.script.answers, self._turn)
            self._turn += 1
            placed = [_place(step, stream) for step in answer]
            await peer.run(placed)

    def _whole(self, peer: Peer) -> set[int]:
        found = h2wire.messages(bytes(peer.received), b":method")
        return {
            stream for stream, messages in found.items() if messages and (messages[0].complete or self.script.early)
        }

    async def _request(self, peer: Peer, number: int) -> bool:
        return await peer.until(lambda: _arrived(peer, self.script.early) >= number, 60.0)


def _place(step: Step, stream: int) -> Step:
    return step.replace(STREAM.to_bytes(4, "big"), stream.to_bytes(4, "big")) if isinstance(step, bytes) else step


def pick(scripts: Sequence[tuple[Step, ...]], number: int) -> tuple[Step, ...]:
    """The script with this number; the last one when they run out."""
    return scripts[min(number, len(scripts) - 1)]


def _arrived(peer: Peer, early: bool) -> int:
    found, _ = requests(bytes(peer.received))
    return sum(1 for message in found if message.complete or early)
