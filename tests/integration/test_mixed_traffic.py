"""Requests of every kind through one running proxy at once: each client gets the answer to what it asked.

Repeated and unique heads, bodies, pipelines, requests cut anywhere and answers of changing length use the memory of
heads and all ways of a request side by side; the upstream says what it was asked, so that a mix-up shows.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
from contextlib import suppress

import pytest

from tests.integration.proxy import Proxy, cluster, listener, typed
from tests.support.ports import free_port

CONNECTIONS = 12
REQUESTS = 150
TIMEOUT_S = 40


class Echo:
    """An upstream that answers with what it was asked."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.open: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.open.add(task)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.split(b"\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in lines[1:-2])
                body = await reader.readexactly(int(fields.get(b"content-length", b"0")))
                await self.answer(writer, told(lines[0], fields.get(b"x-mark", b""), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def answer(self, writer: asyncio.StreamWriter, body: bytes) -> None:
        kind = self.chance.random()
        if kind < 0.6:
            data = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        elif kind < 0.8:
            data = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        else:
            pair = self.chance.getrandbits(32), len(body), body
            data = b"HTTP/1.1 404 Not\r\nx-unique: %d\r\ncontent-length: %d\r\n\r\n%b" % pair
        cut = self.chance.randrange(len(data)) if kind < 0.1 else 0
        writer.write(data[:cut])
        if cut:
            await asyncio.sleep(0.001)
        writer.write(data[cut:])


def told(line: bytes, mark: bytes, body: bytes) -> bytes:
    """What the upstream says of a request."""
    return line + b"|" + mark + b"|" + hashlib.sha256(body).hexdigest().encode() + b"|"


def a_request(chance: random.Random) -> tuple[bytes, bytes]:
    """A request and what the upstream will say of it."""
    path = b"/p%d" % chance.choice((1, 2, 3, chance.getrandbits(40)))
    mark = b"%d" % chance.choice((1, 2, chance.getrandbits(40)))
    method = chance.choice((b"GET", b"GET", b"POST", b"PUT"))
    body = chance.randbytes(chance.choice((0, 5, 700))) if method != b"GET" else b""
    length = b"content-length: %d\r\n" % len(body) if method != b"GET" else b""
    line = b"%b %b HTTP/1.1" % (method, path)
    data = b"%b\r\nhost: mixed.test\r\nx-mark: %b\r\n%b\r\n%b" % (line, mark, length, body)
    return data, told(line, mark, body)


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """The body of the next answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert head.startswith((b"http/1.1 200", b"http/1.1 404")), head
    if b"transfer-encoding: chunked" not in head:
        return await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))
    body = b""
    while size := int(await reader.readline(), 16):
        body += await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)
    return body


async def converse(port: int, seed: int) -> None:
    """One client: some requests one by one, some in a row, some in pieces."""
    chance = random.Random(seed)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    left = REQUESTS
    while left > 0:
        batch = [a_request(chance) for _ in range(chance.choice((1, 1, 1, 2, 4)))]
        data = b"".join(each for each, _ in batch)
        cut = chance.randrange(len(data)) if chance.random() < 0.2 else 0
        writer.write(data[:cut])
        if cut:
            await asyncio.sleep(0.001)
        writer.write(data[cut:])
        for _, expected in batch:
            assert await read_answer(reader) == expected
        left -= len(batch)
    writer.close()
    await writer.wait_closed()


async def mixed(upstream_port: int, port: int, proxy: Proxy) -> None:
    echo = Echo(7)
    server = await asyncio.start_server(echo.serve, "127.0.0.1", upstream_port)
    async with server:
        await asyncio.to_thread(proxy.start)
        await asyncio.wait_for(asyncio.gather(*(converse(port, seed) for seed in range(CONNECTIONS))), TIMEOUT_S)
        await asyncio.to_thread(proxy.counted, "http.in.downstream_rq_active", 0)
        await asyncio.to_thread(proxy.stop)
        await asyncio.gather(*echo.open)


FILTERS = {
    "router only": [],
    "header filter": [
        {
            "name": "envoy.filters.http.header_mutation",
            "typed_config": typed(
                "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation",
                mutations={"response_mutations": [{"append": {"header": {"key": "x-a", "value": "%REQ(x-mark)%"}}}]},
            ),
        }
    ],
}


@pytest.mark.parametrize("filters", FILTERS)
def test_every_client_gets_the_answer_to_what_it_asked(tmp_path, filters: str) -> None:
    proxy = Proxy(tmp_path)
    upstream_port = free_port()
    made = listener("in", proxy.ports[0], cluster="up")
    manager = made["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"] = [*FILTERS[filters], *manager["http_filters"]]
    proxy.configure(listeners=[made], clusters=[cluster("up", upstream_port)])
    try:
        asyncio.run(mixed(upstream_port, proxy.ports[0], proxy))
    finally:
        proxy.stop()
