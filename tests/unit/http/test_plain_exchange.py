"""The short ways of an ordinary request give the same bytes, connections, statistics and log lines as the general one.

Each conversation runs over the same configuration again and again: without an access log (a plain exchange), with one
(a filtered exchange), and with one that asks for each stream's bytes on the wires, which only the general way counts.
What the upstream saw, what the client got, every statistic and, where there is one, every log line must be equal; also
with filters that change headers, answer in the upstream's place or hold the request for a while.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import random
import re
from collections.abc import Callable
from typing import Any

import pytest
import wasmtime

from pyvoy.config.compile import access_log
from pyvoy.config.load import load
from pyvoy.config.registry import load_builtin
from pyvoy.http.known_heads import KnownHeaders
from pyvoy.http.light_stream import LightStream
from pyvoy.http.plain_exchange import PlainExchange
from pyvoy.network.connection import DownstreamConnection
from pyvoy.network.listener import Listener
from pyvoy.network.timers import TimerWheel
from pyvoy.server.arena import local_arena
from pyvoy.server.plans import build
from pyvoy.server.services import Services
from pyvoy.stats.store import memory_store
from pyvoy.upstream.cluster_manager import ClusterManager
from pyvoy.upstream.pool import h1
from tests.support.building import Clock

BOOTSTRAP = """
static_resources:
  listeners:
  - name: l
    address: {{socket_address: {{address: 127.0.0.1, port_value: 10000}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: in
          {access_log}
          route_config:
{on_routes}            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{prefix: /missing}}
                direct_response: {{status: 404}}
              - match: {{prefix: /}}
                route: {{cluster: up, timeout: 2s}}
          http_filters:
{filters}          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: up
    load_assignment:
      cluster_name: up
      endpoints:
      - lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 1}}}}}}
"""
LOG = """access_log:
          - name: log
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: /log
              log_format: {{text_format_source: {{inline_string: "{format}\\n"}}}}"""
FACTS = (
    "%REQ(:METHOD)% %REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %BYTES_SENT% "
    "%DURATION% %REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION% %UPSTREAM_HOST% %UPSTREAM_CLUSTER% "
    "%ROUTE_NAME% %VIRTUAL_CLUSTER_NAME% %UPSTREAM_REQUEST_ATTEMPT_COUNT% %REQ(X-FORWARDED-PROTO)% %REQ(CONNECTION)% "
    "%REQ(X-ENVOY-EXPECTED-RQ-TIMEOUT-MS)% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% %RESP(SERVER)% %RESP(X-SEEN)% "
    "%UPSTREAM_LOCAL_ADDRESS% %UPSTREAM_CONNECTION_ID% %CONNECTION_TERMINATION_DETAILS%"
)
METERS = "%DOWNSTREAM_WIRE_BYTES_SENT%"
MUTATION = """          - name: envoy.filters.http.header_mutation
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
              mutations:
                request_mutations: [{append: {header: {key: x-added, value: "%REQ(:path)%"}}}]
                response_mutations:
                - append: {header: {key: x-seen, value: "%REQ(x-added)%"}}
                - append: {header: {key: server, value: changed}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}
"""
REPEATED = """          - name: envoy.filters.http.header_mutation
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
              mutations:
                request_mutations:
                - append: {header: {key: x-twice, value: a}}
                - append: {header: {key: x-twice, value: "%REQ(:path)%"}}
                response_mutations:
                - append: {header: {key: x-twice, value: a}}
                - append: {header: {key: x-twice, value: b}}
                - remove: server
"""
UNFRAMED = """          - name: envoy.filters.http.header_mutation
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
              mutations:
                request_mutations: [{remove: content-length}, {remove: x-request-id}]
                response_mutations: [{remove: content-length}, {remove: x-envoy-upstream-service-time}]
"""
REORDERED = """          - name: envoy.filters.http.header_mutation
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
              mutations:
                response_mutations: [{remove: server}, {append: {header: {key: server, value: up}}}]
"""
STEERED = """          - name: envoy.filters.http.header_mutation
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation
              mutations:
                request_mutations: [{append: {header: {key: x-envoy-upstream-rq-timeout-ms, value: "700"}}}]
"""
FAULT = """          - name: envoy.filters.http.fault
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
              abort: {http_status: 418, percentage: {numerator: 100}}
              headers: [{name: ":path", string_match: {exact: /missing}}]
"""
DELAY = """          - name: envoy.filters.http.fault
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
              delay: {fixed_delay: 0.5s, percentage: {numerator: 100}}
"""
BUFFER = """          - name: envoy.filters.http.buffer
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer
              max_request_bytes: 100
          - name: envoy.filters.http.compressor
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.compressor.v3.Compressor
              compressor_library:
                name: gzip
                typed_config: {"@type": type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip}
"""
LUA = """          - name: envoy.filters.http.lua
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.lua.v3.Lua
              default_source_code:
                inline_string: |
                  function envoy_on_request(h)
                    local to = h:headers():get("x-to")
                    if to then
                      h:headers():replace(":path", to)
                    end
                    h:headers():add("x-lua", "request")
                  end
                  function envoy_on_response(h)
                    h:headers():add("x-lua", "response")
                    h:headers():replace("server", "changed")
                  end
"""
PYTHON = """          - name: py
            typed_config:
              "@type": type.googleapis.com/pyvoy.filters.http.python.v1.Python
              code:
                inline_string: |
                  from pyvoy.api import *
                  class Listeners(Filter):
                    def on_request(self, request):
                      request.headers["x-by"] = "listener"
                    def on_response(self, response):
                      response.headers["x-by"] = "listener"
"""
PYTHON_OF_ROUTES = """            typed_per_filter_config:
              py:
                "@type": type.googleapis.com/pyvoy.filters.http.python.v1.Python
                code:
                  inline_string: |
                    from pyvoy.api import *
                    class Own(StreamFilter):
                      def on_request_headers(self, stream, headers, end):
                        headers.set(b"x-by", b"route")
                      def on_response_headers(self, stream, headers, end):
                        headers.set(b"x-by", b"route")
                      def on_log(self, stream):
                        self.counter("logged").inc()
"""
DATA_OF_ROUTES = """            typed_per_filter_config:
              py:
                "@type": type.googleapis.com/pyvoy.filters.http.python.v1.Python
                code:
                  inline_string: |
                    from pyvoy.api import *
                    class Own(StreamFilter):
                      def on_request_data(self, stream, data, end):
                        stream.replace_request_data(self, data.upper())
                      def on_response_data(self, stream, data, end):
                        stream.replace_response_data(self, data.upper())
"""
LUA_ALONE = LUA.replace('local to = h:headers():get("x-to")', "local to")
"""A script that only changes headers."""
MODULE = """
(module
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (data (i32.const 1024) ":path" "x-wasm" "server" "accept" "x-a" "x-request-id")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 2048))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
    (drop (call $get (i32.const 0) (i32.const 1024) (i32.const 5) (i32.const 0) (i32.const 4)))
    (drop (call $add (i32.const 0) (i32.const 1029) (i32.const 6) (i32.load (i32.const 0)) (i32.load (i32.const 4))))
    (drop (call $replace (i32.const 0) (i32.const 1041) (i32.const 6) (i32.const 1029) (i32.const 6)))
    (drop (call $remove (i32.const 0) (i32.const 1047) (i32.const 3)))
    (i32.const 0))
  (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
    (drop (call $add (i32.const 2) (i32.const 1029) (i32.const 6) (i32.const 1041) (i32.const 6)))
    (drop (call $replace (i32.const 2) (i32.const 1035) (i32.const 6) (i32.const 1029) (i32.const 6)))
    (i32.const 0)))
"""
"""Tells the upstream its path, replaces `accept` and `server`, removes `x-a`."""
ID_MODULE = MODULE.replace("(i32.const 1047) (i32.const 3)", "(i32.const 1050) (i32.const 12)")
"""The same that takes the request's id away."""


def wasm(text: str) -> str:
    """A filter with a module of this text."""
    code = base64.b64encode(wasmtime.wat2wasm(text)).decode()
    return f"""          - name: wasm
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config: {{name: w, vm_config: {{code: {{local: {{inline_bytes: "{code}"}}}}}}}}
"""


ON_ROUTES = "---\n"
CHAINS = {
    "lua": LUA,
    "lua that reads nothing": LUA_ALONE,
    "module": wasm(MODULE),
    "module twice": wasm(MODULE) * 2,
    "module that takes the id": wasm(ID_MODULE),
    "module and script": wasm(MODULE) + LUA,
    "script and module": LUA_ALONE + wasm(MODULE),
    "module and code": wasm(MODULE) + PYTHON,
    "module and rules": wasm(MODULE) + REPEATED,
    "none": "",
    "mutation": MUTATION,
    "repeated": REPEATED,
    "unframed": UNFRAMED,
    "reordered": REORDERED,
    "steered": STEERED,
    "fault": FAULT,
    "delay": DELAY,
    "buffer": BUFFER,
    "python of routes": PYTHON + ON_ROUTES + PYTHON_OF_ROUTES,
    "data of routes": PYTHON + ON_ROUTES + DATA_OF_ROUTES,
}
"""Filters, and what the table of routes says of them."""
KNOWING = [name for name in CHAINS if "module" in name or "lua" in name or "script" in name]
"""Chains whose filters go from known head to known head, as long as nobody logs."""

POST = b"POST /x HTTP/1.1\r\nHost: a.test\r\nContent-Length: 5\r\n\r\nhello"
CLOSE = b"GET /x HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"
GET = b"GET /x HTTP/1.1\r\nHost: a.test\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nserver: up\r\ncontent-length: 2\r\n\r\nok"


OTHER = POST.replace(b"hello", b"world")
GET_Y = GET.replace(b"/x", b"/y")
OTHER_OK = OK.replace(b"server: up", b"server: other")
SAYS_CLOSE = OK.replace(b"server: up", b"connection: close")


class Wire:
    """A transport that writes down what happens to it."""

    def __init__(self) -> None:
        self.out = b""
        self.events: list[str] = []

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 1234) if name in ("peername", "sockname") else None

    def write(self, data: bytes) -> None:
        self.out += data

    def is_closing(self) -> bool:
        return False

    def can_write_eof(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: self.events.append(name)


class Lines:
    """Stands for the log files: what is written to any of them."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def open(self, path: str, root_scope: Any) -> Lines:
        return self

    def write(self, line: bytes) -> None:
        self.written.append(line)


class Proxy:
    """One listener, its upstream connections and a clock that only the test moves."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, log: str, monkeypatch: pytest.MonkeyPatch, filters: str = ""
    ) -> None:
        load_builtin()
        self.store = memory_store()
        self.clock = Clock()
        arena = local_arena(self.clock)
        chance = random.Random(1)
        self.clusters = ClusterManager(self.store.root, arena, chance)
        self.services = Services(
            loop=loop,
            timers=TimerWheel(loop, self.clock),
            root_scope=self.store.root,
            arena=arena,
            clusters=self.clusters,
            clock=self.clock,
            random=chance,
            connection_ids=itertools.count(1).__next__,
        )
        chain, _, on_routes = filters.partition(ON_ROUTES)
        text = BOOTSTRAP.format(access_log=log, filters=chain, on_routes=on_routes)
        plan = build(load(config_yaml=text), self.store.root, arena, services=self.services)
        self.clusters.apply(plan.clusters)
        self.listener = Listener(plan.listeners[0], self.services)
        self.upstreams: list[tuple[h1.Http1Connection, Wire]] = []
        self.plain = 0
        self.held_s = 0.6 if filters == DELAY else 0.0
        """How long the filters hold a request."""

        def connect(connection: Any) -> None:
            """A connection that is there at once; a plain function, because it takes the place of a method."""
            wire = Wire()
            self.upstreams.append((connection, wire))
            connection.connection_made(wire)

        monkeypatch.setattr(h1.Http1Connection, "connect", connect)

    def client(self) -> tuple[DownstreamConnection, Wire]:
        connection = self.listener._make()
        wire = Wire()
        connection.connection_made(wire)  # type: ignore[arg-type]
        return connection, wire

    def note_plain(self, connection: DownstreamConnection) -> None:
        """Count the exchanges that run a short way at this moment."""
        if connection.runner is not None and connection.runner.filters:
            manager = connection.runner.filters[-1]
            self.plain += sum(isinstance(one, PlainExchange | LightStream) for one in manager.streams.values())

    def statistics(self) -> dict[str, int]:
        """Every counter and gauge that is not zero."""
        self.services.tallies.write()
        scope = self.store.root
        return {
            name: value
            for name, value in _cells(self.store, scope).items()
            if value and not name.startswith("filesystem.")
        }


def _cells(store: Any, scope: Any) -> dict[str, int]:
    found = {}
    for kind in ("_counters", "_gauges"):
        for name, cell in getattr(store, kind).items():
            found[name] = cell.value
    return found


Step = Callable[[Proxy, DownstreamConnection, Wire], None]


def send(data: bytes) -> Step:
    """The client sends."""

    def step(proxy: Proxy, client: DownstreamConnection, wire: Wire) -> None:
        client.data_received(data)
        if proxy.held_s:
            wait(proxy.held_s)(proxy, client, wire)
        proxy.note_plain(client)

    return step


def answer(data: bytes, which: int = -1) -> Step:
    """An upstream connection receives bytes."""
    return lambda proxy, client, wire: proxy.upstreams[which][0].data_received(data)


def lose_upstream(error: Exception | None = None) -> Step:
    """The upstream's connection ends."""

    def step(proxy: Proxy, client: DownstreamConnection, wire: Wire) -> None:
        connection = proxy.upstreams[-1][0]
        connection.eof_received()
        connection.connection_lost(error)

    return step


def lose_client(proxy: Proxy, client: DownstreamConnection, wire: Wire) -> None:
    """The client is gone."""
    client.connection_lost(None)


def half_close(proxy: Proxy, client: DownstreamConnection, wire: Wire) -> None:
    """The client sends nothing more."""
    client.eof_received()


def wait(seconds: float) -> Step:
    """Time passes; what is due happens."""

    def step(proxy: Proxy, client: DownstreamConnection, wire: Wire) -> None:
        proxy.clock.now_s += seconds
        proxy.services.timers._fire()

    return step


def watermark(high: bool) -> Step:
    """The client reads too slowly, or has caught up."""
    return lambda proxy, client, wire: client.pause_writing() if high else client.resume_writing()


def upstream_watermark(high: bool) -> Step:
    """The upstream reads too slowly, or has caught up."""

    def step(proxy: Proxy, client: DownstreamConnection, wire: Wire) -> None:
        connection = proxy.upstreams[-1][0]
        connection.pause_writing() if high else connection.resume_writing()

    return step


def drain(proxy: Proxy, client: DownstreamConnection, wire: Wire) -> None:
    """The listener drains."""
    proxy.listener.drain()


WARM = [send(GET), answer(OK)]
KNOWN = [step for _ in range(4) for step in (send(GET), answer(OK))]
"""The heads of request and response have come so often that they are remembered."""
BIG = b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
CASES: dict[str, list[Step]] = {
    "two-in-a-row": [*WARM, send(GET), answer(OK)],
    "keep-alive-named": [*WARM, send(GET.replace(b"\r\n\r\n", b"\r\nConnection: keep-alive\r\n\r\n")), answer(OK)],
    "close-asked": [*WARM, send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")), answer(OK)],
    "other-fields": [*WARM, send(GET.replace(b"\r\n\r\n", b"\r\nX-A: 1\r\nAccept: */*\r\n\r\n")), answer(OK)],
    "another-path": [*WARM, send(GET.replace(b"\r\n\r\n", b"\r\nX-To: /missing\r\n\r\n")), send(GET), answer(OK)],
    "watched-field": [*WARM, send(GET.replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")), answer(OK)],
    "head": [*WARM, send(GET.replace(b"GET", b"HEAD")), answer(OK[:-2])],
    "direct-response": [*WARM, send(GET.replace(b"/x", b"/missing"))],
    "fragment": [*WARM, send(GET.replace(b"/x", b"/x#y"))],
    "bad-host": [*WARM, send(GET.replace(b"a.test", b"a b"))],
    "body-in-two-reads": [*WARM, send(GET), answer(BIG), answer(b"def")],
    "chunked": [*WARM, send(GET), answer(CHUNKED)],
    "no-content": [*WARM, send(GET), answer(b"HTTP/1.1 204 No Content\r\n\r\n")],
    "until-close": [*WARM, send(GET), answer(b"HTTP/1.1 200 OK\r\n\r\nab"), lose_upstream()],
    "informational": [*WARM, send(GET), answer(b"HTTP/1.1 103 Early Hints\r\n\r\n"), answer(OK)],
    "repeated-field": [*WARM, send(GET), answer(b"HTTP/1.1 200 OK\r\na: 1\r\na: 2\r\ncontent-length: 0\r\n\r\n")],
    "canary": [*WARM, send(GET), answer(OK.replace(b"server: up", b"x-envoy-upstream-canary: true"))],
    "server-error": [*WARM, send(GET), answer(OK.replace(b"200 OK", b"503 No")), send(GET), answer(OK)],
    "upstream-closes-after": [*WARM, send(GET), answer(OK.replace(b"server: up", b"connection: close")), send(GET)],
    "upstream-dies": [*WARM, send(GET), lose_upstream()],
    "upstream-resets": [*WARM, send(GET), lose_upstream(ConnectionResetError())],
    "upstream-garbage": [*WARM, send(GET), answer(b"\x00\xff garbage\r\n\r\n")],
    "upstream-dies-in-body": [*WARM, send(GET), answer(BIG), lose_upstream()],
    "extra-bytes": [*WARM, send(GET), answer(OK + b"HTTP/1.1 200 OK\r\n\r\n"), send(GET)],
    "time-out": [*WARM, send(GET), wait(1.9), wait(0.2)],
    "time-out-next-request": [*WARM, wait(1.0), send(GET), wait(1.5), answer(OK), send(GET), wait(3.0)],
    "client-gone": [*WARM, send(GET), lose_client],
    "client-half-closes": [*WARM, send(GET), half_close, answer(OK)],
    "slow-client": [*WARM, send(GET), watermark(True), answer(OK), watermark(False), send(GET), answer(OK)],
    "drained": [*WARM, send(GET), drain, answer(OK)],
    "pipelined": [*WARM, send(GET + GET), answer(OK), answer(OK)],
    "known": [*KNOWN, send(GET), answer(OK)],
    "known-well": KNOWN * 3,
    "known-well-two-paths": [*KNOWN * 3, *[step for _ in range(9) for step in (send(GET_Y), answer(OK))], *KNOWN],
    "known-well-two-answers": [*KNOWN * 2, *[step for _ in range(9) for step in (send(GET), answer(OTHER_OK))], *KNOWN],
    "known-well-date-passes": [*KNOWN * 2, wait(3.0), *KNOWN * 2],
    "known-well-slow": [*KNOWN * 2, send(GET), wait(0.3), answer(OK), send(GET), wait(1.2), answer(OK)],
    "known-close-asked": [*KNOWN, *[step for _ in range(4) for step in (send(CLOSE), answer(OK))]],
    "known-date-passes": [*KNOWN, wait(3.0), send(GET), answer(OK), send(GET), answer(OK)],
    "known-other-length": [*KNOWN, send(GET), answer(OK.replace(b"length: 2", b"length: 3") + b"!")],
    "known-body-in-two-reads": [*KNOWN, send(GET), answer(OK[:-1]), answer(b"k"), send(GET), answer(OK)],
    "known-extra-bytes": [*KNOWN, send(GET), answer(OK + b"x"), send(GET)],
    "known-pipelined": [*KNOWN, send(GET), send(GET), answer(OK), answer(OK)],
    "known-drained": [*KNOWN, send(GET), drain, answer(OK)],
    "known-time-out": [*KNOWN, send(GET), wait(2.1)],
    "known-upstream-says-close": [*KNOWN, *[step for _ in range(4) for step in (send(GET), answer(SAYS_CLOSE))]],
    "known-then-bad": [*KNOWN, send(GET.replace(b"/x", b"/\x00"))],
    "post": [*WARM, send(POST), answer(OK), send(POST), answer(OK)],
    "post-known": [*WARM, *[step for _ in range(4) for step in (send(POST), answer(OK))], send(POST[:-1]), send(b"o")],
    "post-known-well": [*WARM, *[step for _ in range(9) for step in (send(POST), answer(OK))], send(OTHER), answer(OK)],
    "post-known-other-body": [*WARM, *[step for _ in range(4) for step in (send(POST), answer(OK))], send(OTHER)],
    "post-known-more-behind": [*WARM, *[step for _ in range(4) for step in (send(POST), answer(OK))], send(POST + GET)],
    "post-in-two-reads": [*WARM, send(POST[:-3]), send(POST[-3:]), answer(OK)],
    "post-time-out": [*WARM, send(POST), wait(2.1)],
    "post-upstream-dies": [*WARM, send(POST), lose_upstream()],
    "post-client-gone": [*WARM, send(POST), lose_client],
    "post-direct-response": [*WARM, send(POST.replace(b"/x", b"/missing")), send(GET), answer(OK)],
    "post-empty": [*WARM, send(POST.replace(b"5", b"0")[:-5]), answer(OK)],
    "post-no-length": [*WARM, send(GET.replace(b"GET", b"POST")), answer(OK)],
    "post-close": [*WARM, send(POST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")), answer(OK)],
    "post-expect": [*WARM, send(POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")), answer(OK)],
    "post-two-lengths": [*WARM, send(POST.replace(b"\r\n\r\n", b"\r\nContent-Length: 5\r\n\r\n"))],
    "post-bad-length": [*WARM, send(POST.replace(b"5", b"+5"))],
    "post-pipelined": [*WARM, send(POST), send(POST), answer(OK), answer(OK)],
    "post-slow-upstream": [*WARM, send(POST), upstream_watermark(True), upstream_watermark(False), answer(OK)],
    "get-with-body": [*WARM, send(POST.replace(b"POST", b"GET")), answer(OK)],
    "put-grpc": [*WARM, send(POST.replace(b"\r\n\r\n", b"\r\nContent-Type: application/grpc\r\n\r\n")), answer(OK)],
    "request-in-two-reads": [*WARM, send(GET[:9]), send(GET[9:]), answer(OK)],
}
PLAIN = {
    "post",
    "post-time-out",
    "get-with-body",
    "two-in-a-row",
    "keep-alive-named",
    "other-fields",
    "body-in-two-reads",
    "upstream-dies",
    "time-out",
}

HELD = {("buffer", "post"), ("buffer", "get-"), ("data of routes", "post"), ("data of routes", "get-")}
"""Chains that hold a request until it is whole, or look at its body."""


def run(
    steps: list[Step],
    way: str,
    monkeypatch: pytest.MonkeyPatch,
    filters: str = "",
    prepare: Callable[[Proxy, DownstreamConnection], None] = lambda proxy, client: None,
) -> tuple[dict[str, Any], int]:
    """What is seen of a conversation, and how many exchanges took a short way."""
    loop = asyncio.new_event_loop()
    lines = Lines()
    monkeypatch.setattr(access_log, "LOG_FILES", lines)
    formats = {"plain": None, "filtered": FACTS, "general": f"{FACTS} {METERS}"}
    line = formats[way]
    try:
        log = "" if line is None else LOG.format(format=line)
        proxy = Proxy(loop, log, monkeypatch, filters)
        client, wire = proxy.client()
        prepare(proxy, client)
        for step in steps:
            step(proxy, client, wire)
        loop.run_until_complete(asyncio.sleep(0))
        seen = {
            "client": _plain(wire.out),
            "client events": [event for event in wire.events if event not in ("set_write_buffer_limits",)],
            "upstream": [_plain(one.out) for _, one in proxy.upstreams],
            "upstream events": [one.events for _, one in proxy.upstreams],
            "statistics": proxy.statistics(),
        }
        if line is not None:
            seen["log"] = [each.rpartition(b" ")[0] if way == "general" else each.strip() for each in lines.written]
        proxy.services.timers.stop()
        return seen, proxy.plain
    finally:
        loop.close()


def _plain(data: bytes) -> bytes:
    data = re.sub(rb"x-request-id: [0-9a-f-]{36}", b"x-request-id: ID", data)
    return re.sub(rb"date: [^\r]*", b"date: NOW", data)


@pytest.mark.parametrize("name", CASES)
def test_the_short_way_is_not_to_be_told_from_the_general_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    short, plain = run(CASES[name], "plain", monkeypatch)
    general, none = run(CASES[name], "general", monkeypatch)
    assert none == 0
    del general["log"]
    assert short == general
    assert (plain > 0) or name not in PLAIN, "the short way was not taken"


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("chain", CHAINS)
def test_with_filters_and_logs_the_short_way_is_not_to_be_told_from_the_general_one(
    chain: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, plain = run(CASES[name], "filtered", monkeypatch, CHAINS[chain])
    general, none = run(CASES[name], "general", monkeypatch, CHAINS[chain])
    assert none == 0
    assert short == general
    assert (plain > 0) or name not in PLAIN or (chain, name[:4]) in HELD or chain in ("steered", "delay"), (
        "the short way was not taken"
    )


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("chain", KNOWING)
def test_with_filters_and_no_log_the_short_way_is_not_to_be_told_from_the_general_one(
    chain: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    short, _ = run(CASES[name], "plain", monkeypatch, CHAINS[chain])
    general, none = run(CASES[name], "general", monkeypatch, CHAINS[chain])
    assert none == 0
    del general["log"]
    assert short == general


@pytest.mark.parametrize("chain", ["lua that reads nothing", "module", "module twice", "script and module"])
def test_nobody_looks_inside_heads_that_come_again_and_again(chain: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[bytes] = []
    original = KnownHeaders.open

    def note(headers: KnownHeaders) -> None:
        opened.append(headers.head.varying)
        original(headers)

    monkeypatch.setattr(KnownHeaders, "open", note)
    often = [step for _ in range(40) for step in (send(GET), answer(OK))]
    seen, _ = run(often, "plain", monkeypatch, CHAINS[chain])
    assert seen["client"].count(b"HTTP/1.1 200 OK") == 40
    assert len(opened) < 20, "what is changed in the same way twice is known"


def test_an_ordinary_request_takes_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, plain = run(CASES["two-in-a-row"], "plain", monkeypatch)
    assert plain == 1, "the first request finds no idle connection, the second does"
    assert seen["client"].count(b"HTTP/1.1 200 OK") == 2
