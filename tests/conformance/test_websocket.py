"""WebSocket through a running proxy comes out as it does without one: over HTTP/1 and HTTP/2 on either side, and TLS.

The conversations follow the public Autobahn suite, whose own client needs Python 2.7.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.test_http2 import secured
from tests.conformance.websocket_cases import GROUPS, MIB, Talk, text
from tests.integration.proxy import Proxy, cluster, listener, typed
from tests.support.ports import free_ports
from tests.support.tunnels import Hang, Http2End, Tunnel, serve_http1
from tests.support.websocket import BINARY, Echo, Heard, close, converse, frame

OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
WAYS = {
    # name: (the client's side, the upstream's side, TLS towards the client)
    "h1-h1": ("http1", "http1", False),
    "h1-h2": ("http1", "http2", False),
    "h2-h1": ("http2", "http1", False),
    "h2-h2": ("http2", "http2", False),
    "tls-h1-h1": ("http1", "http1", True),
    "tls-h2-h1": ("http2", "http1", True),
}
PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the proxy listens, and where it finds the servers."""

    plain: int
    secure: int
    http1: int
    http2: int


@pytest.fixture(scope="module")
def ports(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ports]:
    """A running proxy; the servers come with each test."""
    proxy = Proxy(Path(tmp_path_factory.mktemp("websocket")))
    found = Ports(*proxy.ports[:2], *free_ports(2))
    allow = {"explicit_http_config": {"http2_protocol_options": {"allow_connect": True}}}
    typed_options = {"typed_extension_protocol_options": {OPTIONS: typed(OPTIONS, **allow)}}
    web, secure = (upgrading(name, port) for name, port in (("web", found.plain), ("secure", found.secure)))
    proxy.configure(
        listeners=[web, secured(secure, "h2", "http/1.1")],
        clusters=[cluster("http1", found.http1), cluster("http2", found.http2, **typed_options)],
    )
    try:
        proxy.start()
        yield found
    finally:
        proxy.stop()


def upgrading(name: str, port: int) -> dict[str, Any]:
    """A listener that lets WebSocket through, by path to either cluster."""
    options = {"http2_protocol_options": {"allow_connect": True}, "upgrade_configs": [{"upgrade_type": "websocket"}]}
    web = listener(name, port, cluster="http1", **options)
    manager = web["filter_chains"][0]["filters"][0]["typed_config"]
    routes = [{"match": {"prefix": f"/{up}"}, "route": {"cluster": up, "timeout": "0s"}} for up in ("http1", "http2")]
    manager["route_config"]["virtual_hosts"][0]["routes"] = routes
    return web


@dataclass
class Servers:
    """Both kinds of server; what their last conversation was, by turns."""

    heard: asyncio.Queue[Heard] = field(default_factory=asyncio.Queue)
    compressed: bool = False

    async def echo(self, tunnel: Tunnel) -> None:
        """Echo, until either side ends."""
        heard = Heard()
        try:
            await Echo(tunnel, heard, compressed=self.compressed).run()
        finally:
            self.heard.put_nowait(heard)


@asynccontextmanager
async def serving(ports: Ports, accept: Callable[[Tunnel], Awaitable[None]]):  # type: ignore[no-untyped-def]
    """Both servers, with this work for each tunnel."""

    async def http2(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await Http2End(reader, writer, accept).run()

    before = asyncio.all_tasks()
    one = await asyncio.start_server(partial(serve_http1, accept=accept), "127.0.0.1", ports.http1)
    two = await asyncio.start_server(http2, "127.0.0.1", ports.http2)
    try:
        yield
    finally:
        one.close()
        two.close()
        left = asyncio.all_tasks() - before
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)


async def opened(hang: Hang, ports: Ports, way: str) -> Tunnel:
    """A tunnel that goes this way."""
    client, upstream, secure = WAYS[way]
    port = ports.secure if secure else ports.plain
    context = context_for("h2" if client == "http2" else "http/1.1") if secure else None
    made: Tunnel = await getattr(hang, client)(port, f"/{upstream}", context)
    return made


def context_for(alpn: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    return context


async def held(
    talk: Talk, servers: Servers, open_tunnel: Callable[[Hang], Awaitable[Tunnel]]
) -> tuple[list[str], list[str]]:
    """One conversation: what the client got, and what the server got."""
    servers.compressed = talk.compressed
    hang = Hang()
    try:
        tunnel = await open_tunnel(hang)
        got = await converse(tunnel, talk.sends, answers=talk.answers, chop=talk.chop, goodbye=talk.goodbye)
        heard = await asyncio.wait_for(servers.heard.get(), PATIENCE_S)
        return got, heard.lines
    finally:
        await hang.close()


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("way", WAYS)
def test_a_conversation_is_the_same_as_without_a_proxy(way: str, group: str, ports: Ports) -> None:
    async def compare() -> None:
        servers = Servers()
        async with serving(ports, servers.echo):
            for talk in GROUPS[group]:
                expected = await held(talk, servers, lambda hang: hang.http1(ports.http1, "/"))
                found = await held(talk, servers, lambda hang: opened(hang, ports, way))
                assert found == expected, talk.name
                assert expected[1][-1].startswith("over"), talk.name

    asyncio.run(compare())


@pytest.mark.parametrize("way", WAYS)
def test_large_messages_pass_both_ways_while_neither_end_hurries(way: str, ports: Ports) -> None:
    size, count = (16 if way in ("h1-h1", "h2-h2") else 4) * MIB, 2

    async def both() -> None:
        servers = Servers()
        async with serving(ports, servers.echo):
            hang = Hang()
            try:
                tunnel = await opened(hang, ports, way)
                sends = [frame(BINARY, text(size))] * count
                got = await converse(tunnel, sends, answers=count, goodbye=close(), slow_s=0.3)
                assert len(got) == count + 1
                assert len(set(got[:count])) == 1
                assert f" {size} " in got[0]
            finally:
                await hang.close()

    asyncio.run(asyncio.wait_for(both(), 60))


@pytest.mark.parametrize("end", ["client-ends", "server-ends", "client-aborts", "server-aborts"])
@pytest.mark.parametrize("way", WAYS)
def test_an_end_without_a_goodbye_reaches_the_other_side(way: str, end: str, ports: Ports) -> None:
    async def check() -> None:
        met: asyncio.Queue[Tunnel] = asyncio.Queue()
        over = asyncio.Event()

        async def wait(tunnel: Tunnel) -> None:
            met.put_nowait(tunnel)
            await over.wait()

        async with serving(ports, wait):
            hang = Hang()
            try:
                client = await opened(hang, ports, way)
                server = await asyncio.wait_for(met.get(), PATIENCE_S)
                here, there = (client, server) if end.startswith("client") else (server, client)
                await here.write(b"last words")
                assert await asyncio.wait_for(there.read(), PATIENCE_S) == b"last words"
                if end.endswith("aborts"):
                    here.abort()
                else:
                    await here.end()
                assert await asyncio.wait_for(there.read(), PATIENCE_S) == b""
            finally:
                over.set()
                await hang.close()

    asyncio.run(check())
