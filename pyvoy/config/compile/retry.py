"""RetryPolicy -> RetryPlan.

Source of behaviour: Envoy's RetryPolicyImpl; runtime key upstream.base_retry_backoff_ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pyvoy.config.compile.matchers import header_matcher
from pyvoy.config.compile.route_levels import metadata_dict
from pyvoy.config.context import Context
from pyvoy.config.problems import nearest_name
from pyvoy.config.registry import supports, type_name_of
from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.retry import (
    RETRY_GRPC_ON,
    RETRY_ON,
    HostPredicate,
    RetryPlan,
    canary_hosts,
    omit_metadata,
    parse_retry_on,
    previous_hosts,
)

supports(
    "envoy.config.route.v3.RetryPolicy",
    "retry_on num_retries per_try_timeout per_try_idle_timeout retry_host_predicate retry_priority "
    "host_selection_retry_max_attempts retriable_status_codes retry_back_off rate_limited_retry_back_off "
    "retriable_headers retriable_request_headers",
)
supports("envoy.config.route.v3.RetryPolicy.RetryPriority", "name typed_config")
supports("envoy.config.route.v3.RetryPolicy.RetryBackOff", "base_interval max_interval")
supports("envoy.config.route.v3.RetryPolicy.RateLimitedRetryBackOff", "reset_headers max_interval")
supports("envoy.config.route.v3.RetryPolicy.ResetHeader", "name format")
supports("envoy.config.route.v3.RetryPolicy.RetryHostPredicate", "name typed_config")

_HOST_PREDICATES: dict[str, HostPredicate] = {
    "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate": previous_hosts,
    "envoy.extensions.retry.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate": canary_hosts,
}
_PREVIOUS_PRIORITIES = "envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig"
supports(_PREVIOUS_PRIORITIES, "update_frequency")
_OMIT_METADATA = "envoy.extensions.retry.host.omit_host_metadata.v3.OmitHostMetadataConfig"
supports(_OMIT_METADATA, "metadata_match")
for _type_name in _HOST_PREDICATES:
    supports(_type_name)


def retry_plan(message: Any, context: Context) -> RetryPlan:
    """The compiled policy; `context` stands at the RetryPolicy."""
    base_s, max_s = _back_off(message, context)
    reset_headers, reset_max_s = _rate_limited(message, context)
    return RetryPlan(
        retry_on=_retry_on(message.retry_on, context),
        num_retries=context.wrapped(message, "num_retries", 1),
        per_try_timeout_s=context.duration_s(message, "per_try_timeout") or None,
        per_try_idle_timeout_s=context.duration_s(message, "per_try_idle_timeout") or None,
        retriable_status_codes=frozenset(message.retriable_status_codes),
        retriable_headers=_any_of(message.retriable_headers, context, "retriable_headers"),
        retriable_request_headers=_any_of(message.retriable_request_headers, context, "retriable_request_headers"),
        base_interval_s=base_s,
        max_interval_s=max_s,
        reset_headers=reset_headers,
        reset_max_interval_s=reset_max_s,
        host_predicates=_host_predicates(message, context),
        host_selection_max_attempts=message.host_selection_retry_max_attempts or 1,
        priority_frequency=_priority_frequency(message, context),
    )


def _retry_on(text: str, context: Context) -> int:
    """The bits of `retry_on`; Envoy skips words it does not know, so they are only a warning."""
    words = RETRY_ON | RETRY_GRPC_ON
    for word in (part.strip() for part in text.split(",")):
        if word and word.encode() not in words:
            known = [name.decode() for name in words]
            context.warning("retry_on", f"{word!r} is no retry condition and has no effect", nearest_name(word, known))
    return parse_retry_on(text.encode(), words)[0]


def _back_off(message: Any, context: Context) -> tuple[float, float]:
    base_s = context.runtime.integer("upstream.base_retry_backoff_ms", 25) / 1000
    if not message.HasField("retry_back_off"):
        return base_s, base_s * 10
    place = context.at("retry_back_off")
    base_s = max(place.duration_s(message.retry_back_off, "base_interval", 0.025) or 0.0, 0.001)
    max_s = place.duration_s(message.retry_back_off, "max_interval")
    if max_s is None:
        return base_s, base_s * 10
    max_s = max(max_s, 0.001)
    if max_s < base_s:
        place.error("max_interval", "retry_policy.max_interval must greater than or equal to the base_interval")
    return base_s, max_s


def _rate_limited(message: Any, context: Context) -> tuple[tuple[tuple[bytes, bool], ...], float]:
    if not message.HasField("rate_limited_retry_back_off"):
        return (), 300.0
    limited = message.rate_limited_retry_back_off
    max_s = context.at("rate_limited_retry_back_off").duration_s(limited, "max_interval", 300.0)
    return tuple((item.name.lower().encode(), item.format == 1) for item in limited.reset_headers), max_s or 0.001


def _any_of(matchers: Iterable[Any], context: Context, field: str) -> tuple[Callable[[HeaderMap], bool], ...]:
    """One test per matcher: for retries any of them is enough."""
    return tuple(header_matcher(matcher, context.at(field, index)) for index, matcher in enumerate(matchers))


def _host_predicates(message: Any, context: Context) -> tuple[HostPredicate, ...]:
    found = []
    for index, predicate in enumerate(message.retry_host_predicate):
        name = type_name_of(predicate.typed_config.type_url)
        known = _HOST_PREDICATES.get(name)
        if name == _OMIT_METADATA:
            from pyvoy.config.message_types import unpack

            omitted = unpack(predicate.typed_config, name)
            found.append(omit_metadata(metadata_dict(omitted, "metadata_match").get("envoy.lb", {})))
        elif known is None:
            context.error(f"retry_host_predicate[{index}]", f"no retry host predicate of type {name!r}")
        else:
            found.append(known)
    return tuple(found)


def _priority_frequency(message: Any, context: Context) -> int:
    """How often the priorities to avoid are worked out anew; 0 where the policy has no retry_priority."""
    if not message.HasField("retry_priority"):
        return 0
    config = message.retry_priority.typed_config
    name = type_name_of(config.type_url)
    if name != _PREVIOUS_PRIORITIES:
        context.error("retry_priority", f"no retry priority of type {name!r}")
        return 0
    from pyvoy.config.message_types import unpack

    frequency: int = unpack(config, name).update_frequency
    if frequency < 1:
        context.at("retry_priority").error("typed_config.update_frequency", "value must be greater than 0")
    return frequency
