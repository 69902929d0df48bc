"""A small HTTP/1.1 upstream for machines without nginx: a JSON book for every path, or so many bytes."""

import asyncio
import sys
from typing import cast

import uvloop

BOOK = b'{"id":1,"author":"William Shakespeare","year":1595,"type":"paperback","pages":200,"publisher":"PublisherA"}'
SIZES = {b"/4k": 4 * 1024, b"/64k": 64 * 1024, b"/10m": 10 * 1024 * 1024}


class Answering(asyncio.Protocol):
    """Reads requests with or without content-length and answers each."""

    def __init__(self) -> None:
        self._pending = b""
        self._skip = 0
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are of no asyncio class

    def data_received(self, data: bytes) -> None:
        if self._skip >= len(data):
            self._skip -= len(data)
            if not self._skip:
                self._answer(b"/")
            return
        self._pending += data
        while (end := self._pending.find(b"\r\n\r\n")) >= 0:
            head = self._pending[:end].lower()
            self._pending = self._pending[end + 4 :]
            size = int(head.partition(b"content-length:")[2].split(b"\r\n")[0].strip() or b"0")
            if size > len(self._pending):
                self._skip, self._pending = size - len(self._pending), b""
                return
            self._pending = self._pending[size:]
            self._answer(head.split(b" ")[1])

    def _answer(self, path: bytes) -> None:
        body = b"x" * SIZES[path] if path in SIZES else BOOK
        assert self._transport is not None
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
