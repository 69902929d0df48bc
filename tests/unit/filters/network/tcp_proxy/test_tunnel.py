"""Tunnels of TCP sessions: the request that opens one, which answers open it, and how it ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pyvoy.config.compile.tcp_proxy import tcp_proxy_plan
from pyvoy.filters.network.tcp_proxy import tunnel as module
from pyvoy.filters.network.tcp_proxy.filter import TYPE
from pyvoy.filters.network.tcp_proxy.tunnel import RESPONSE_HEADERS, Tunnel, TunnelPlan, open_tunnel
from pyvoy.http.headers import HeaderMap
from pyvoy.network.connection_source import ConnectionSource
from pyvoy.observe.details import Reset
from pyvoy.stats.store import memory_store
from pyvoy.testing.fakes import FakeServices
from tests.support.connections import connection_info
from tests.unit.config.building import built, reported


def tunnel_plan(text: str) -> tuple[TunnelPlan | None, list[str]]:
    yaml = f"{{stat_prefix: t, cluster: a, tunneling_config: {{{text}}}}}"
    message, context = built(TYPE, yaml, clusters={"a"}, root_scope=memory_store().root)
    found = tcp_proxy_plan(message, context)
    return found.tunnel, [line.partition(": ")[2] for line in reported(context)]


class Codec:
    """Notes what is written."""

    stream_id = 3

    def __init__(self, protocol: str) -> None:
        self.protocol = protocol
        self.wrote: list[Any] = []

    def send_headers(self, _stream: int, headers: HeaderMap, end: bool) -> None:
        self.wrote.append((dict(headers.items()), end))

    def send_data(self, _stream: int, data: bytes, end: bool) -> None:
        self.wrote.append((data, end))


class World:
    """A pool, a connection and the session that the tunnel is for."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, text: str = "hostname: 'h:1'", protocol: str = "HTTP/1.1"
    ) -> None:
        self.codec = Codec(protocol)
        self.said: list[Any] = []
        self.refuses = False
        self.connection = SimpleNamespace(
            codec=self.codec, local=None, tls=None, connection_id=7, cancel=lambda: self.said.append("cancelled")
        )
        monkeypatch.setattr(module, "http_pool", lambda *_: self)
        fakes = FakeServices()
        self.source = ConnectionSource(connection_info(), fakes.services)
        http = SimpleNamespace(auto_sni=False)
        self.cluster: Any = SimpleNamespace(plan=SimpleNamespace(transport_sockets=None, http=http))
        plan, problems = tunnel_plan(text)
        assert plan is not None
        assert problems == []
        self.plan = plan
        self.services = fakes.services

    def open(self) -> Tunnel | None:
        host: Any = object()
        return open_tunnel(self.services, self.cluster, host, self, self.said.append, self.plan, self.source)

    def ready(self) -> Tunnel:
        tunnel = self.open()
        assert tunnel is not None
        tunnel.on_pool_ready(self.connection)  # type: ignore[arg-type]  # as much of a connection as is asked for
        return tunnel

    def answered(self, status: bytes = b"200") -> Tunnel:
        tunnel = self.ready()
        tunnel.on_headers(HeaderMap([(b":status", status)]), False)
        return tunnel

    # ---- the pool ----

    def acquire(self, request: Tunnel) -> None:
        if self.refuses:
            request.on_pool_failure(Reset.OVERFLOW, "", None)

    def cancel_pending(self, _request: Tunnel) -> None:
        self.said.append("waits no more")

    # ---- the session ----

    def on_upstream_connected(self, upstream: Any) -> None:
        self.said.append("connected")

    def on_upstream_failed(self, detail: str) -> None:
        self.said.append(f"failed {detail}")

    def on_upstream_end(self) -> None:
        self.said.append("end")

    def on_upstream_closed(self, *, reset: bool) -> None:
        self.said.append("closed")

    def on_upstream_watermark(self, high: bool) -> None:
        self.said.append("high" if high else "low")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hostname: 'h:1'", {b":method": b"CONNECT", b":authority": b"h:1"}),
        (
            "hostname: 'h:1', use_post: true",
            {b":method": b"POST", b":authority": b"h:1", b":path": b"/", b":scheme": b"http"},
        ),
        (
            "hostname: h, headers_to_add: [{header: {key: x-a, value: 'p-%DOWNSTREAM_LOCAL_PORT%'}}]",
            {b":method": b"CONNECT", b":authority": b"h", b"x-a": b"p-443"},
        ),
    ],
)
def test_the_request(monkeypatch: pytest.MonkeyPatch, text: str, expected: dict[bytes, bytes]) -> None:
    world = World(monkeypatch, text)
    world.ready()
    head, end = world.codec.wrote[0]
    assert head == expected
    assert not end


def test_a_request_id_is_sent_and_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    extension = "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"
    text = f"hostname: h, request_id_header: X-Id, request_id_extension: {{typed_config: {{'@type': {extension}}}}}"
    world = World(monkeypatch, text)
    world.ready()
    sent = world.codec.wrote[0][0][b"x-id"].decode()
    assert world.source.info.dynamic_metadata == {"envoy.filters.network.tcp_proxy": {"tunnel_request_id": sent}}


@pytest.mark.parametrize(
    ("text", "status", "said"),
    [
        ("", b"200", ["connected"]),
        ("", b"204", ["connected"]),
        ("", b"403", ["cancelled", "failed tunnel_response:403"]),
        (", use_post: true", b"200", ["connected"]),
        (", use_post: true", b"201", ["cancelled", "failed tunnel_response:201"]),
    ],
)
def test_answers(monkeypatch: pytest.MonkeyPatch, text: str, status: bytes, said: list[str]) -> None:
    world = World(monkeypatch, "hostname: h" + text)
    world.answered(status)
    assert world.said == said


def test_bytes_go_both_ways_and_the_upstream_may_end(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    tunnel = world.answered()
    tunnel.writer(b"ping")
    tunnel.on_data(b"pong", False)
    tunnel.on_data(b"", True)
    assert world.codec.wrote[1:] == [(b"ping", False)]
    assert world.said == ["connected", b"pong", "end"]


@pytest.mark.parametrize(
    ("protocol", "said"), [("HTTP/1.1", ["connected", "cancelled", "closed"]), ("HTTP/2", ["connected"])]
)
def test_the_clients_half_close(monkeypatch: pytest.MonkeyPatch, protocol: str, said: list[str]) -> None:
    world = World(monkeypatch, protocol=protocol)
    world.answered().end()
    assert world.codec.wrote[1:] == [(b"", True)]
    assert world.said == said


def test_a_session_that_leaves_first_waits_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    tunnel = world.open()
    assert tunnel is not None
    tunnel.cancel()
    assert world.said == ["waits no more"]


def test_no_room_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    world.refuses = True
    assert world.open() is None
    assert world.said == []


@pytest.mark.parametrize(("answered", "said"), [(True, ["connected", "closed"]), (False, ["failed "])])
def test_a_lost_connection(monkeypatch: pytest.MonkeyPatch, answered: bool, said: list[str]) -> None:
    world = World(monkeypatch)
    tunnel = world.answered() if answered else world.ready()
    tunnel.on_reset(Reset.CONNECTION_TERMINATION, "")
    assert world.said == said


def test_watermarks_reach_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch)
    tunnel = world.answered()
    tunnel.on_high_watermark()
    tunnel.on_low_watermark()
    assert world.said == ["connected", "high", "low"]


def test_what_the_upstream_said_may_be_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(monkeypatch, "hostname: h, propagate_response_headers: true")
    world.answered()
    assert world.source.connection.filter_state[RESPONSE_HEADERS] == {"headers": [{"key": ":status", "value": "200"}]}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("hostname: h, post_path: /x", "Can't set a post path when POST method isn't used"),
        (
            "hostname: h, request_id_extension: {typed_config: {'@type': "
            "type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}",
            "no request id extension of type",
        ),
    ],
)
def test_what_is_refused(text: str, problem: str) -> None:
    assert any(problem in line for line in tunnel_plan(text)[1])
