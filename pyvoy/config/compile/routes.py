"""RouteConfiguration -> RouteTable: virtual hosts, their domains and routes.

Matches are compiled by `route_match`, actions by `route_action`; this file puts them together in order.
Source of behaviour: Envoy's ConfigImpl, RouteMatcher and VirtualHostImpl.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyvoy.config.compile import route_action, route_match
from pyvoy.config.compile.legacy_cors import with_legacy_cors
from pyvoy.config.compile.matching.tree import ROUTE_INPUTS, compile_matcher
from pyvoy.config.compile.mirrors import mirror_policies
from pyvoy.config.compile.retry import retry_plan
from pyvoy.config.compile.route_action import HostLevel
from pyvoy.config.compile.route_levels import LEVEL_FIELDS, Level, TableLevel, level_of, metadata_dict
from pyvoy.config.context import Context
from pyvoy.config.message_types import unpack
from pyvoy.config.registry import supports, type_name_of
from pyvoy.filters.common.descriptors import descriptors_by_stage
from pyvoy.http.routing.direct_response import tls_redirect
from pyvoy.http.routing.hosts import DomainTable, Finder, catch_all, host_finder
from pyvoy.http.routing.match import Entry, require_tls, route_finder, sole_prefix
from pyvoy.http.routing.table import Route, RouteTable, VirtualHost
from pyvoy.http.routing.virtual_cluster import RouteStats, virtual_cluster_finder

if TYPE_CHECKING:
    from pyvoy.http.routing.mirror import MirrorPolicy

supports(
    "envoy.config.route.v3.RouteConfiguration",
    "name virtual_hosts internal_only_headers validate_clusters ignore_port_in_host_matching vhost_header "
    "ignore_path_parameters_in_path_matching most_specific_header_mutations_wins max_direct_response_body_size_bytes "
    f"metadata cluster_specifier_plugins request_mirror_policies {LEVEL_FIELDS}",
)
supports(
    "envoy.config.route.v3.VirtualHost",
    "name domains routes matcher require_tls virtual_clusters include_request_attempt_count "
    "include_attempt_count_in_response include_is_timeout_retry_header retry_policy per_request_buffer_limit_bytes "
    f"request_body_buffer_limit metadata request_mirror_policies hedge_policy rate_limits {LEVEL_FIELDS}",
)
_ROUTE = "envoy.config.route.v3.Route"
_ROUTE_LIST = "envoy.config.route.v3.RouteList"
supports(_ROUTE_LIST, "routes")
supports("envoy.config.route.v3.VirtualCluster", "headers name")


def build_route_table(message: Any, context: Context) -> RouteTable:
    """The compiled table of a RouteConfiguration; problems are reported to `context`, which stands at it."""
    table = TableLevel(
        validate_clusters=context.wrapped(message, "validate_clusters", True),
        ignore_path_parameters=message.ignore_path_parameters_in_path_matching,
        most_specific_wins=message.most_specific_header_mutations_wins,
        max_body_bytes=context.wrapped(message, "max_direct_response_body_size_bytes", 4096),
        cluster_specifiers=_cluster_specifiers(message.cluster_specifier_plugins, context),
        filters=frozenset(context.env.chain),
        disabled_filters=frozenset(name for name, there in context.env.chain.items() if there.disabled),
    )
    level = level_of(message, context, Level())
    mirrors = mirror_policies(message.request_mirror_policies, context, table)
    domains = DomainTable()
    hosts: list[VirtualHost] = []
    sole: tuple[bytes, Route] | None = None
    settled = True
    for index, host_message in enumerate(message.virtual_hosts):
        place = context.at("virtual_hosts", index)
        host, finder, entries = _virtual_host(host_message, place, table, level, mirrors)
        hosts.append(host)
        settled = settled and entries is not None and all(entry.settled for entry in entries)
        sole = sole_prefix(entries) if entries is not None else None
        _add_domains(host_message, place, domains, finder, message.name)
    if len(hosts) == 1 and domains.only_default and domains.default is not None and sole is not None:
        find = catch_all(*sole)
    else:
        find = host_finder(
            domains,
            ignore_port=message.ignore_port_in_host_matching,
            host_header=message.vhost_header.lower().encode() or b":authority",
        )
    return RouteTable(
        message.name,
        find,
        tuple(hosts),
        tuple(name.lower().encode() for name in message.internal_only_headers),
        metadata_dict(message, "metadata"),
        settled=settled and message.vhost_header.lower() in ("", "host", ":authority"),
    )


def _cluster_specifiers(messages: Sequence[Any], context: Context) -> dict[str, Any]:
    places = [context.at("cluster_specifier_plugins", index) for index in range(len(messages))]
    return {
        plugin.extension.name: route_action.cluster_specifier(plugin, place)
        for plugin, place in zip(messages, places, strict=True)
    }


def _virtual_host(
    message: Any, context: Context, table: TableLevel, above: Level, mirrors: tuple[MirrorPolicy, ...]
) -> tuple[VirtualHost, Finder, list[Entry] | None]:
    """The host, its finder, and the entries that the finder tries when it looks at nothing before them."""
    host = VirtualHost(
        message.name,
        include_request_attempt_count=message.include_request_attempt_count,
        include_attempt_count_in_response=message.include_attempt_count_in_response,
        include_is_timeout_retry_header=message.include_is_timeout_retry_header,
        metadata=metadata_dict(message, "metadata"),
        rate_limits=descriptors_by_stage(message.rate_limits, context, "rate_limits"),
    )
    if message.virtual_clusters:
        _virtual_clusters(message, context, host)
    has_retry = message.HasField("retry_policy")
    level = HostLevel(
        table,
        host,
        with_legacy_cors(level_of(message, context, above), message, context, message.typed_per_filter_config),
        retry_plan(message.retry_policy, context.at("retry_policy")) if has_retry else None,
        route_action.buffer_limit(message, None),
        mirror_policies(message.request_mirror_policies, context, table) or mirrors,
    )
    entries: list[Entry] | None = None
    if message.HasField("matcher"):
        if message.routes:
            context.error("matcher", "cannot set both matcher and routes on virtual host")
        finder = _matched(message.matcher, context.at("matcher"), level)
    else:
        entries = [_entry(route, context.at("routes", index), level) for index, route in enumerate(message.routes)]
        finder = route_finder(entries)
    if not message.require_tls:
        return host, finder, entries
    answer = Route("", host, action="redirect", direct_response=tls_redirect)
    return host, require_tls(finder, answer, external_only=message.require_tls == 1), None


def _matched(message: Any, context: Context, level: HostLevel) -> Finder:
    """The finder of a matcher tree: its actions are routes, and lists of them, whose own matches count too."""

    def action(config: Any, place: Context) -> Finder | None:
        name = type_name_of(config.typed_config.type_url)
        inner = place.at("typed_config")
        if name == _ROUTE:
            return route_finder([_entry(unpack(config.typed_config, name), inner, level)])
        if name == _ROUTE_LIST:
            routes = enumerate(unpack(config.typed_config, name).routes)
            return route_finder([_entry(route, inner.at("routes", index), level) for index, route in routes])
        place.error("typed_config", f"no route action of type {name!r}")
        return None

    match = compile_matcher(message, context, action, ROUTE_INPUTS)

    def find(stream: Any, values: dict[bytes, bytes]) -> Route | None:
        found = match(stream)
        return None if found is None else found(stream, values)

    return find


def _add_domains(message: Any, context: Context, domains: DomainTable, finder: Finder, table_name: str) -> None:
    for index, domain in enumerate(message.domains):
        if domains.add(domain.lower().encode(), finder):
            continue
        if domain == "*":
            text = f"Only a single wildcard domain is permitted in route {table_name}"
        else:
            text = (
                "Only unique values for domains are permitted. "
                f"Duplicate entry of domain {domain.lower()} in route {table_name}"
            )
        context.error(f"domains[{index}]", text)


def _entry(message: Any, context: Context, level: HostLevel) -> Entry:
    match_context = context.at("match")
    path = route_match.path_match(message.match, match_context, ignore_parameters=level.table.ignore_path_parameters)
    route, pick = route_action.build_route(message, context, level, path)
    return Entry(path.kind, path.test, route, path.literal, route_match.conditions(message.match, match_context), pick)


def _virtual_clusters(message: Any, context: Context, host: VirtualHost) -> None:
    """Stats of `vhost.<name>.vcluster.<cluster>.`; "other" takes what no virtual cluster matches."""
    scope = context.root_scope.scope("vhost").scope(message.name).scope("vcluster")
    entries = []
    for index, cluster in enumerate(message.virtual_clusters):
        place = context.at("virtual_clusters", index)
        if not cluster.headers:
            place.error("headers", "virtual clusters must define 'headers'")
        matches = place.header_matchers(cluster, "headers")
        entries.append((matches, RouteStats(cluster.name, scope.scope(cluster.name))))
    other = RouteStats("other", scope.scope("other"))
    host.virtual_cluster = virtual_cluster_finder(entries, other)
    host.virtual_clusters = (*(stats for _, stats in entries), other)
