"""AccessLogFilter -> predicate over a stream.

Source: Envoy's FilterFactory; the predicates themselves are in pyvoy.observe.access_log.filters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyvoy.config.compile.fractions import fraction_of
from pyvoy.config.compile.matchers import always, header_matcher
from pyvoy.config.compile.value_matchers import metadata_matcher
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.observe.access_log import filters
from pyvoy.observe.access_log.filters import Comparison, Filter
from pyvoy.observe.details import FLAGS_BY_SHORT_NAME

_PREFIX = "envoy.config.accesslog.v3."
supports(
    _PREFIX + "AccessLogFilter",
    "status_code_filter duration_filter not_health_check_filter traceable_filter runtime_filter and_filter or_filter "
    "header_filter response_flag_filter grpc_status_filter metadata_filter log_type_filter",
)
supports(_PREFIX + "StatusCodeFilter", "comparison")
supports(_PREFIX + "DurationFilter", "comparison")
supports(_PREFIX + "ComparisonFilter", "op value")
supports(_PREFIX + "NotHealthCheckFilter")
supports(_PREFIX + "TraceableFilter")
supports(_PREFIX + "RuntimeFilter", "runtime_key percent_sampled use_independent_randomness")
supports(_PREFIX + "AndFilter", "filters")
supports(_PREFIX + "OrFilter", "filters")
supports(_PREFIX + "HeaderFilter", "header")
supports(_PREFIX + "ResponseFlagFilter", "flags")
supports(_PREFIX + "GrpcStatusFilter", "statuses exclude")
supports(_PREFIX + "MetadataFilter", "matcher match_if_key_not_found")
supports(_PREFIX + "LogTypeFilter", "types exclude")


def log_filter(message: Any, context: Context) -> Filter:
    """The predicate of an AccessLogFilter; `context` stands at it."""
    which = message.WhichOneof("filter_specifier")
    builder = _BUILDERS.get(which or "")
    if builder is None:
        context.error(which or "", "this kind of filter is not supported" if which else "needs one kind of filter")
        return always
    return builder(getattr(message, which), context.at(which))


def _status_code(message: Any, context: Context) -> Filter:
    return filters.status_code(*_comparison(message.comparison, context))


def _duration(message: Any, context: Context) -> Filter:
    return filters.duration(*_comparison(message.comparison, context))


def _comparison(message: Any, context: Context) -> tuple[Comparison, int]:
    value = message.value
    return Comparison(message.op), context.runtime.integer(value.runtime_key, value.default_value)


def _runtime(message: Any, context: Context) -> Filter:
    fraction = (0, 100)
    if message.HasField("percent_sampled"):
        fraction = fraction_of(message, "percent_sampled", context) or fraction
    numerator, denominator = context.runtime.fraction(message.runtime_key, *fraction)
    return filters.runtime_fraction(
        numerator, denominator, context.random, independent=message.use_independent_randomness
    )


def _all_of(message: Any, context: Context) -> Filter:
    return filters.all_of(_each(message, context))


def _any_of(message: Any, context: Context) -> Filter:
    return filters.any_of(_each(message, context))


def _each(message: Any, context: Context) -> list[Filter]:
    return [log_filter(item, context.at("filters", index)) for index, item in enumerate(message.filters)]


def _header(message: Any, context: Context) -> Filter:
    return filters.header(header_matcher(message.header, context.at("header")))


def _response_flag(message: Any, context: Context) -> Filter:
    mask = 0
    for index, name in enumerate(message.flags):
        bit = FLAGS_BY_SHORT_NAME.get(name)
        if bit is None:
            context.error(f"flags[{index}]", f"{name!r} is no response flag")
        else:
            mask |= bit
    return filters.response_flags(mask)


def _grpc_status(message: Any, context: Context) -> Filter:
    return filters.grpc_status(frozenset(message.statuses), exclude=message.exclude)


def _metadata(message: Any, context: Context) -> Filter:
    test = metadata_matcher(message.matcher, context.at("matcher"))
    match_if_missing = message.match_if_key_not_found.value if message.HasField("match_if_key_not_found") else True
    keys = [segment.key for segment in message.matcher.path]
    return filters.metadata(test, message.matcher.filter, keys, match_if_missing=match_if_missing)


def _log_type(message: Any, context: Context) -> Filter:
    names = message.DESCRIPTOR.fields_by_name["types"].enum_type.values_by_number
    return filters.log_type(frozenset(names[number].name for number in message.types), exclude=message.exclude)


_BUILDERS: dict[str, Callable[[Any, Context], Filter]] = {
    "status_code_filter": _status_code,
    "duration_filter": _duration,
    "not_health_check_filter": lambda message, context: filters.not_health_check,
    "traceable_filter": lambda message, context: filters.traceable,
    "runtime_filter": _runtime,
    "and_filter": _all_of,
    "or_filter": _any_of,
    "header_filter": _header,
    "response_flag_filter": _response_flag,
    "grpc_status_filter": _grpc_status,
    "metadata_filter": _metadata,
    "log_type_filter": _log_type,
}
