"""FilterChainMatch messages -> ChainMatch plans.

What many chains together get wrong (duplicates, overlaps) is found by `network.chain_match.build_chain_table`.
Source: Envoy, FilterChainManagerImpl (texts observed on Envoy 1.40).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyvoy.config.compile.cidr import cidr_network
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.network.chain_match import ChainMatch, SourceType

if TYPE_CHECKING:
    from pyvoy.network.chain_match import Network

supports(
    "envoy.config.listener.v3.FilterChainMatch",
    "destination_port prefix_ranges server_names transport_protocol application_protocols "
    "direct_source_prefix_ranges source_type source_prefix_ranges source_ports",
)


def chain_match(message: Any, context: Context) -> ChainMatch:
    """The criteria of one filter chain; `context` stands at its `filter_chain_match`."""
    for index, name in enumerate(message.server_names):
        if "*" in name and not name.startswith("*."):
            context.error(f"server_names[{index}]", 'partial wildcards are not supported in "server_names"')
    return ChainMatch(
        destination_port=context.wrapped(message, "destination_port", 0),
        prefix_ranges=_networks(message.prefix_ranges, context, "prefix_ranges"),
        server_names=tuple(message.server_names),
        transport_protocol=message.transport_protocol,
        application_protocols=tuple(message.application_protocols),
        direct_source_prefix_ranges=_networks(
            message.direct_source_prefix_ranges, context, "direct_source_prefix_ranges"
        ),
        source_type=SourceType(message.source_type),
        source_prefix_ranges=_networks(message.source_prefix_ranges, context, "source_prefix_ranges"),
        source_ports=tuple(message.source_ports),
        json=_json(message),
    )


def _networks(ranges: Iterable[Any], context: Context, field: str) -> tuple[Network, ...]:
    networks = (cidr_network(message, context.at(field, index)) for index, message in enumerate(ranges))
    return tuple(network for network in networks if network is not None)


def _json(message: Any) -> str:
    from google.protobuf import json_format

    return json.dumps(
        json_format.MessageToDict(message, preserving_proto_field_name=True), separators=(",", ":"), ensure_ascii=False
    )
