"""External processing: a gRPC server is told of a request and its response, and changes, answers or just watches them.

Source: Envoy, HTTP filter "External Processing" (statistics, details and messages observed on Envoy 1.40).
Holds what the processor has not answered yet: bodies up to the stream's buffer limits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.filters.http.ext_proc.exchange import ExchangeWithProcessor
from pyvoy.filters.http.ext_proc.plan import NAME, Bodies, ProcPlan, RoutePlan
from pyvoy.filters.http.ext_proc.side import Side, Wait
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, STOP_AND_WATERMARK, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context

_PACKAGE = "envoy.extensions.filters.http.ext_proc.v3."
TYPE = _PACKAGE + "ExternalProcessor"
ROUTE_TYPE = _PACKAGE + "ExtProcPerRoute"

supports(
    TYPE,
    "grpc_service failure_mode_allow processing_mode request_attributes response_attributes message_timeout "
    "stat_prefix mutation_rules max_message_timeout disable_clear_route_cache forward_rules allow_mode_override "
    "disable_immediate_response metadata_options observability_mode route_cache_action deferred_close_timeout "
    "send_body_without_waiting_for_header_response allowed_override_modes status_on_error",
    tuning="filter_metadata",
)
supports(
    _PACKAGE + "ProcessingMode",
    "request_header_mode response_header_mode request_body_mode response_body_mode request_trailer_mode "
    "response_trailer_mode",
)
supports(_PACKAGE + "HeaderForwardingRules", "allowed_headers disallowed_headers")
supports(_PACKAGE + "MetadataOptions", "forwarding_namespaces receiving_namespaces")
supports(_PACKAGE + "MetadataOptions.MetadataNamespaces", "untyped")
supports(ROUTE_TYPE, "disabled overrides")
supports(
    _PACKAGE + "ExtProcOverrides",
    "processing_mode grpc_service metadata_options grpc_initial_metadata failure_mode_allow",
)
supports("envoy.type.v3.HttpStatus", "code")


@http_filter(name=NAME, type_url=TYPE, route_type_url=ROUTE_TYPE, posture="robust_to_untrusted_downstream")
class ExtProc(HttpFilter):
    """One stream's exchange with its processor."""

    __slots__ = ("_exchange", "_plan")

    @staticmethod
    def build(message: Any, context: Context) -> ProcPlan:
        """The plan of an ExternalProcessor message."""
        from pyvoy.filters.http.ext_proc.configuring import processing_plan

        return processing_plan(message, context)

    @staticmethod
    def build_route(message: Any, context: Context) -> RoutePlan:
        """The plan of an ExtProcPerRoute message."""
        from pyvoy.filters.http.ext_proc.configuring import route_plan

        return route_plan(message, context)

    def __init__(self, plan: ProcPlan) -> None:
        self._plan = plan
        self._exchange: ExchangeWithProcessor | None = None

    def _on(self, stream: Stream) -> ExchangeWithProcessor:
        """The exchange; a local reply may begin it at the response."""
        exchange = self._exchange
        if exchange is None:
            plans = stream.route_plans(self)
            plan = self._plan.on_route(plans) if plans else self._plan
            exchange = self._exchange = ExchangeWithProcessor(plan, self, stream)
        return exchange

    # ---- events ----

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Tell the request's head."""
        exchange = self._on(stream)
        return self._headers(exchange, exchange.request, headers, end)

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Tell, gather or hold a piece of the request's body."""
        exchange = self._on(stream)
        if exchange.request.body_replaced:
            stream.replace_request_data(self, b"")
            return CONTINUE
        return self._data(exchange, exchange.request, data, end)

    def request_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """Tell the request's trailers."""
        exchange = self._on(stream)
        return self._trailers(exchange, exchange.request, trailers)

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Tell the response's head."""
        exchange = self._on(stream)
        side = exchange.response
        verdict = self._headers(exchange, side, headers, end)
        if side.tells_nothing:
            exchange.complete()
        return verdict

    def response_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Tell, gather or hold a piece of the response's body."""
        exchange = self._on(stream)
        if exchange.response.body_replaced:
            stream.replace_response_data(self, b"")
            return CONTINUE
        return self._data(exchange, exchange.response, data, end)

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """Tell the response's trailers."""
        exchange = self._on(stream)
        return self._trailers(exchange, exchange.response, trailers)

    def on_destroy(self, stream: Stream) -> None:
        """The stream is over: so is the exchange."""
        if self._exchange is not None:
            self._exchange.close()

    # ---- both directions ----

    @staticmethod
    def _headers(exchange: ExchangeWithProcessor, side: Side, headers: HeaderMap, end: bool) -> Verdict:
        if exchange.plan.observes and side.sends_headers:
            exchange.show_headers(side, headers, end)
            return CONTINUE
        side.complete = side.complete or end
        verdict = CONTINUE
        if side.sends_headers and not exchange.done:
            side.headers, side.no_body = headers, end
            exchange.send_headers(side, headers, end)
            side.paused = True
            verdict = STOP
        if not exchange.done and side.drops_length:
            headers.remove(b"content-length")
        return verdict

    def _data(self, exchange: ExchangeWithProcessor, side: Side, data: bytes, end: bool) -> Verdict:
        side.body_came = True
        if exchange.plan.observes:
            if side.body is Bodies.STREAMED:
                exchange.show_body(side, data, end)
            return CONTINUE
        side.complete = side.complete or end
        if exchange.done:
            return CONTINUE
        body = side.body
        eager = body is Bodies.FULL_DUPLEX_STREAMED or (body is Bodies.STREAMED and exchange.plan.eager_body)
        if side.wait is Wait.HEADERS and not eager:
            side.paused = True
            return STOP_AND_BUFFER if body is Bodies.BUFFERED else STOP_AND_WATERMARK
        if body is Bodies.BUFFERED:
            if end:
                exchange.send_body(side, side.buffered() + data, True, Wait.BUFFERED_BODY)
            side.paused = True
            return STOP_AND_BUFFER
        if body is Bodies.BUFFERED_PARTIAL:
            return self._partial_data(exchange, side, data, end)
        if body is Bodies.NONE:
            return CONTINUE
        return self._streamed_data(exchange, side, data, end)

    @staticmethod
    def _streamed_data(exchange: ExchangeWithProcessor, side: Side, data: bytes, end: bool) -> Verdict:
        if side.body is Bodies.STREAMED:
            side.enqueue(data, end)
        waits = side.wait is Wait.HEADERS
        exchange.send_body(side, data, end, Wait.HEADERS if waits else Wait.STREAMED_BODY)
        if end or waits:
            side.paused = True
        return STOP

    @staticmethod
    def _partial_data(exchange: ExchangeWithProcessor, side: Side, data: bytes, end: bool) -> Verdict:
        if side.partial_done:
            side.headers = None
            return CONTINUE
        side.enqueue(data, end)
        side.paused = True
        if side.wait is not Wait.PARTIAL_BODY and (end or side.queue_is_full):
            whole, ended = side.gathered()
            exchange.send_body(side, whole, ended, Wait.PARTIAL_BODY)
        return STOP

    @staticmethod
    def _trailers(exchange: ExchangeWithProcessor, side: Side, trailers: HeaderMap) -> Verdict:
        if exchange.done:
            return CONTINUE
        if exchange.plan.observes:
            if side.sends_trailers:
                exchange.show_trailers(side, trailers)
            return CONTINUE
        whole, side.complete = side.complete, True
        side.trailers = trailers
        if side.wait is not Wait.NOTHING and side.body is not Bodies.FULL_DUPLEX_STREAMED:
            side.paused = True
            return STOP
        if not whole and side.body is Bodies.BUFFERED and side.buffered():
            exchange.send_body(side, side.buffered(), False, Wait.BUFFERED_BODY)
        elif not whole and side.body is Bodies.BUFFERED_PARTIAL and not side.is_empty:
            exchange.send_body(side, side.gathered()[0], False, Wait.PARTIAL_BODY)
        elif side.sends_trailers:
            exchange.send_trailers(side, trailers)
        else:
            return CONTINUE
        side.paused = True
        return STOP


_: type[HttpFilter] = ExtProc
