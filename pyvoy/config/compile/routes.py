"""RouteConfiguration -> RouteTable: virtual hosts, their domains and routes.

Matches are compiled by `route_match`, actions by `route_action`; this file puts them together in order.
Source of behaviour: Envoy's ConfigImpl and RouteMatcher.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.compile import route_action, route_match
from pyvoy.config.compile.route_levels import TableLevel, VirtualHostLevel
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.routing.hosts import DomainTable, host_finder
from pyvoy.http.routing.match import Entry, route_finder
from pyvoy.http.routing.table import RouteTable, VirtualHost

supports(
    "envoy.config.route.v3.RouteConfiguration",
    "name virtual_hosts internal_only_headers validate_clusters ignore_port_in_host_matching vhost_header "
    "ignore_path_parameters_in_path_matching",
)
supports(
    "envoy.config.route.v3.VirtualHost",
    "name domains routes include_request_attempt_count include_attempt_count_in_response",
)
supports("envoy.config.route.v3.Route", "name match route")


def build_route_table(message: Any, context: Context) -> RouteTable:
    """The compiled table of a RouteConfiguration; problems are reported to `context`, which stands at it."""
    table = TableLevel(
        validate_clusters=context.wrapped(message, "validate_clusters", True),
        ignore_path_parameters=message.ignore_path_parameters_in_path_matching,
    )
    domains = DomainTable()
    hosts = []
    for index, host in enumerate(message.virtual_hosts):
        hosts.append(_virtual_host(host, context.at("virtual_hosts", index), table, domains, message.name))
    return RouteTable(
        message.name,
        host_finder(
            domains,
            ignore_port=message.ignore_port_in_host_matching,
            host_header=message.vhost_header.lower().encode() or b":authority",
        ),
        tuple(hosts),
        tuple(name.lower().encode() for name in message.internal_only_headers),
    )


def _virtual_host(message: Any, context: Context, table: TableLevel, domains: DomainTable, name: str) -> VirtualHost:
    host = VirtualHost(
        message.name,
        include_request_attempt_count=message.include_request_attempt_count,
        include_attempt_count_in_response=message.include_attempt_count_in_response,
    )
    level = VirtualHostLevel(table, host)
    entries = [_entry(route, context.at("routes", index), level) for index, route in enumerate(message.routes)]
    finder = route_finder(entries)
    for index, domain in enumerate(message.domains):
        if not domains.add(domain.lower().encode(), finder):
            _duplicate(context, index, domain, name)
    return host


def _duplicate(context: Context, index: int, domain: str, table_name: str) -> None:
    place = f"domains[{index}]"
    if domain == "*":
        context.error(place, f"Only a single wildcard domain is permitted in route {table_name}")
        return
    context.error(
        place,
        f"Only unique values for domains are permitted. Duplicate entry of domain {domain} in route {table_name}",
    )


def _entry(message: Any, context: Context, level: VirtualHostLevel) -> Entry:
    match_context = context.at("match")
    path = route_match.path_match(message.match, match_context, ignore_parameters=level.table.ignore_path_parameters)
    route, pick = route_action.build_route(message, context, level, path)
    return Entry(path.kind, path.test, route, path.literal, route_match.conditions(message.match, match_context), pick)
