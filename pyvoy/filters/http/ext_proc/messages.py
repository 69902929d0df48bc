"""ProcessingRequest messages: what a processor is told of a stream.

Source: Envoy's ext_proc filter (fields and their order of appearance observed on Envoy 1.40).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.filters.http.ext_proc.mutations import forwarded
from pyvoy.filters.http.ext_proc.plan import NAME, ProcPlan

if TYPE_CHECKING:
    from pyvoy.filters.http.ext_proc.side import Side
    from pyvoy.http.headers import HeaderMap
    from pyvoy.http.http_filter import Stream

SERVICE = "envoy.service.ext_proc.v3.ExternalProcessor"
METHOD = "Process"


def new_request(plan: ProcPlan, side: Side, stream: Stream) -> Any:
    """A message with attributes, if they have not been told yet, and metadata."""
    from envoy.service.ext_proc.v3 import external_processor_pb2

    request = external_processor_pb2.ProcessingRequest()
    if plan.observes:
        request.observability_mode = True
    if side.attributes and not side.attributes_told:
        side.attributes_told = True
        _fill_attributes(request.attributes[NAME], side, stream)
    request.metadata_context.SetInParent()
    metadata = stream.info.dynamic_metadata
    for namespace in plan.forwarding:
        if namespace in metadata:
            request.metadata_context.filter_metadata[namespace].update(metadata[namespace])
    return request


def _fill_attributes(struct: Any, side: Side, stream: Stream) -> None:
    struct.SetInParent()
    for name, get in side.attributes:
        value = get(stream)
        if isinstance(value, bytes):
            value = value.decode("utf-8", "replace")
        if isinstance(value, str | int | float):
            struct[name] = value


def fill_protocol(request: Any, plan: ProcPlan, request_side: Side, response_side: Side) -> None:
    """The modes in force, for the first message."""
    config = request.protocol_config
    config.SetInParent()
    config.request_body_mode = request_side.body
    config.response_body_mode = response_side.body
    config.send_body_without_waiting_for_header_response = plan.eager_body


def fill_headers(request: Any, plan: ProcPlan, side: Side, headers: HeaderMap, end: bool) -> None:
    """A head."""
    message = request.request_headers if side.is_request else request.response_headers
    message.headers.SetInParent()
    forwarded(headers, message.headers, plan.allows_header, plan.refuses_header)
    message.end_of_stream = end


def fill_body(request: Any, side: Side, data: bytes, end: bool) -> None:
    """A piece of the body."""
    message = request.request_body if side.is_request else request.response_body
    message.SetInParent()
    message.body = data
    message.end_of_stream = end


def fill_trailers(request: Any, plan: ProcPlan, side: Side, trailers: HeaderMap) -> None:
    """Trailers."""
    message = request.request_trailers if side.is_request else request.response_trailers
    message.trailers.SetInParent()
    forwarded(trailers, message.trailers, plan.allows_header, plan.refuses_header)
