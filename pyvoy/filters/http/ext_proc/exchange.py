"""The exchange of one stream with its processor: the gRPC call, the time-outs, and what becomes of each answer.

Source: Envoy's ext_proc Filter (order of checks, statistics and details observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.grpc_call import GrpcStatus
from pyvoy.extensions.http_call import CallRefused
from pyvoy.filters.http.ext_proc import messages
from pyvoy.filters.http.ext_proc.plan import Bodies, Mode, ProcPlan, RouteCache
from pyvoy.filters.http.ext_proc.side import Rejected, Side, Spurious, Wait
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.extensions.grpc_stream import GrpcCallStream, GrpcEnd
    from pyvoy.http.http_filter import HttpFilter, Stream

TIMED_OUT = "ext_proc_error_per-message_timeout_exceeded"
UNHANDLED = "unhandled message"
NO_IMMEDIATE = "unhandled immediate response due to config disabled it"
_LOWEST_STATUS = 200


class ExchangeWithProcessor:
    """One exchange; implements `Exchange` and `GrpcEvents`.  `done`: the processor has no more say."""

    __slots__ = ("_call", "_protocol_told", "_stream", "done", "plan", "request", "response")

    def __init__(self, plan: ProcPlan, filter_: HttpFilter, stream: Stream) -> None:
        self.plan = plan
        self.done = False
        self.request = Side(self, filter_, stream, is_request=True)
        self.response = Side(self, filter_, stream, is_request=False)
        self._stream: Stream | None = stream
        self._call: GrpcCallStream | None = None
        self._protocol_told = plan.observes

    # ---- to the processor ----

    def send_headers(self, side: Side, headers: HeaderMap, end: bool) -> None:
        """Tell a head, and wait."""
        self._send(side, lambda request: messages.fill_headers(request, self.plan, side, headers, end), Wait.HEADERS)

    def send_body(self, side: Side, data: bytes, end: bool, wait: Wait) -> None:
        """Tell a piece of a body, and wait."""
        self._send(side, lambda request: messages.fill_body(request, side, data, end), wait)

    def send_trailers(self, side: Side, trailers: HeaderMap) -> None:
        """Tell trailers once, and wait for what was waited for, or for them."""
        if not side.trailers_told:
            side.trailers_told = True
            wait = Wait.TRAILERS if side.wait is Wait.NOTHING else side.wait
            self._send(side, lambda request: messages.fill_trailers(request, self.plan, side, trailers), wait)

    def show_headers(self, side: Side, headers: HeaderMap, end: bool) -> None:
        """Tell a head to a processor that only watches."""
        self._send(side, lambda request: messages.fill_headers(request, self.plan, side, headers, end), None)

    def show_body(self, side: Side, data: bytes, end: bool) -> None:
        """The same for a piece of a body."""
        self._send(side, lambda request: messages.fill_body(request, side, data, end), None)

    def show_trailers(self, side: Side, trailers: HeaderMap) -> None:
        """The same for trailers."""
        self._send(side, lambda request: messages.fill_trailers(request, self.plan, side, trailers), None)

    def _send(self, side: Side, fill: Callable[[Any], None], wait: Wait | None) -> None:
        stream = self._stream
        if stream is None or self.done:
            return
        call = self._call or self._open()
        request = messages.new_request(self.plan, side, stream)
        fill(request)
        if not self._protocol_told:
            self._protocol_told = True
            messages.fill_protocol(request, self.plan, self.request, self.response)
        if wait is not None:
            side.wait = wait
            side.extended = False
            self._arm(side, self.plan.message_timeout_s)
        if call is not None:
            call.send(request.SerializeToString())
            self._count("stream_msgs_sent")

    def _open(self) -> GrpcCallStream | None:
        """Begin the call; None when it has failed, which is dealt with as soon as the running callback is over."""
        server = self.plan.server
        try:
            call = server.host.grpc_stream(
                server.cluster,
                messages.SERVICE,
                messages.METHOD,
                self,
                metadata=HeaderMap(server.metadata),
                authority=server.authority,
            )
        except CallRefused as error:
            services = self._services()
            services.loop.call_soon(self._failed, GrpcStatus.UNAVAILABLE, str(error))
            return None
        self._call = call
        if call.failed_at_once:
            return None
        self._count("streams_started")
        return call

    def _services(self) -> Any:
        assert self._stream is not None
        return self._stream.services

    def _count(self, name: str) -> None:
        self.plan.counters[name].inc()

    def _arm(self, side: Side, seconds: float) -> None:
        if side.timer is not None:
            side.timer.cancel()
        side.timer = self._services().timers.call_later(seconds, self._timed_out)

    # ---- from the processor: GrpcEvents ----

    def on_initial_metadata(self, metadata: HeaderMap) -> None:
        """Says nothing here."""

    def on_trailing_metadata(self, metadata: HeaderMap) -> None:
        """Says nothing here."""

    def on_writable(self) -> None:
        """What waits is kept by the call."""

    def on_message(self, message: bytes) -> None:
        """An answer."""
        from envoy.service.ext_proc.v3 import external_processor_pb2
        from google.protobuf.message import DecodeError

        if self.plan.observes or self.done or self._stream is None:
            return
        try:
            response = external_processor_pb2.ProcessingResponse.FromString(message)
        except DecodeError:
            self._hang_up(counts=False)
            self._failed(GrpcStatus.INTERNAL, "")
            return
        if response.HasField("override_message_timeout"):
            self._extend(response.override_message_timeout.ToNanoseconds() / 1e9)
            return
        self._override_mode(response)
        last = self._ends_body(response)
        try:
            self._take(response)
        except Spurious as error:
            self._spurious(str(error))
        except Rejected as error:
            self._count("stream_msgs_received")
            self._refuse(str(error))
        else:
            self._count("stream_msgs_received")
        if not self.done and self._is_last(response, last):
            self.complete()

    def on_end(self, end: GrpcEnd) -> None:
        """The processor has hung up."""
        self._call = None
        if end.status is GrpcStatus.OK:
            self._count("server_half_closed")
            if not self.done:
                self._let_go()
                self._count("streams_closed")
            return
        details = f"{{{end.code_details}}}" if end.code_details else ""
        said = end.message if end.failure is not None or end.wire_message else ""
        self._failed(end.status, f"{said}{details}")

    # ---- answers ----

    def _take(self, response: Any) -> None:
        kind = response.WhichOneof("response")
        if kind == "immediate_response":
            if not self.plan.immediate_allowed:
                raise Spurious(NO_IMMEDIATE)
            self._keep_metadata(response)
            self.done = True
            self._finish()
            self._hang_up()
            self._reply_with(response.immediate_response)
            return
        if kind is None:
            raise Spurious(UNHANDLED)
        self._keep_metadata(response)
        side = self.request if kind.startswith("request_") else self.response
        answer = getattr(response, kind)
        if kind.endswith("_headers"):
            side.on_headers(answer.response)
        elif kind.endswith("_body"):
            side.on_body(answer.response)
        elif kind.endswith("_trailers"):
            side.on_trailers(answer)
        else:
            raise Spurious(UNHANDLED)

    def _override_mode(self, response: Any) -> None:
        """Follow a `mode_override` while an answer to a head is awaited."""
        from pyvoy.filters.http.ext_proc.configuring import read_mode

        plan = self.plan
        waits = Wait.HEADERS in (self.request.wait, self.response.wait)
        if not (plan.override_allowed and waits and response.HasField("mode_override")):
            return
        if plan.eager_body or plan.mode.is_duplex:
            return
        told = read_mode(response.mode_override)
        if told is None:
            return
        mode: Mode = plan.mode.overridden(told)
        if not plan.override_modes or mode.without_request_headers() in plan.override_modes:
            self.request.follow(mode)
            self.response.follow(mode)

    def _extend(self, seconds: float) -> None:
        """Give the processor more time for what it is asked, once for each answer."""
        if 0.001 <= seconds <= self.plan.longest_timeout_s:
            for side in (self.request, self.response):
                if side.timer is not None and not side.extended:
                    self._arm(side, seconds)
                    side.extended = True
                    self._count("override_message_timeout_received")
                    return
        self._count("override_message_timeout_ignored")

    def _keep_metadata(self, response: Any) -> None:
        if not (self.plan.receiving and response.HasField("dynamic_metadata")) or self._stream is None:
            return
        from pyvoy.filters.common.metadata import plain_struct

        known = self._stream.info.dynamic_metadata
        for namespace, values in plain_struct(response.dynamic_metadata).items():
            if namespace in self.plan.receiving and isinstance(values, dict):
                known.setdefault(namespace, {}).update(values)

    def forget_route(self, common: Any) -> None:
        """What a CommonResponse means for the chosen route; after the request only the counters hear of it."""
        asked = common.clear_route_cache
        action = self.plan.route_cache
        if not common.HasField("header_mutation"):
            if asked:
                self._count("clear_route_cache_ignored")
        elif action is RouteCache.RETAIN:
            if asked:
                self._count("clear_route_cache_disabled")
        elif (asked or action is RouteCache.CLEAR) and self._stream is not None:
            self._stream.clear_route_cache()

    def _ends_body(self, response: Any) -> bool:
        """Whether this answers the last piece of a streamed body."""
        kind = response.WhichOneof("response")
        if kind not in ("request_body", "response_body"):
            return False
        side = self.request if kind == "request_body" else self.response
        if side.body is Bodies.STREAMED:
            return side.last_piece_is_next
        if side.body is Bodies.FULL_DUPLEX_STREAMED:
            mutation = getattr(response, kind).response.body_mutation
            return bool(mutation.streamed_response.end_of_stream)
        return False

    def _is_last(self, response: Any, ends_body: bool) -> bool:
        """Whether the processor has nothing more to see after this answer."""
        kind = response.WhichOneof("response") or ""
        side = self.request if kind.startswith("request_") else self.response
        if side is self.request and not self.response.tells_nothing:
            return False
        if kind.endswith("_headers"):
            return side.no_body or (side.body is Bodies.NONE and not side.sends_trailers)
        return ends_body or kind.endswith("_trailers")

    # ---- ends ----

    def _finish(self) -> None:
        self.request.finish()
        self.response.finish()

    def _hang_up(self, *, counts: bool = True) -> None:
        call, self._call = self._call, None
        if call is not None and not call.done:
            call.cancel()
            if counts:
                self._count("streams_closed")

    def complete(self) -> None:
        """The processor has nothing more to see."""
        self.done = True
        self._hang_up()

    def _let_go(self) -> None:
        """The stream goes on without the processor."""
        self.done = True
        self.request.give_up()
        self.response.give_up()

    def _fails_open(self) -> bool:
        for side in (self.request, self.response):
            if side.body is Bodies.FULL_DUPLEX_STREAMED and side.body_came:
                return False
        return self.plan.fails_open

    def _spurious(self, text: str) -> None:
        self._count("spurious_msgs_received")
        if self._fails_open():
            self._count("failure_mode_allowed")
            self._hang_up()
            self._let_go()
        else:
            self._refuse(text)

    def _refuse(self, text: str) -> None:
        self.done = True
        self._finish()
        self._hang_up()
        self._reply(self.plan.error_status, text)

    def _failed(self, status: GrpcStatus, text: str) -> None:
        self._count("streams_failed")
        self._count("server_half_closed")
        if self.done or self._stream is None:
            return
        if self._fails_open():
            self._count("server_half_closed")
            self._count("streams_closed")
            self._count("failure_mode_allowed")
            self._let_go()
            return
        self.done = True
        self._finish()
        inner = text if text.startswith("{") else f"{{{text}}}"
        self._reply(self.plan.error_status, f"ext_proc_error_gRPC_error_{status.value}{inner}")

    def _timed_out(self) -> None:
        if self._stream is None:
            return
        self._count("message_timeouts")
        self._hang_up()
        if self._fails_open():
            self._count("failure_mode_allowed")
            self._let_go()
            return
        self.done = True
        self._finish()
        self._reply(504, TIMED_OUT)

    def _reply(self, status: int, details: str, body: bytes = b"", **more: Any) -> None:
        self._count("immediate_responses_sent")
        if self._stream is not None:
            self._stream.send_local_reply(status, body, details="_".join(details.split()), **more)

    def _reply_with(self, answer: Any) -> None:
        """Answer the client in the processor's words."""
        status = answer.status.code if answer.HasField("status") else _LOWEST_STATUS
        status = max(status, _LOWEST_STATUS)
        headers = HeaderMap([(b":status", b"%d" % status)])
        if answer.HasField("headers"):
            self.plan.changes.apply(answer.headers, headers)
        pairs = tuple((name, value) for name, value in headers.items() if name != b":status")
        grpc_status = answer.grpc_status.status if answer.HasField("grpc_status") else None
        self._reply(status, answer.details, bytes(answer.body), headers=pairs, grpc_status=grpc_status)

    def close(self) -> None:
        """The stream is over.  A processor that watches gets some time to read what it was told."""
        services = self._services()
        self.done = True
        self._stream = None
        self.request.close()
        self.response.close()
        if not self.plan.observes:
            self._hang_up()
        elif self._call is not None:
            services.timers.call_later(self.plan.deferred_close_s, self._hang_up)
