"""The stage on which a playbook is performed: the real connection manager, stream and chain between two fakes.

Nothing has a socket and time only moves by `advance`.  Every method is one event from outside: the client's side
(request, its reset, how fast it reads) or the upstream's (response, its reset).  After each event everything that is
ready runs, tasks of `async def` filters included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from pyvoy.http.chain import ChainPlan, FilterSpec
from pyvoy.http.headers import HeaderMap
from pyvoy.http.local_reply import plain_reply
from pyvoy.http.manager import HttpConnectionManager
from pyvoy.http.manager_plan import ManagerPlan
from pyvoy.http.routing.table import Route, VirtualHost
from pyvoy.http.stats import HttpStats
from pyvoy.http.stream import HttpStream
from pyvoy.observe import details
from pyvoy.observe.details import Flag
from pyvoy.testing.configuring import STAT_PREFIX
from pyvoy.testing.fakes import FakeConnection, FakeServices, FakeUpstream, RecordingCodec
from pyvoy.testing.recorder import Record

UPSTREAM_FILTER = "pyvoy.testing.upstream"


class Routes:
    """A route table with one answer, which a test may exchange."""

    settled = False

    def __init__(self, route: Route | None) -> None:
        self.route = route
        self.asked = 0

    def find(self, stream: Any) -> Route | None:
        """The route, whatever the request."""
        self.asked += 1
        return self.route

    find_again = find


class LogKeeper:
    """An access logger that keeps the details and flags of each stream."""

    def __init__(self) -> None:
        self.logged: list[tuple[int, str, int]] = []

    def log(self, source: Any) -> None:
        """Note status, details and flags."""
        info = source.info
        self.logged.append((info.response_code, info.response_code_details or "", info.response_flags))


class Stage:
    """A connection after the other, with one stream at a time.

    `filters` are those before the upstream's; `route_plans` the per-route plans by filter name.  `buffer_limit_bytes`
    is the limit of filters that buffer."""

    def __init__(
        self,
        fakes: FakeServices,
        filters: Sequence[FilterSpec],
        route_plans: Mapping[str, tuple[Any, ...]] | None = None,
        *,
        buffer_limit_bytes: int = 1 << 20,
        stream_idle_timeout_s: float | None = 300.0,
        **plan: Any,
    ) -> None:
        self.fakes = fakes
        self.record = Record()
        self.upstream: FakeUpstream | None = None
        self.answered = False
        self.log = LogKeeper()
        self.route = Route("route", VirtualHost("host"), cluster="upstream", filter_plans=route_plans or {})
        self.routes = Routes(self.route)
        specs = (*filters, FilterSpec(UPSTREAM_FILTER, FakeUpstream, self))
        self.plan = ManagerPlan(
            stats=HttpStats(fakes.scope, STAT_PREFIX, None),
            chain=ChainPlan(specs),
            routes=self.routes,
            request_rules=lambda *_: None,
            response_rules=lambda *_: None,
            local_reply=plain_reply,
            filter_failures=fakes.scope.counter("pyvoy.filter_failures"),
            access_logs=(self.log,),
            stream_idle_timeout_s=stream_idle_timeout_s,
            idle_timeout_s=None,
            **plan,
        )
        self._buffer_limit_bytes = buffer_limit_bytes
        self._next_id = 0
        self._opened: list[tuple[HttpConnectionManager, FakeConnection]] = []
        self.connection: FakeConnection
        self.manager: HttpConnectionManager
        self.stream: HttpStream
        self.connect()

    # ---- the client ----

    def connect(self) -> None:
        """The client opens a connection of its own for the next request."""
        self.connection = FakeConnection(
            self.fakes.services,
            self.record,
            buffer_limit_bytes=self._buffer_limit_bytes,
            number=len(self._opened) + 1,
        )
        self.manager = HttpConnectionManager(self.plan)
        self._opened.append((self.manager, self.connection))
        self.manager.on_new_connection(cast("Any", self.connection))
        self.manager.codec = cast("Any", RecordingCodec(self.record))

    def request(self, headers: HeaderMap, *, end: bool) -> None:
        """A request head arrives, on a new connection when the old one was closed."""
        if not self.connection.is_open:
            self.connect()
        self._next_id += 1
        self.answered = False
        self.upstream = None
        self.stream = self.manager.new_stream(self._next_id)
        self.fakes.loop.happen(self.stream.on_headers, headers, end)

    def request_data(self, data: bytes, *, end: bool) -> None:
        """A piece of the request body arrives."""
        if not self.stream.finished and not self.stream.request_ended:
            self.fakes.loop.happen(self.stream.on_data, data, end)

    def request_trailers(self, trailers: HeaderMap) -> None:
        """The request trailers arrive."""
        if not self.stream.finished and not self.stream.request_ended:
            self.fakes.loop.happen(self.stream.on_trailers, trailers)

    def client_reset(self) -> None:
        """The client gives the stream up."""
        if not self.stream.finished:
            self.fakes.loop.happen(self.stream.on_reset, "remote reset")

    def watermark(self, *, high: bool) -> None:
        """The client reads too slowly, or has caught up."""
        event = self.manager.on_high_watermark if high else self.manager.on_low_watermark
        self.fakes.loop.happen(event, cast("Any", self.connection))

    # ---- the upstream ----

    def _can_answer(self) -> bool:
        return not self.stream.finished and not self.answered and self.upstream is not None

    def informational(self, headers: HeaderMap) -> None:
        """The upstream sends a 1xx response."""
        if self._can_answer():
            self.fakes.loop.happen(self.stream.send_informational, headers)

    def response(self, headers: HeaderMap, *, end: bool) -> None:
        """The upstream sends its response head."""
        if self._can_answer():
            self.answered = end
            self.stream.info.response_code_details = details.VIA_UPSTREAM
            self.fakes.loop.happen(self.stream.respond_headers, headers, end)

    def whole_response(self, headers: HeaderMap, body: bytes) -> None:
        """The upstream's response arrives in one piece."""
        if self._can_answer():
            self.answered = True
            self.stream.info.response_code_details = details.VIA_UPSTREAM
            self.fakes.loop.happen(self.stream.respond, headers, body)

    def response_data(self, data: bytes, *, end: bool) -> None:
        """The upstream sends a piece of the response body."""
        if self._can_answer():
            self.answered = end
            self.fakes.loop.happen(self.stream.respond_data, data, end)

    def response_trailers(self, trailers: HeaderMap) -> None:
        """The upstream sends trailers."""
        if self._can_answer():
            self.answered = True
            self.fakes.loop.happen(self.stream.respond_trailers, trailers)

    def upstream_reset(self) -> None:
        """The upstream's stream ends early; what the router makes of that."""
        self.fakes.loop.happen(self._reset_upstream)

    def _reset_upstream(self) -> None:
        if self._can_answer():
            self.answered = True
            if self.stream.response_started:
                self.stream.reset(details.LATE_UPSTREAM_RESET, Flag.UPSTREAM_REMOTE_RESET)
            else:
                self.stream.send_local_reply(
                    503, b"upstream reset", details=details.EARLY_UPSTREAM_RESET, flags=Flag.UPSTREAM_REMOTE_RESET
                )

    # ---- time and the end ----

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.fakes.loop.advance(seconds)

    def close(self) -> None:
        """The client closes all its connections."""
        for manager, connection in self._opened:
            connection.ended_by_peer = True
            connection.close()
            self.fakes.loop.happen(manager.on_close, cast("Any", connection))
