"""What filters and logs ask of a light stream (see `light_stream`): headers, route, plans, the facts so far.

Most of it is made when somebody asks, from what the stream is known by: its head's plan, its id, and how far it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import HttpFilter
from pyvoy.http.known_heads import KnownHeaders
from pyvoy.http.plain_facts import note_request, note_upstream
from pyvoy.http.request_rules import XFP
from pyvoy.http.routing.timeouts import EXPECTED
from pyvoy.observe import details
from pyvoy.observe.stream_info import ConnectionInfo, StreamInfo
from pyvoy.upstream.endpoint import Host
from pyvoy.upstream.pool.h1 import Http1Connection, Http1Pool

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyvoy.http.chain import ChainPlan, Handler
    from pyvoy.http.manager import HttpConnectionManager
    from pyvoy.http.plain_plan import PlainRequest
    from pyvoy.http.stream import HttpStream
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster import Cluster

FILTERING, UPSTREAM, RESPONDING, OVER = range(4)


class LightView:
    """One ordinary request as its filters and logs see it."""

    # Filters may keep things of their own on a stream, so there is an instance dict beside the slots.
    __slots__ = (
        "__dict__",
        "_answer_bytes",
        "_body",
        "_calling",
        "_cluster",
        "_connection",
        "_host",
        "_id",
        "_info",
        "_pool",
        "_request",
        "_request_headers",
        "_stage",
        "_status",
        "_took",
        "active_s",
        "chain",
        "chosen_host",
        "filters",
        "host_is_chosen",
        "manager",
        "promoted",
        "response_headers",
        "services",
        "stream_id",
    )

    _cluster: Cluster
    _connection: Http1Connection
    _host: Host
    _pool: Http1Pool
    _answer_bytes: int
    _status: bytes
    _took: tuple[float, int]
    """When the response came, and how many milliseconds after the request."""

    def __init__(
        self,
        manager: HttpConnectionManager,
        stream_id: int,
        request: PlainRequest,
        request_id: bytes,
        now_s: float,
        body: bytes,
    ) -> None:
        self.manager = manager
        self.stream_id = stream_id
        self.services: Services = manager.services
        self.chain: ChainPlan = manager.plan.chain
        self._request_headers: HeaderMap | None = None
        self.response_headers: HeaderMap | None = None
        self.active_s = now_s
        self.chosen_host: Host | None = None
        self.host_is_chosen = False
        self.filters: list[HttpFilter] = []
        self._request = request
        self._id = request_id
        self._body = body
        self._stage = FILTERING
        self._calling = False
        self._info: StreamInfo | None = None
        self.promoted: HttpStream | None = None
        """The full stream, once there is one."""

    def full(self) -> HttpStream:
        """The full stream: made on first need, in the state that this one stands for."""
        raise NotImplementedError

    @property
    def connection(self) -> ConnectionInfo:
        """The downstream connection."""
        return self.manager.connection_info

    @property
    def request_headers(self) -> HeaderMap:
        """The request's headers; made when somebody asks."""
        headers = self._request_headers
        if headers is None:
            request = self._request
            headers = self._request_headers = request.seen_headers(self._id)
            if self._stage > FILTERING:
                headers.map[EXPECTED] = request.expected
        return headers

    @property
    def route(self) -> Any:
        """The chosen route."""
        return self._request.route if self.promoted is None else self.promoted.route

    def route_plans(self, self_filter: HttpFilter) -> tuple[Any, ...]:
        """Every per-route plan of this filter, least specific first."""
        if self.promoted is not None:
            return self.promoted.route_plans(self_filter)
        plans = self._request.route.filter_plans
        return plans.get(self.chain.names[self_filter.slot], ()) if plans else ()

    def route_plan(self, self_filter: HttpFilter) -> Any:
        """The most specific per-route plan of this filter, or None."""
        plans = self.route_plans(self_filter)
        return plans[-1] if plans else None

    def replace_filter(self, self_filter: HttpFilter, other: HttpFilter) -> None:
        """From now on `other` stands in the filter's place on this stream."""
        stream = self if self.promoted is None else self.promoted
        stream.filters[self_filter.slot] = other

    def decide(self, self_filter: HttpFilter) -> tuple[HttpFilter, Mapping[str, Handler]]:
        """Before the first event at a place for which routes have filters of their own."""
        decided = self.chain.decided(self_filter.slot, self.route_plan(self_filter))
        self.chain = decided.chain
        return decided.enter(self_filter, self.filters), decided.handlers

    def clear_route_cache(self) -> None:
        """Match anew: as long as it is the same route after all, the request stays an ordinary one."""
        if self.promoted is None and self._stage is FILTERING and self._is_same_route():
            return
        self.full().clear_route_cache()

    def _is_same_route(self) -> bool:
        routes = self.manager.plan.routes
        if not routes.settled:
            return routes.find_again(self) is self._request.route
        if type(self._request_headers) is KnownHeaders:
            return True  # what would steer it has not changed
        values, seen = self.request_headers.map, self._request.seen
        same = values.get(b":path") == seen[b":path"] and values.get(b":authority") == seen[b":authority"]
        return same and bool(values.get(XFP))

    @property
    def info(self) -> StreamInfo:
        """The facts so far; made when somebody asks."""
        info = self._info
        if info is None:
            info = self._info = StreamInfo()
            self._note_begin(info)
            if self._stage > FILTERING:
                self._note_upstream(info)
            if self._stage > UPSTREAM:
                self._note_response(info)
            if self._stage is OVER:
                self._note_end(info)
        return info

    def _note_begin(self, info: StreamInfo) -> None:
        info.start_s = self.active_s
        info.start_wall_s = self.active_s + self.manager.wall_offset_s
        info.protocol = self.manager.codec.protocol
        note_request(info, self._request.route, self._id)

    def _note_upstream(self, info: StreamInfo) -> None:
        note_upstream(info, self._cluster, self._host, self._connection, self.active_s, len(self._body))

    def _note_response(self, info: StreamInfo) -> None:
        info.first_upstream_rx_s = info.last_upstream_rx_s = self._took[0]
        info.response_code_details = details.VIA_UPSTREAM
        info.response_code = int(self._status)

    def _note_end(self, info: StreamInfo) -> None:
        assert self.response_headers is not None
        info.response_code = int(self.response_headers.map[b":status"])
        info.first_downstream_tx_s = info.end_s = self._took[0]
        info.bytes_sent = self._answer_bytes
