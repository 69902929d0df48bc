"""A small HTTP/1.1 upstream for machines without nginx: a JSON book for every path, or so many bytes.

`python -m pyvoy.bench.upstream_server PORT`.  What stands at which path is in upstream.py.
"""

import asyncio
import sys
from typing import cast

import uvloop

from pyvoy.bench.upstream import ACCOUNT, ACCOUNT_PATH, BOOK, CHECK_PATH, SIZES, USER


def _answer(body: bytes, headers: bytes = b"") -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%scontent-length: %d\r\n\r\n" % (headers, len(body))
    return head + body


_BOOK = _answer(BOOK)
_ANSWERS = {
    ACCOUNT_PATH: _answer(ACCOUNT),
    CHECK_PATH: _answer(b"{}", b"x-user: %s\r\n" % USER),
    **{path: _answer(b"x" * size) for path, size in SIZES.items()},
}


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
        assert self._transport is not None
        self._transport.write(_ANSWERS.get(path, _BOOK))


async def serve(port: int) -> None:
    """Serve until the process is ended."""
    server = await asyncio.get_running_loop().create_server(Answering, "127.0.0.1", port, backlog=4096)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
