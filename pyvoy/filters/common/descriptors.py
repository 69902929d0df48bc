"""RateLimit messages -> a function from a stream to its rate limit descriptors.

Each RateLimit gives one descriptor, made of the entries of its actions, or none when an action has nothing to say.
Source: Envoy's Extensions::Filters::Common::RateLimit and RateLimitPolicyEntryImpl (router_ratelimit.cc).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import supports
from pyvoy.http.routing.query import first_value

if TYPE_CHECKING:
    from pyvoy.config.context import Context

_RATE_LIMIT = "envoy.config.route.v3.RateLimit"
_ACTION = f"{_RATE_LIMIT}.Action"

supports(_RATE_LIMIT, "actions stage", tuning="disable_key")
supports(
    _ACTION,
    "source_cluster destination_cluster request_headers remote_address generic_key header_value_match "
    "query_parameters masked_remote_address",
)
supports(f"{_ACTION}.SourceCluster")
supports(f"{_ACTION}.DestinationCluster")
supports(f"{_ACTION}.RemoteAddress")
supports(f"{_ACTION}.RequestHeaders", "header_name descriptor_key skip_if_absent")
supports(f"{_ACTION}.QueryParameters", "query_parameter_name descriptor_key skip_if_absent")
supports(f"{_ACTION}.GenericKey", "descriptor_value descriptor_key")
supports(f"{_ACTION}.HeaderValueMatch", "descriptor_value descriptor_key expect_match headers")
supports(f"{_ACTION}.MaskedRemoteAddress", "v4_prefix_mask_len v6_prefix_mask_len")

Entry = tuple[bytes, bytes]
Descriptor = tuple[Entry, ...]
"""What one limit is about."""
Action = Callable[[Any], "Entry | bool | None"]
"""The entry of a stream; None: there is no descriptor; True: the descriptor goes without this entry."""

Descriptors = Callable[[Any], list[Descriptor]]


OVERRIDE, INCLUDE, IGNORE = range(3)
"""Whether the limits of the virtual host count: when the route has none, always, or never."""


def descriptors_by_stage(messages: Sequence[Any], context: Context, field: str) -> dict[int, Descriptors]:
    """The descriptors of a route's or virtual host's list of RateLimit, by stage."""
    found = {}
    for stage in sorted({context.wrapped(limit, "stage", 0) for limit in messages}):
        descriptors = descriptors_of(messages, context, field, stage)
        if descriptors is not None:
            found[stage] = descriptors
    return found


def descriptors_of_route(stage: int, host_option: int) -> Descriptors:
    """The descriptors that a stream's route and virtual host give in one stage."""

    def descriptors(stream: Any) -> list[Descriptor]:
        route = stream.route
        if route is None:
            return []
        own, host = route.rate_limits.get(stage), route.virtual_host.rate_limits.get(stage)
        found = own(stream) if own is not None else []
        included = host_option == INCLUDE or (host_option == OVERRIDE and not route.rate_limits)
        if host is not None and (included or route.include_host_rate_limits):
            found = [*found, *host(stream)]
        return found

    return descriptors


def descriptors_of(
    messages: Sequence[Any], context: Context, field: str, stage: int | None = None
) -> Descriptors | None:
    """The descriptors of a list of RateLimit (of one stage); None when there are none."""
    rows = tuple(
        tuple(
            action
            for number, message in enumerate(limit.actions)
            if (action := _action(message, context.at(field, index).at("actions", number))) is not None
        )
        for index, limit in enumerate(messages)
        if stage is None or context.wrapped(limit, "stage", 0) == stage
    )
    if not rows:
        return None

    def descriptors(stream: Any) -> list[Descriptor]:
        found = [_descriptor(row, stream) for row in rows]
        return [descriptor for descriptor in found if descriptor]

    return descriptors


def _descriptor(actions: Sequence[Action], stream: Any) -> Descriptor | None:
    entries: list[Entry] = []
    for action in actions:
        entry = action(stream)
        if entry is None:
            return None
        if isinstance(entry, tuple):
            entries.append(entry)
    return tuple(entries)


def _action(message: Any, context: Context) -> Action | None:
    kind = message.WhichOneof("action_specifier")
    builder = _BUILDERS.get(kind)
    if builder is None:
        return None  # reported by the walk over unsupported fields
    return builder(getattr(message, kind), context.at(kind))


def _generic_key(message: Any, _: Context) -> Action:
    entry = (message.descriptor_key.encode() or b"generic_key", message.descriptor_value.encode())
    return lambda _stream: entry


def _request_headers(message: Any, _: Context) -> Action:
    from pyvoy.config.compile.matchers import header_name

    name, key, missing = header_name(message.header_name), message.descriptor_key.encode(), message.skip_if_absent

    def action(stream: Any) -> Entry | bool | None:
        value = stream.request_headers.joined(name)
        return (True if missing else None) if value is None else (key, value)

    return action


def _query_parameters(message: Any, _: Context) -> Action:
    name, key = message.query_parameter_name.encode(), message.descriptor_key.encode()
    missing = message.skip_if_absent

    def action(stream: Any) -> Entry | bool | None:
        value = first_value(stream.request_headers.map[b":path"], name)
        return (True if missing else None) if value is None else (key, value)

    return action


def _remote_address(_message: Any, _: Context) -> Action:
    def action(stream: Any) -> Entry | None:
        ip = _client_ip(stream)
        return (b"remote_address", ip.encode()) if ip else None

    return action


def _masked_remote_address(message: Any, context: Context) -> Action:
    v4 = context.wrapped(message, "v4_prefix_mask_len", 32)
    v6 = context.wrapped(message, "v6_prefix_mask_len", 128)

    def action(stream: Any) -> Entry | None:
        ip = _client_ip(stream)
        if not ip:
            return None
        network = ipaddress.ip_network((ip, v6 if ":" in ip else v4), strict=False)
        return (b"masked_remote_address", str(network).encode())

    return action


def _client_ip(stream: Any) -> str:
    return (stream.info.downstream_remote or stream.connection.remote).ip  # type: ignore[no-any-return]


def _source_cluster(_message: Any, context: Context) -> Action:
    entry = (b"source_cluster", context.node.cluster.encode() if context.node is not None else b"")
    return lambda _stream: entry


def _destination_cluster(_message: Any, _: Context) -> Action:
    def action(stream: Any) -> Entry | None:
        route = stream.route
        if route is None or not route.cluster:
            return None
        return (b"destination_cluster", route.cluster.encode())

    return action


def _header_value_match(message: Any, context: Context) -> Action:
    matches = context.header_matchers(message, "headers")
    expected = context.wrapped(message, "expect_match", True)
    entry = (message.descriptor_key.encode() or b"header_match", message.descriptor_value.encode())
    return lambda stream: entry if matches(stream.request_headers) == expected else None


_BUILDERS: dict[str | None, Callable[[Any, Context], Action]] = {
    "generic_key": _generic_key,
    "request_headers": _request_headers,
    "query_parameters": _query_parameters,
    "remote_address": _remote_address,
    "masked_remote_address": _masked_remote_address,
    "source_cluster": _source_cluster,
    "destination_cluster": _destination_cluster,
    "header_value_match": _header_value_match,
}
