"""Listener messages -> ListenerPlan: addresses, listener filters, filter chains and how one is chosen.

Source: Envoy's ListenerImpl and FilterChainManagerImpl (texts of the running 1.40).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pyvoy.config.compile.access_log import build_access_logs
from pyvoy.config.compile.addresses import listen_address
from pyvoy.config.compile.chain_match import chain_match
from pyvoy.config.compile.matching.tree import LISTENER_INPUTS, compile_matcher
from pyvoy.config.compile.overload import ProxyLimit
from pyvoy.config.compile.route_levels import metadata_dict
from pyvoy.config.compile.tls_downstream import DOWNSTREAM_TRANSPORT_SOCKET
from pyvoy.config.context import Context
from pyvoy.config.message_types import unpack
from pyvoy.config.registry import supports, type_name_of
from pyvoy.http.manager_plan import ManagerPlan
from pyvoy.network.address import Address
from pyvoy.network.chain_match import ChainMatch, build_chain_table
from pyvoy.network.facts import ConnectionFacts
from pyvoy.network.listener import FilterChain, ListenerPlan, Maker
from pyvoy.network.tls.server import DownstreamTls
from pyvoy.server.listen_specs import listener_name

if TYPE_CHECKING:
    from pyvoy.observe.stream_info import ConnectionInfo

_CHAIN_NAME = "google.protobuf.StringValue"
MIB = 1024 * 1024
_NO_LIMIT = 1 << 62
_DIRECTIONS = ("UNSPECIFIED", "INBOUND", "OUTBOUND")

supports(
    "envoy.config.listener.v3.Listener",
    """name address additional_addresses stat_prefix filter_chains default_filter_chain use_original_dst
    per_connection_buffer_limit_bytes listener_filters listener_filters_timeout
    continue_on_listener_filters_timeout transparent freebind socket_options tcp_fast_open_queue_length
    filter_chain_matcher traffic_direction enable_reuse_port reuse_port access_log tcp_backlog_size bind_to_port
    metadata ignore_global_conn_limit""",
    tuning="""drain_type connection_balance_config max_connections_to_accept_per_socket_event
    bypass_overload_manager enable_mptcp deprecated_v1""",
)
supports("envoy.config.listener.v3.AdditionalAddress", "address socket_options")
supports("envoy.config.core.v3.SocketOptionsOverride", "socket_options")
supports("envoy.config.core.v3.SocketOption", "level name int_value buf_value state", tuning="description type")
supports(
    "envoy.config.listener.v3.FilterChain",
    "filter_chain_match filters name transport_socket transport_socket_connect_timeout",
    tuning="metadata",
)
supports("envoy.config.listener.v3.Filter", "name typed_config")
supports("envoy.config.listener.v3.ListenerFilter", "name typed_config")
supports("envoy.config.core.v3.TransportSocket", "name typed_config")


def build_listeners(messages: Iterable[Any], context: Context) -> list[ListenerPlan]:
    """The plans of all listeners; `context` stands at the message that holds them."""
    plans = []
    names: dict[str, int] = {}
    for index, message in enumerate(messages):
        place = context.at("listeners", index)
        name = listener_name(message)
        if name in names:
            place.error("name", f"there is another listener named {name!r}")
        names[name] = index
        plans.append(_listener(message, name, place))
    return plans


def _listener(message: Any, name: str, context: Context) -> ListenerPlan:
    addresses = [listen_address(message.address, context.at("address"))]
    for index, additional in enumerate(message.additional_addresses):
        addresses.append(listen_address(additional.address, context.at("additional_addresses", index).at("address")))
    scope = context.root_scope.scope(f"listener.{message.stat_prefix or _stat_name(addresses[0].address)}")
    place = context.inside(name, message.traffic_direction, scope, metadata_dict(message, "metadata"))
    chains, match = _chains(message, place)
    return ListenerPlan(
        name=name,
        addresses=tuple(addresses),
        match=match,
        chains=chains,
        listener_filters=_listener_filters(message, place),
        listener_filters_timeout_s=context.duration_s(message, "listener_filters_timeout", 15.0) or 0.0,
        continue_on_listener_filters_timeout=message.continue_on_listener_filters_timeout,
        per_connection_buffer_limit_bytes=context.wrapped(message, "per_connection_buffer_limit_bytes", MIB),
        access_logs=build_access_logs(message.access_log, place, "access_log"),
        scope=scope,
        digest=hashlib.sha256(message.SerializeToString(deterministic=True)).digest(),
        backlog=context.wrapped(message, "tcp_backlog_size", 128),
        direction=_DIRECTIONS[message.traffic_direction],
        max_connections=_connection_limit(name, context),
        proxy_limit=_proxy_limit(message, context),
    )


def _connection_limit(name: str, context: Context) -> int | None:
    """The listener's limit from the runtime; None without one."""
    limit = context.runtime.integer(f"envoy.resource_limits.listener.{name}.connection_limit", _NO_LIMIT)
    return None if limit == _NO_LIMIT else limit


def _proxy_limit(message: Any, context: Context) -> int | None:
    """The limit that holds for all listeners together; None where this one's connections do not count."""
    limit: ProxyLimit | None = context.env.proxy_limit
    return None if limit is None else limit.for_listener(ignores=message.ignore_global_conn_limit)


def _stat_name(address: Address) -> str:
    """`127.0.0.1_8080`; dots stay, colons become underscores."""
    return address.text.replace(":", "_")


def _chains(message: Any, context: Context) -> tuple[tuple[FilterChain, ...], Any]:
    matched: list[tuple[str, ChainMatch, FilterChain]] = []
    for index, chain in enumerate(message.filter_chains):
        place = context.at("filter_chains", index)
        match = chain_match(chain.filter_chain_match, place.at("filter_chain_match"))
        matched.append((chain.name, match, _chain(chain, place)))
    default = None
    if message.HasField("default_filter_chain"):
        default = _chain(message.default_filter_chain, context.at("default_filter_chain"))
    if not matched and default is None:
        context.error("", f"error adding listener named '{listener_name(message)}': no filter chains specified")
    if message.HasField("filter_chain_matcher"):
        chains = tuple(chain for _, _, chain in matched) + ((default,) if default is not None else ())
        return chains, _by_matcher(message, context, default, {name: chain for name, _, chain in matched})
    table, problems = build_chain_table(matched, default)
    for index, text in problems:
        context.error(f"filter_chains[{index}].filter_chain_match", text)
    chains = tuple(chain for _, _, chain in matched) + ((default,) if default is not None else ())
    only = table.only
    if only is not None:
        return chains, lambda _info: only  # one chain for everybody: nothing to look up
    return chains, table.find


def _by_matcher(
    message: Any, context: Context, default: FilterChain | None, named: dict[str, FilterChain]
) -> Callable[[ConnectionInfo], FilterChain | None]:
    """Chooses by a matcher tree, whose actions are names of chains; a name that no chain has closes the connection."""
    for index, chain in enumerate(message.filter_chains):
        if not chain.name:
            text = (
                f"error adding listener '{listener_name(message)}': \"filter_chain\" without a name and matcher is set"
            )
            context.error(f"filter_chains[{index}]", text)

    def action(config: Any, place: Context) -> str | None:
        name = type_name_of(config.typed_config.type_url)
        if name != _CHAIN_NAME:
            place.error("typed_config", f"no action of type {name!r}: it has to be the name of a filter chain")
            return None
        return str(unpack(config.typed_config, name).value)

    match = compile_matcher(message.filter_chain_matcher, context.at("filter_chain_matcher"), action, LISTENER_INPUTS)

    def find(info: ConnectionInfo) -> FilterChain | None:
        name = match(ConnectionFacts(info))
        return default if name is None else named.get(name)

    return find


def _chain(message: Any, context: Context) -> FilterChain:
    transport_socket = _transport_socket(message, context)
    filters: list[Maker] = []
    delay_s = 1.0
    on_timeout = None
    last = len(message.filters) - 1
    for index, entry in enumerate(message.filters):
        place = context.at("filters", index)
        built = place.built_extension("network_filter", entry, "")
        if built is None:
            continue
        cls = getattr(built.plan, "filter_class", built.extension.factory)
        if cls.terminal and index != last:
            place.error("", f"terminal filter named {entry.name} must be the last filter in a network filter chain.")
        elif index == last and not cls.terminal:
            place.error(
                "",
                f"non-terminal filter named {entry.name} of type {built.extension.name} is the last filter in a "
                "network filter chain.",
            )
        if isinstance(built.plan, ManagerPlan):
            delay_s = built.plan.delayed_close_timeout_s
            on_timeout = built.plan.stats.downstream_cx_delayed_close_timeout.inc
        filters.append((getattr(built.plan, "filter_class", cls), built.plan))
    return FilterChain(message.name, tuple(filters), transport_socket, delay_s, on_timeout)


def _transport_socket(message: Any, context: Context) -> DownstreamTls | None:
    if not message.HasField("transport_socket"):
        return None
    found = context.extension(DOWNSTREAM_TRANSPORT_SOCKET, message.transport_socket, "transport_socket")
    if not isinstance(found, DownstreamTls):
        return None
    found.limit_handshakes(
        context.duration_s(message, "transport_socket_connect_timeout", 0.0) or 0.0,
        context.scope.counter("downstream_cx_transport_socket_connect_timeout").inc,
    )
    return found


def _listener_filters(message: Any, context: Context) -> tuple[Maker, ...]:
    makers: list[Maker] = []
    for index, entry in enumerate(message.listener_filters):
        built = context.at("listener_filters", index).built_extension("listener_filter", entry, "")
        if built is not None:
            makers.append((built.extension.factory, built.plan))
    if message.use_original_dst.value and not any(
        "OriginalDst" in entry.typed_config.type_url for entry in message.listener_filters
    ):
        from pyvoy.filters.listener.original_dst import OriginalDst

        makers.insert(0, (OriginalDst, None))
    return tuple(makers)
