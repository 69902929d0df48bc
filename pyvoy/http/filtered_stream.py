"""What a stream knows, what its filters may ask of it, and how their callbacks are run.

A filter's wish to reply, reset or resume from inside a callback is recorded and carried out when the callback has
returned.  How events pass the filters is `stream.py`'s.  Source: Envoy's filter callbacks and ActiveStreamFilterBase.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pyvoy.http.chain import ChainPlan, Handler
from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.held_path import HeldPath
from pyvoy.http.http_filter import CONTINUE, HttpFilter, LocalReply
from pyvoy.http.sides import REQUEST_SIDE, RESPONSE_SIDE, RequestSide, ResponseSide, ResponseSource
from pyvoy.observe.stream_info import ConnectionInfo, StreamInfo

if TYPE_CHECKING:
    from pyvoy.http.manager import HttpConnectionManager
    from pyvoy.http.routing.internal_redirect import Travelled
    from pyvoy.observe.filter_trace import Trace
    from pyvoy.server.services import Services
    from pyvoy.upstream.endpoint import Host

log = logging.getLogger("pyvoy.http")

FILTER_EXCEPTION = "filter_exception"


class FilteredStream(ABC):
    """A stream's state and what filters may do to it (`Stream`); `HttpStream` moves the events.

    Most streams touch few of these facts, so the defaults live on the class.
    """

    request_headers: HeaderMap
    request_trailers: HeaderMap | None = None
    response_headers: HeaderMap | None = None
    response_trailers: HeaderMap | None = None
    source: ResponseSource | None = None
    log_type = "NotSet"
    local_reply_body = b""
    """The body of a local reply, for %LOCAL_REPLY_BODY%."""

    request_ended = False
    response_started = False
    """The response head has gone to the codec."""
    finished = False
    local_replied = False
    upgraded = False
    answers_grpc: bool | None = None
    """Whether a local reply has gRPC's form; None: if the request's content-type is gRPC's."""
    reason_phrase = b""
    """The reason phrase of an HTTP/1 response, where a script has chosen one."""
    suspect_headers = False
    """A script has written a request header that no codec would have let in: the router looks at all of them."""
    health_check = False
    """Answered by the health check filter: left out of the request statistics (Envoy: StreamInfo::healthCheck)."""
    connection_close = False
    """The response must carry `connection: close` (drainConnectionUponCompletion)."""
    idle_timeout_s: float | None = None
    duration_limit_s: float | None = None
    """max_stream_duration as it holds for this stream; None is none."""
    chosen_host: Host | None = None
    host_is_chosen = False
    """The balancer has been asked before the router came to it (see `pyvoy.http.plain_exchange`); `chosen_host` is its
    answer, None for no host."""
    upstream_override_host: tuple[str, bool] | None = None
    """A host that a filter insists on: (address text, strict)."""
    travelled: Travelled | None = None
    """The redirects that were followed so far (see `pyvoy.http.routing.internal_redirect`)."""
    trace: Trace | None = None
    """What is written down of the filters' work, when the client asks for it (see `pyvoy.http.traced_chain`)."""
    due_s: float | None = None
    """When the router's response time-out is due; checked by the manager's lazy timer."""
    on_due: Callable[[], None] | None = None

    _route: Any = None
    _route_known = False
    _route_forgotten = False
    """A filter has asked to forget the route."""
    _calling = False
    _ending: tuple[str, LocalReply] | None = None
    _resumes: list[tuple[HeldPath, int]] | None = None
    _request_path: HeldPath | None = None
    _response_path: HeldPath | None = None
    _response_entered = False
    response_ended = False
    _request_paused = 0
    _response_paused = 0
    _tasks: list[asyncio.Task[Any]] | None = None

    def __init__(self, manager: HttpConnectionManager, stream_id: int, now_s: float, wall_s: float) -> None:
        self.manager = manager
        self.stream_id = stream_id
        self.connection: ConnectionInfo = manager.connection_info
        self.services: Services = manager.services
        info = self.info = StreamInfo()
        info.start_s = now_s
        info.start_wall_s = wall_s
        info.protocol = manager.codec.protocol
        self.active_s = now_s
        """When something last moved, for the stream idle time-out."""
        self.request_buffer_limit_bytes = self.response_buffer_limit_bytes = manager.buffer_limit_bytes
        self.chain: ChainPlan = manager.plan.chain
        self.filters: list[HttpFilter] = []

    def _find_route(self) -> Any:
        routes = self.manager.plan.routes
        route = self._route = routes.find_again(self) if self._route_forgotten else routes.find(self)
        self._route_known = True
        if route is not None:
            info = self.info
            info.route_name = route.name
            info.virtual_host_name = route.virtual_host.name
            info.route_metadata = route.metadata
        elif self.info.route_name:  # a filter has changed what an earlier look-up saw
            self.info.route_name = self.info.virtual_host_name = ""
            self.info.route_metadata = None
        return route

    # ---- the filters' calls: Stream ----

    @property
    def route(self) -> Any:
        """The chosen route or None."""
        if not self._route_known:
            self._find_route()
        return self._route

    @property
    def ending(self) -> tuple[str, LocalReply] | None:
        """The reply or reset that a callback has asked for and that is not carried out yet."""
        return self._ending

    def set_due(self, due_s: float, callback: Callable[[], None]) -> None:
        """Have `callback` run at `due_s` unless the stream is over by then; one at a time (the route's time-out)."""
        self.due_s = due_s
        self.on_due = callback
        self.manager.watch(due_s)

    def clear_route_cache(self) -> None:
        """The next look-up matches anew."""
        self._route_known = False
        self._route_forgotten = True
        self._route = None

    def route_plan(self, self_filter: HttpFilter) -> Any:
        """The most specific per-route plan of this filter, or None."""
        plans = self.route_plans(self_filter)
        return plans[-1] if plans else None

    def route_plans(self, self_filter: HttpFilter) -> tuple[Any, ...]:
        """All per-route plans of this filter, least specific first."""
        route = self.route
        if route is None:
            return ()
        return route.filter_plans.get(self.chain.names[self_filter.slot], ())  # type: ignore[no-any-return]

    def trace_line(self, self_filter: HttpFilter, side: str, level: str, place: str, text: str) -> None:
        """Something that the filter says, for the trace of this stream if there is one; `side` is request or response.

        Before each filter of a traced chain stands an observer, so that every other slot is a filter's."""
        if self.trace is not None:
            now_us = self.trace.now_us(self.services.clock())
            self.trace.line(self_filter.slot // 2, side, now_us, level, place, text)

    def filter_name(self, self_filter: HttpFilter) -> str:
        """The configured name of this filter."""
        return self.chain.names[self_filter.slot]

    def demand(self, self_filter: HttpFilter) -> None:
        """From now on the filter sees its `on_demand` events too."""
        chain = self.chain.demanding(self_filter.slot)
        if chain is not self.chain:
            self._follow(chain)

    def _follow(self, chain: ChainPlan) -> None:
        self.chain = chain
        for path in (self._request_path, self._response_path):
            if path is not None:
                path.follow(chain)

    def decide(self, self_filter: HttpFilter) -> tuple[HttpFilter, Mapping[str, Handler]]:
        """Before the first event at a place for which routes have filters of their own: from now on the filter of this
        stream's route stands there, if it has one.  Returns who that is and its handlers of first events."""
        decided = self.chain.decided(self_filter.slot, self.route_plan(self_filter))
        self._follow(decided.chain)
        return decided.enter(self_filter, self.filters), decided.handlers

    def replace_filter(self, self_filter: HttpFilter, other: HttpFilter) -> None:
        """From now on `other` stands in the filter's place on this stream."""
        self.filters[self_filter.slot] = other

    def continue_request(self, self_filter: HttpFilter) -> None:
        """Resume the request behind this filter."""
        self._resume(self._path(REQUEST_SIDE), self_filter.slot)

    def continue_response(self, self_filter: HttpFilter) -> None:
        """Resume the response behind this filter."""
        self._resume(self._path(RESPONSE_SIDE), self_filter.slot)

    def _resume(self, path: HeldPath, slot: int) -> None:
        if self.finished:
            return
        if self._calling:
            if self._resumes is None:
                self._resumes = []
            self._resumes.append((path, slot))
            return
        path.resume(slot)
        self.run_recorded()

    def request_body(self, self_filter: HttpFilter) -> bytes:
        """What is buffered of the request at this filter."""
        return self._path(REQUEST_SIDE).body(self_filter.slot)

    def response_body(self, self_filter: HttpFilter) -> bytes:
        """What is buffered of the response at this filter."""
        return self._path(RESPONSE_SIDE).body(self_filter.slot)

    def was_held(self, *, request: bool) -> bool:
        """Whether the piece of body at hand was held by a filter."""
        path = self._request_path if request else self._response_path
        return path is not None and path.released

    def note_held(self, *, request: bool) -> None:
        """The piece at hand, the last one, was held by the filter that is being run, within this very event."""
        self._path(REQUEST_SIDE if request else RESPONSE_SIDE).released = True

    def replace_request_body(self, self_filter: HttpFilter, body: bytes) -> None:
        """Put `body` in place of what is buffered at this filter."""
        self._path(REQUEST_SIDE).replace_body(self_filter.slot, body)

    def replace_response_body(self, self_filter: HttpFilter, body: bytes) -> None:
        """Put `body` in place of what is buffered of the response at this filter."""
        self._path(RESPONSE_SIDE).replace_body(self_filter.slot, body)

    def add_request_data(self, self_filter: HttpFilter, data: bytes) -> None:
        """Append data behind what is buffered at this filter."""
        self._path(REQUEST_SIDE).add(self_filter.slot, data)

    def add_response_data(self, self_filter: HttpFilter, data: bytes) -> None:
        """The same for the response."""
        self._path(RESPONSE_SIDE).add(self_filter.slot, data)

    def replace_request_data(self, self_filter: HttpFilter, data: bytes) -> None:
        """Hand on other data than the piece of the running data callback."""
        self._path(REQUEST_SIDE).replace_piece(self_filter.slot, data)

    def replace_response_data(self, self_filter: HttpFilter, data: bytes) -> None:
        """The same for the response."""
        self._path(RESPONSE_SIDE).replace_piece(self_filter.slot, data)

    def inject_request_data(self, self_filter: HttpFilter, data: bytes, end: bool) -> None:
        """Hand data to the filters behind this one."""
        self._path(REQUEST_SIDE).inject(self_filter.slot, data, end)

    def inject_response_data(self, self_filter: HttpFilter, data: bytes, end: bool) -> None:
        """The same for the response."""
        self._path(RESPONSE_SIDE).inject(self_filter.slot, data, end)

    def add_request_trailers(self) -> HeaderMap:
        """Give the request trailers."""
        self.request_trailers = self._path(REQUEST_SIDE).new_trailers = HeaderMap()
        return self.request_trailers

    def add_response_trailers(self) -> HeaderMap:
        """Give the response trailers."""
        self.response_trailers = self._path(RESPONSE_SIDE).new_trailers = HeaderMap()
        return self.response_trailers

    def set_request_buffer_limit(self, limit_bytes: int) -> None:
        """Change the limit of the chain's request buffer for this stream."""
        self.request_buffer_limit_bytes = limit_bytes

    def set_response_buffer_limit(self, limit_bytes: int) -> None:
        """Change the limit of the chain's response buffer for this stream."""
        self.response_buffer_limit_bytes = limit_bytes

    def send_local_reply(
        self,
        status: int,
        body: bytes = b"",
        *,
        details: str,
        flags: int = 0,
        headers: Sequence[Pair] = (),
        grpc_status: int | None = None,
    ) -> None:
        """Answer from here.  A second reply counts while the response filters look at the first one, and goes out past
        them; else it is ignored.  Raises TypeError for a body or headers that are no bytes."""
        if type(body) is not bytes or not all(type(name) is type(value) is bytes for name, value in headers):
            raise TypeError("body and headers of a reply are bytes")
        if self.finished or self._ending is not None:
            return
        if self.local_replied and (self.response_started or not self._response_entered):
            return
        reply = LocalReply(status, body, details=details, flags=flags, headers=headers, grpc_status=grpc_status)
        self._ending = ("reply", reply)
        if not self._calling:
            self._end_recorded()

    def reset(self, details: str, flags: int = 0) -> None:
        """End the stream without an answer."""
        if self.finished or self._ending is not None:
            return
        self._ending = ("reset", LocalReply(0, details=details, flags=flags))
        if not self._calling:
            self._end_recorded()

    def spawn(self, coroutine: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run a coroutine for this stream; it is cancelled when the stream ends."""
        if self._tasks is None:
            self._tasks = []
        task = self.services.spawn(coroutine, name)
        self._tasks.append(task)
        return task

    def run_async(self, filter_: HttpFilter, coroutine: Coroutine[Any, Any, Any], *, request: bool) -> None:
        """Run an `async def` filter method; the stream is held meanwhile and goes on with the verdict."""
        self._path(REQUEST_SIDE if request else RESPONSE_SIDE).awaited.add(filter_.slot)
        self.spawn(self._await_filter(filter_, coroutine, request), f"filter {self.chain.names[filter_.slot]}")

    async def _await_filter(self, filter_: HttpFilter, coroutine: Coroutine[Any, Any, Any], request: bool) -> None:
        try:
            verdict = await coroutine
        except Exception as error:  # the wall of the stream
            self._filter_failed(error)
            if self._ending is not None and not self._calling:
                self._end_recorded()
            return
        if self.finished:
            return
        path = self._path(REQUEST_SIDE if request else RESPONSE_SIDE)
        path.awaited.discard(filter_.slot)
        if verdict is None or verdict is CONTINUE:
            self._resume(path, filter_.slot)
        else:
            path.answered(filter_.slot, verdict)
            self.run_recorded()

    # ---- the machinery that held paths use ----

    @abstractmethod
    def _path(self, side: RequestSide | ResponseSide) -> HeldPath:
        """The held path of a direction, made on first need."""

    def call(self, handler: Callable[..., Any], slot: int, *arguments: Any) -> Any:
        """Run one filter callback; then do an end that it asked for.

        Nested when a filter injects data from inside its callback: what is asked for then waits for the outer one.
        """
        nested = self._calling
        self._calling = True
        paths = [path for path in (self._request_path, self._response_path) if path is not None]
        outer = [path.current for path in paths]
        for path in paths:
            path.current = slot
        try:
            verdict = handler(self.filters[slot], self, *arguments)
        except Exception as error:  # the wall of the stream
            self._filter_failed(error)
            verdict = CONTINUE
        self._calling = nested
        for path, before in zip(paths, outer, strict=True):
            path.current = before
        if self._ending is not None and not nested:
            self._end_recorded()
        return verdict

    def over(self, side: object) -> bool:
        """True when a direction must not run on: the stream ends, or is answered from here (request side)."""
        return self.finished or self._ending is not None or (side is REQUEST_SIDE and self.local_replied)

    def run_recorded(self) -> None:
        """Do what callbacks asked for meanwhile."""
        if self._ending is not None and not self._calling:
            self._end_recorded()
        while self._resumes and not self.finished and not self._calling:
            pending, self._resumes = self._resumes, None
            for path, slot in pending:
                path.resume(slot)

    def _end_recorded(self) -> None:
        """Carry out the recorded local reply or reset."""
        assert self._ending is not None
        kind, reply = self._ending
        self._ending = None
        if kind == "reset":
            self._reset_now(reply)
        else:
            self._reply_now(reply)

    def _filter_failed(self, error: Exception) -> None:
        """A filter raised: the stream ends with 500, others go on."""
        log.error("filter failed", exc_info=error)
        self.manager.plan.filter_failures.inc()
        self.send_local_reply(500, b"", details=FILTER_EXCEPTION)

    # ---- how a stream ends ----

    @abstractmethod
    def _reply_now(self, reply: LocalReply) -> None:
        """Send a local reply."""

    @abstractmethod
    def _reset_now(self, reply: LocalReply) -> None:
        """Reset the stream."""
