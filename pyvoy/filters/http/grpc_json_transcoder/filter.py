"""gRPC-JSON transcoder: clients speak REST with JSON, the upstream speaks gRPC.

A request that fits a google.api.http rule of a listed service becomes a call of the method; others pass as they are,
or are refused.  What a message is translated from and to lies in the files beside this one.
Holds a unary response until it is whole, a streamed one a message at a time, of a request what is no whole message yet.
Source: Envoy, HTTP filter "gRPC-JSON transcoder" (behaviour, texts and details observed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.filters.http.grpc_json_transcoder.answer import Answer
from pyvoy.filters.http.grpc_json_transcoder.errors import TranscodingError
from pyvoy.filters.http.grpc_json_transcoder.http_body import HttpBodyRequest
from pyvoy.filters.http.grpc_json_transcoder.plan import NOT_FOUND, Call, Gauges, Refusal, TranscoderPlan
from pyvoy.filters.http.grpc_json_transcoder.request_translation import Body, ManyMessages, OneMessage
from pyvoy.http.grpc import GRPC, is_grpc_request, is_grpc_response
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, HttpFilter, Stream, Verdict
from pyvoy.observe.details import VIA_UPSTREAM

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.filters.http.grpc_json_transcoder.v3.GrpcJsonTranscoder"

supports(
    TYPE,
    "proto_descriptor proto_descriptor_bin services print_options match_incoming_request_route"
    " ignored_query_parameters auto_mapping ignore_unknown_query_parameters convert_grpc_status url_unescape_spec"
    " query_param_unescape_plus match_unregistered_custom_verb request_validation_options"
    " case_insensitive_enum_parsing max_request_body_size max_response_body_size capture_unknown_query_parameters",
)
supports(
    f"{TYPE}.PrintOptions",
    "add_whitespace always_print_primitive_fields always_print_enums_as_ints preserve_proto_field_names"
    " stream_newline_delimited stream_sse_style_delimited",
)
supports(
    f"{TYPE}.RequestValidationOptions",
    "reject_unknown_method reject_unknown_query_parameters reject_binding_body_field_collisions",
)

_JSON_LIMIT_BYTES = 16 << 20
"""How long a JSON message of a request may be where the configuration does not say.  Envoy, which then looks at each
piece of it alone, has no limit; a value of JSON takes some ten times its text here."""

_EARLY = "early_grpc_json_transcode_failure"
_LATE = "grpc_json_transcode_failure"
_REQUEST_TOO_LARGE = b"Request rejected because the transcoder's internal buffer size exceeds the configured limit."


@http_filter(
    name="envoy.filters.http.grpc_json_transcoder",
    type_url=TYPE,
    route_type_url=TYPE,
    posture="robust_to_untrusted_downstream",
)
class GrpcJsonTranscoder(HttpFilter):
    """One per stream; `_call` is None for a request that passes as it is.

    `_unread_bytes` counts what has come of a JSON message that is not whole yet: it is held, as values."""

    __slots__ = ("_answer", "_body", "_call", "_failed", "_gauges", "_plan", "_raw", "_unread_bytes")

    @staticmethod
    def build(message: Any, context: Context) -> TranscoderPlan:
        """The plan of a GrpcJsonTranscoder message."""
        from pyvoy.config.compile import transcoder

        scope = context.scope
        gauges = Gauges(scope.gauge("transcoder_request_buffer_bytes"), scope.gauge("transcoder_response_buffer_bytes"))
        return replace(transcoder.plan(message, context), gauges=gauges)

    @staticmethod
    def build_route(message: Any, context: Context) -> TranscoderPlan:
        """The plan of a route; what is held is counted by the filter's own gauges."""
        from pyvoy.config.compile import transcoder

        return transcoder.plan(message, context)

    def __init__(self, plan: TranscoderPlan) -> None:
        self._plan = plan
        self._gauges = plan.gauges
        self._call: Call | None = None
        self._failed = False
        self._unread_bytes = 0
        self._body: OneMessage | ManyMessages | None = None
        self._raw: HttpBodyRequest | None = None
        self._answer: Answer | None = None

    # ---- request ----

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """A request that fits a rule becomes a call."""
        plan: TranscoderPlan = stream.route_plan(self) or self._plan
        self._plan = plan
        if plan.matcher is None or is_grpc_request(headers):
            return CONTINUE
        values = headers.map
        call = plan.find(values.get(b":method", b""), values.get(b":path", b""))
        if type(call) is Refusal:
            return self._refuse(stream, call)
        assert type(call) is Call
        self._call = call
        stream.answers_grpc = False
        _expand_limits(stream, plan)
        try:
            self._begin(call, values.get(b"content-type", b""))
            _rewrite(headers, call.method.path)
            if not plan.keep_route:
                stream.clear_route_cache()
            if end and (messages := self._last()):
                stream.add_request_data(self, messages)
        except TranscodingError as error:
            return self._fail(stream, error, _LATE if call.method.raw_request else _EARLY)
        return CONTINUE

    def _refuse(self, stream: Stream, refusal: Refusal) -> Verdict:
        plan = self._plan
        if not (plan.reject_unknown_method if refusal.code == NOT_FOUND else plan.reject_unknown_query):
            return CONTINUE
        self._failed = True
        status = 404 if refusal.code == NOT_FOUND else 400
        text = refusal.text.encode("utf-8", "surrogateescape")
        stream.send_local_reply(status, text, details=f"{_EARLY}{{{refusal.code}}}")
        return STOP

    def _begin(self, call: Call, content_type: bytes) -> None:
        """Make what translates the body.  Raises TranscodingError."""
        plan, method = self._plan, call.method
        assert plan.writer is not None
        body = Body(plan.writer, method.request, call.body, call.bindings, plan.reject_collisions)
        if method.raw_request:
            fields = body.write(())[5:]
            self._raw = HttpBodyRequest(method.raw_request_path, fields, content_type, call.unknown)
        else:
            self._body = ManyMessages(body) if method.client_streaming else OneMessage(body)

    def _last(self) -> bytes:
        """What the end of the request completes.  Raises TranscodingError."""
        if self._raw is not None:
            self._count_request(-self._raw.held_bytes)
            return self._raw.message()
        assert self._body is not None
        return self._body.finish()

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Hand on the messages that are complete."""
        call = self._call
        if call is None:
            return CONTINUE
        if self._failed:
            return STOP
        try:
            if self._raw is not None:
                return self._raw_data(stream, self._raw, data, end)
            self._unread_bytes += len(data)
            if self._too_large(stream, self._unread_bytes, _JSON_LIMIT_BYTES):
                return STOP
            assert self._body is not None
            messages = self._body.feed(data)
            if messages:
                self._unread_bytes = 0
            if end:
                messages += self._body.finish()
        except TranscodingError as error:
            return self._fail(stream, error, _LATE)
        stream.replace_request_data(self, messages)
        return CONTINUE

    def _raw_data(self, stream: Stream, raw: HttpBodyRequest, data: bytes, end: bool) -> Verdict:
        """A piece of an HttpBody: streams go on at once, others when they are whole."""
        assert self._call is not None
        raw.hold(data)
        if self._call.method.client_streaming:
            stream.replace_request_data(self, raw.messages())
            return CONTINUE
        self._count_request(len(data))
        if self._too_large(stream, raw.held_bytes, stream.request_buffer_limit_bytes):
            return STOP
        stream.replace_request_data(self, self._last() if end else b"")
        return CONTINUE

    def _too_large(self, stream: Stream, size_bytes: int, unless_said_bytes: int) -> bool:
        limit_bytes = self._plan.request_limit_bytes
        if size_bytes <= (unless_said_bytes if limit_bytes is None else limit_bytes):
            return False
        self._failed = True
        stream.send_local_reply(413, _REQUEST_TOO_LARGE, details=f"{_LATE}{{request_buffer_size_limit_reached}}")
        return True

    def request_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The end of the body."""
        if self._call is None or self._failed:
            return CONTINUE
        try:
            messages = self._last()
        except TranscodingError:
            return CONTINUE  # as in Envoy: the upstream is left to miss the message
        if messages:
            stream.add_request_data(self, messages)
        return CONTINUE

    def _fail(self, stream: Stream, error: TranscodingError, where: str) -> Verdict:
        self._failed = True
        text = str(error).encode("utf-8", "surrogateescape")
        stream.send_local_reply(error.status, text, details=f"{where}{{{error.code}}}")
        return STOP

    # ---- response ----

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """An answer of gRPC becomes one of JSON; another passes as it is."""
        if self._call is None or self._failed:
            return CONTINUE
        self._drop_answer()
        if not is_grpc_response(headers, end):
            return CONTINUE
        self._answer = answer = Answer(self._plan, self._call.method, headers)
        answer.set_content_type(end)
        if end:
            return self._finish(stream, answer, headers)
        return STOP if answer.held else CONTINUE

    def response_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """JSON of the messages that are complete; a unary answer is kept until its status is known."""
        answer = self._answer
        if answer is None or self._failed:
            return CONTINUE
        limit = self._plan.response_limit_bytes
        before = answer.held_bytes
        try:
            if answer.raw:
                return self._raw_answer(stream, answer, data, end)
            out = answer.feed(data, stream.response_buffer_limit_bytes if limit is None else limit)
            if end:
                out += answer.end()
        except TranscodingError as error:
            return self._fail(stream, error, _LATE)
        finally:
            self._count_held(answer.held_bytes - before)
        if answer.held and not end:
            return STOP
        stream.replace_response_data(self, out)
        return CONTINUE

    def _raw_answer(self, stream: Stream, answer: Answer, data: bytes, end: bool) -> Verdict:
        """A piece of an HttpBody; the chain keeps what must wait."""
        try:
            stream.replace_response_data(self, answer.feed_raw(data))
        except TranscodingError:
            self._failed = True
            stream.reset(VIA_UPSTREAM)
            return STOP
        return STOP_AND_BUFFER if answer.held and not end else CONTINUE

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The status goes into the head, if that has not gone."""
        if self._answer is None or self._failed:
            return CONTINUE
        return self._finish(stream, self._answer, trailers)

    def _finish(self, stream: Stream, answer: Answer, fields: HeaderMap) -> Verdict:
        before = answer.held_bytes
        http1 = stream.info.protocol.startswith("HTTP/1")
        buffered = len(stream.response_body(self)) if answer.raw and answer.held else 0
        try:
            text = answer.finish(fields, http1, buffered)
        except TranscodingError as error:
            return self._fail(stream, error, _LATE)
        finally:
            self._count_held(answer.held_bytes - before)
        if text:
            stream.add_response_data(self, text)
        return CONTINUE

    def _drop_answer(self) -> None:
        """The stream ends, or the proxy answers in place of an upstream that had begun to."""
        if self._answer is not None:
            self._count_held(-self._answer.held_bytes)
            self._answer = None

    def _count_held(self, change_bytes: int) -> None:
        if change_bytes and self._gauges is not None:
            self._gauges.response.add(change_bytes)

    def _count_request(self, change_bytes: int) -> None:
        if change_bytes and self._gauges is not None:
            self._gauges.request.add(change_bytes)

    def on_destroy(self, stream: Stream) -> None:
        """What is still held is held no more."""
        if self._call is None:
            return
        self._drop_answer()
        if self._raw is not None:
            self._count_request(-self._raw.held_bytes)


def _rewrite(headers: HeaderMap, path: bytes) -> None:
    """The head of a gRPC call in place of the client's."""
    values = headers.map
    headers.remove(b"content-length")
    headers.set(b"content-type", GRPC)
    headers.set(b"x-envoy-original-path", values[b":path"])
    headers.add(b"x-envoy-original-method", values[b":method"])
    headers.set(b":path", path)
    headers.set(b":method", b"POST")
    headers.set(b"te", b"trailers")


def _expand_limits(stream: Stream, plan: TranscoderPlan) -> None:
    """Bodies may be as long as the configuration says, where the stream's buffers would be too small for them."""
    if (plan.request_limit_bytes or 0) > stream.request_buffer_limit_bytes:
        stream.set_request_buffer_limit(plan.request_limit_bytes or 0)
    if (plan.response_limit_bytes or 0) > stream.response_buffer_limit_bytes:
        stream.set_response_buffer_limit(plan.response_limit_bytes or 0)


_: type[HttpFilter] = GrpcJsonTranscoder
