"""Tracing messages of connection managers and routes -> what the slots of the filter chain need.

Source: Envoy's TracingConnectionManagerConfig, RouteTracingImpl, DecoratorImpl and CustomTagUtility.
"""

from __future__ import annotations

import os
from typing import Any

from pyvoy.config.compile.fractions import fraction_of
from pyvoy.config.compile.substitution_format import text_formatter
from pyvoy.config.compile.tracers import TRACER
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.request_id import TraceReason
from pyvoy.observe.access_log.operators_state import METADATA_KINDS
from pyvoy.tracing.decision import Decider, Sampling
from pyvoy.tracing.slots import Naming, RouteTracing, TracingPlan
from pyvoy.tracing.span import Kind
from pyvoy.tracing.tags import TagReader, text

_HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_TAG = "envoy.type.tracing.v3.CustomTag"
_KEY = "envoy.type.metadata.v3."
_OUTBOUND = 2
_SAMPLINGS = ("client_sampling", "random_sampling", "overall_sampling")
_ALL = (100, 100)
_MAX_PATH_BYTES = 256
_COUNTERS = {
    TraceReason.SAMPLED: "random_sampling",
    TraceReason.SERVICE_FORCED: "service_forced",
    TraceReason.CLIENT_FORCED: "client_enabled",
    TraceReason.NOT_TRACEABLE: "not_traceable",
}
_KINDS = {"request": "DYNAMIC", "route": "ROUTE", "cluster": "CLUSTER", "host": "UPSTREAM_HOST"}

supports(
    _HCM + ".Tracing",
    "client_sampling random_sampling overall_sampling verbose max_path_tag_length custom_tags provider "
    "spawn_upstream_span operation upstream_operation",
)
supports(
    "envoy.config.route.v3.Tracing",
    "client_sampling random_sampling overall_sampling custom_tags operation upstream_operation",
)
supports("envoy.config.route.v3.Decorator", "operation propagate")
supports(_TAG, "tag literal environment request_header metadata value")
supports(_TAG + ".Literal", "value")
supports(_TAG + ".Environment", "name default_value")
supports(_TAG + ".Header", "name default_value")
supports(_TAG + ".Metadata", "kind metadata_key default_value")
supports(_KEY + "MetadataKey", "key path")
supports(_KEY + "MetadataKey.PathSegment", "key")
supports(_KEY + "MetadataKind", "request route cluster host")
for _kind in ("Request", "Route", "Cluster", "Host"):
    supports(f"{_KEY}MetadataKind.{_kind}")


def tracing_plan(message: Any, context: Context, *, packs_reason: bool) -> TracingPlan:
    """The plan of a connection manager's Tracing message; `context` stands at it, in the scope `http.<prefix>`."""
    counters = {reason: context.scope.counter(f"tracing.{name}") for reason, name in _COUNTERS.items()}
    node = context.node
    egress = context.direction == _OUTBOUND
    spans_calls = context.wrapped(message, "spawn_upstream_span", False)
    tracer = context.extension(TRACER, message.provider, "provider") if message.HasField("provider") else None
    return TracingPlan(
        decider=Decider(_sampling(message), packs_reason, context.runtime, context.random, counters),
        tracer=tracer,
        egress=egress,
        spans_calls=spans_calls,
        kind=Kind.CLIENT if egress and not spans_calls else Kind.SERVER,
        verbose=message.verbose,
        max_path_bytes=context.wrapped(message, "max_path_tag_length", _MAX_PATH_BYTES),
        tags=_tags(message, context),
        operation=_naming(message, "operation", context),
        upstream_operation=_naming(message, "upstream_operation", context),
        node_id=node.id if node else "",
        zone=node.locality.zone if node else "",
    )


def route_tracing(message: Any, context: Context) -> RouteTracing | None:
    """What a Route message says of tracing; `context` stands at it.  None when it says nothing."""
    if not message.HasField("tracing") and not message.HasField("decorator"):
        return None
    own, place = message.tracing, context.at("tracing")
    decorator = message.decorator
    return RouteTracing(
        sampling=Sampling(*(fraction_of(own, field, place) or _ALL for field in _SAMPLINGS))
        if message.HasField("tracing")
        else None,
        tags=_tags(own, place),
        operation=_naming(own, "operation", place),
        upstream_operation=_naming(own, "upstream_operation", place),
        decorator=decorator.operation.encode(),
        propagates=context.at("decorator").wrapped(decorator, "propagate", True),
    )


def _sampling(message: Any) -> Sampling:
    """The percentages, as whole numbers of what each is counted in."""
    shares = {field: getattr(message, field).value if message.HasField(field) else 100.0 for field in _SAMPLINGS}
    return Sampling(
        (int(shares["client_sampling"]), 100),
        (int(shares["random_sampling"] * 100), 10_000),
        (int(shares["overall_sampling"] * 100), 10_000),
    )


def _naming(message: Any, field: str, context: Context) -> Naming | None:
    format_text = getattr(message, field)
    return text_formatter(format_text, context, field) if format_text else None


def _tags(message: Any, context: Context) -> dict[str, TagReader]:
    return {tag.tag: _tag(tag, context.at("custom_tags", index)) for index, tag in enumerate(message.custom_tags)}


def _tag(message: Any, context: Context) -> TagReader:
    """What reads the value of a CustomTag."""
    kind = message.WhichOneof("type")
    if kind == "literal":
        return _constant(message.literal.value)
    if kind == "environment":
        return _constant(os.environ.get(message.environment.name, message.environment.default_value))
    if kind == "request_header":
        name, default = message.request_header.name.lower().encode(), message.request_header.default_value
        return lambda stream: text(stream.request_headers.map.get(name)) or default
    if kind == "metadata":
        return _metadata_tag(message.metadata)
    if kind == "value":
        read = text_formatter(message.value, context, "value", missing=b"")
        return lambda stream: text(read(stream))
    context.error("", "needs a type")
    return _constant("")


def _constant(value: str) -> TagReader:
    return lambda _: value


def _metadata_tag(message: Any) -> TagReader:
    import json

    of = METADATA_KINDS[_KINDS[message.kind.WhichOneof("kind") or "request"]]
    path = [message.metadata_key.key, *(segment.key for segment in message.metadata_key.path)]
    default = str(message.default_value)

    def read(stream: Any) -> str:
        value = of(stream)
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is None:
            return default
        return str(value) if isinstance(value, str) else str(json.dumps(value, separators=(",", ":")))

    return read
