"""A whole HTTP proxy of one listener and one cluster without sockets: real plans from YAML, on fake time.

A test plays both peers: the client sends and reads bytes, the upstream accepts or refuses connections and answers.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import json
from collections.abc import Callable
from typing import Any

import yaml

from pyvoy.config.load import load
from pyvoy.config.registry import load_builtin
from pyvoy.network.connection import DownstreamConnection
from pyvoy.network.listener import Listener
from pyvoy.server.plans import build
from pyvoy.testing.fakes import FakeServices
from pyvoy.upstream.cluster_manager import ClusterManager
from tests.support.messages import Message, methods_of, responses

_EXTENSIONS = "type.googleapis.com/envoy.extensions."
_MANAGER = _EXTENSIONS + "filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = _EXTENSIONS + "filters.http.router.v3.Router"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_SEEN = {"header": {"key": "x-seen", "value": "%RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%"}}


def get(*lines: str, path: str = "/", method: str = "GET") -> bytes:
    """A request without a body."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", "Host: a.test", *lines, "", ""]).encode()


def post(length: int, *lines: str) -> bytes:
    """The head of a request with so long a body."""
    return get(*lines, f"Content-Length: {length}", method="POST")


def answer(status: int = 200, *lines: str, body: bytes = b"ok") -> bytes:
    """A whole response."""
    head = "\r\n".join([f"HTTP/1.1 {status} X", *lines, f"Content-Length: {len(body)}", "", ""])
    return head.encode() + body


class Wire:
    """A transport that keeps what is written; `events` are the other calls in order."""

    def __init__(self) -> None:
        self.out = b""
        self.events: list[str] = []
        self.protocol: Any = None
        """Who gets what comes."""

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1234) if name in ("peername", "sockname") else None

    def write(self, data: bytes) -> None:
        self.out += data

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return 0

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: self.events.append(name)

    @property
    def closed(self) -> bool:
        """Closed from our side."""
        return "abort" in self.events or "close" in self.events


class Upstream:
    """One upstream connection, played by the test."""

    def __init__(self, relay: Relay, protocol: Any) -> None:
        self._relay = relay
        self.wire = Wire()
        self.wire.protocol = protocol
        protocol.connection_made(self.wire)

    @property
    def protocol(self) -> Any:
        """The proxy's end of the connection."""
        return self.wire.protocol

    @property
    def closed(self) -> bool:
        """Whether the proxy has closed the connection."""
        return self.wire.closed

    @property
    def heads(self) -> int:
        """How many requests have come."""
        return self.wire.out.count(b"HTTP/1.1\r\n")

    def sends(self, data: bytes) -> None:
        """Bytes arrive at the proxy."""
        self._relay.fakes.loop.happen(self.protocol.data_received, data)
        self._relay.settle()

    def ends(self, error: Exception | None = None) -> None:
        """The upstream closes, or resets with an error."""
        if error is None:
            self.protocol.eof_received()
        self.protocol.connection_lost(error)
        self._relay.settle()


class Relay:
    """The proxy and its client's connection.  The options are YAML of the place that they are named after;
    `plain` leaves out the header that shows flags and details."""

    def __init__(self, *, route: str = "", vhost: str = "", cluster: str = "", http: str = "", **more: str) -> None:
        load_builtin()
        self.fakes = fakes = FakeServices()
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[None]]] = []
        fakes.loop.create_connection = self._create_connection  # type: ignore[attr-defined]
        text = json.dumps(_bootstrap(route, vhost, cluster, http, more))
        services = fakes.services
        plan = build(load(config_yaml=text), fakes.scope, fakes.arena, services=services)
        services.clusters = ClusterManager(fakes.scope, fakes.arena, services.random)
        services.connection_ids = itertools.count(1).__next__
        services.clusters.apply(plan.clusters)
        self.upstreams: list[Upstream] = []
        self._listener = Listener(plan.listeners[0], services)
        self.connect()

    async def _create_connection(self, factory: Callable[[], Any], *_: Any) -> None:
        future: asyncio.Future[None] = self.fakes.loop.create_future()
        self._waiting.append((factory, future))
        await future

    # ---- the client ----

    def connect(self) -> None:
        """A client connects; the following is about it."""
        self.client: DownstreamConnection = self._listener._make()
        self.wire = Wire()
        self._methods: list[bytes] = []
        self.client.connection_made(self.wire)  # type: ignore[arg-type]

    def sends(self, data: bytes) -> Relay:
        """The client sends."""
        self._methods += methods_of(data)
        self.fakes.loop.happen(self.client.data_received, data)
        self.settle()
        return self

    def leaves(self) -> None:
        """The client is gone."""
        self.client.connection_lost(None)
        self.settle()

    @property
    def responses(self) -> list[Message]:
        """What the client has got."""
        return responses(self.wire.out, self._methods or [b"GET"], True)[0]

    @property
    def response(self) -> Message:
        """The last answer."""
        return self.responses[-1]

    # ---- the upstream ----

    @property
    def connecting(self) -> int:
        """How many connections are being made."""
        return len(self._waiting)

    def accept(self) -> Upstream:
        """The oldest connection that is being made is there."""
        factory, future = self._waiting.pop(0)
        upstream = Upstream(self, factory())
        self.upstreams.append(upstream)
        future.set_result(None)
        self.settle()
        return upstream

    def refuse(self) -> None:
        """The oldest connection that is being made is refused."""
        self._waiting.pop(0)[1].set_exception(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"))
        self.settle()

    # ---- time and statistics ----

    def settle(self) -> None:
        """Let everything happen that is ready."""
        self.fakes.loop.settle()
        assert not self.fakes.loop.failures, self.fakes.loop.failures

    def wait(self, seconds: float) -> Relay:
        """Let time pass."""
        self.fakes.loop.advance(seconds)
        return self

    def count(self, name: str) -> int:
        """A counter below `cluster.up.`."""
        return self.fakes.counter("cluster.up." + name)

    def counts(self, words: str) -> dict[str, int]:
        """Several of them, with "upstream_" left out of their names."""
        return {word: self.count("upstream_" + word) for word in words.split()}

    def level(self, name: str) -> int:
        """A gauge below `cluster.up.`."""
        return self.fakes.gauge("cluster.up." + name)

    @property
    def seen(self) -> str:
        """Flags and details of the last answer, which the proxy writes into it."""
        return dict(self.response.headers)[b"x-seen"].decode()


def _bootstrap(route: str, vhost: str, cluster: str, http: str, more: dict[str, str]) -> dict[str, Any]:
    def read(name: str) -> dict[str, Any]:
        return yaml.safe_load(more.get(name, "")) or {}

    action = {"cluster": "up", **(yaml.safe_load(route) or {})}
    rules = {} if more.get("plain") else {"response_headers_to_add": [_SEEN]}
    host = {
        "name": "v",
        "domains": ["*"],
        **rules,
        "routes": [{"match": {"prefix": "/"}, "route": action, **read("entry")}],
    }
    manager = {
        "@type": _MANAGER,
        "stat_prefix": "in",
        "route_config": {"virtual_hosts": [{**host, **(yaml.safe_load(vhost) or {})}]},
        "http_filters": [
            {"name": "envoy.filters.http.router", "typed_config": {"@type": _ROUTER, **read("router")}},
        ],
        **read("hcm"),
    }
    addresses = [{"endpoint": {"address": _address(n)}} for n in range(1, int(more.get("hosts", "1")) + 1)]
    options = yaml.safe_load(http)
    up = {"name": "up", "load_assignment": {"cluster_name": "up", "endpoints": [{"lb_endpoints": addresses}]}}
    if options:
        typed = {"@type": f"type.googleapis.com/{_OPTIONS}", "explicit_http_config": {"http_protocol_options": {}}}
        up["typed_extension_protocol_options"] = {_OPTIONS: {**typed, "common_http_protocol_options": options}}
    up |= yaml.safe_load(cluster) or {}
    name = "envoy.filters.network.http_connection_manager"
    chain = {"filters": [{"name": name, "typed_config": manager}]}
    listener = {"name": "l", "address": _address(10000), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [up]}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}
