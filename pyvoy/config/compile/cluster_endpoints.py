"""ClusterLoadAssignment -> AssignmentPlan: localities, endpoints, their addresses and health.

Source of behaviour: Envoy, ClusterLoadAssignment and StaticClusterImpl / StrictDnsClusterImpl / LogicalDnsCluster.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from pyvoy.config.compile.health_checks import check_target
from pyvoy.config.compile.route_levels import metadata_dict
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.network.address import Address
from pyvoy.upstream.balancing.hashing import ENVOY_LB
from pyvoy.upstream.cluster_plan import AssignmentPlan, Discovery, EndpointPlan, LocalityPlan
from pyvoy.upstream.endpoint import NO_FLAGS, HealthFlag, Locality

_ENDPOINT = "envoy.config.endpoint.v3."

supports(_ENDPOINT + "ClusterLoadAssignment", "cluster_name endpoints policy")
supports(
    _ENDPOINT + "ClusterLoadAssignment.Policy",
    "overprovisioning_factor weighted_priority_health",
    tuning="endpoint_stale_after",
)
supports(
    _ENDPOINT + "LocalityLbEndpoints",
    "locality lb_endpoints load_balancing_weight priority metadata",
    tuning="proximity",
)
supports(_ENDPOINT + "LbEndpoint", "endpoint health_status metadata load_balancing_weight")
supports(_ENDPOINT + "Endpoint", "address hostname health_check_config")
supports("envoy.config.core.v3.Locality", "region zone sub_zone")
supports("envoy.config.core.v3.Address", "socket_address pipe")
supports("envoy.config.core.v3.SocketAddress", "protocol address port_value")
supports("envoy.config.core.v3.Pipe", "path")

# core.v3.HealthStatus: UNKNOWN 0, HEALTHY 1, UNHEALTHY 2, DRAINING 3, TIMEOUT 4, DEGRADED 5.
_FLAGS = {
    2: HealthFlag.FAILED_EDS_HEALTH,
    3: HealthFlag.EDS_STATUS_DRAINING,
    4: HealthFlag.FAILED_EDS_HEALTH,
    5: HealthFlag.DEGRADED_EDS_HEALTH,
}
_UDP = 1
_NOWHERE = Address("0.0.0.0", 0)


def build_assignment(message: Any, discovery: Discovery, context: Context) -> AssignmentPlan:
    """The plan of a ClusterLoadAssignment; `context` stands at it."""
    localities = []
    for index, group in enumerate(message.endpoints):
        at = context.at("endpoints", index)
        endpoints = tuple(
            _endpoint(endpoint, discovery, at.at("lb_endpoints", number))
            for number, endpoint in enumerate(group.lb_endpoints)
        )
        locality = Locality(group.locality.region, group.locality.zone, group.locality.sub_zone)
        weight = at.wrapped(group, "load_balancing_weight", 0)
        metadata = metadata_dict(group, "metadata")
        localities.append(LocalityPlan(endpoints, locality, group.priority, weight, metadata))
    plan = AssignmentPlan(
        tuple(localities),
        context.wrapped(message.policy, "overprovisioning_factor", 140),
        message.policy.weighted_priority_health,
    )
    if discovery is Discovery.LOGICAL_DNS and (len(localities) != 1 or len(plan.endpoints) != 1):
        context.error(
            "endpoints", "LOGICAL_DNS clusters must have a single locality_lb_endpoint and a single lb_endpoint"
        )
    return plan


def _endpoint(message: Any, discovery: Discovery, context: Context) -> EndpointPlan:
    metadata = metadata_dict(message, "metadata")
    return EndpointPlan(
        _address(message.endpoint.address, discovery, context.at("endpoint").at("address")),
        message.endpoint.hostname,
        max(1, context.wrapped(message, "load_balancing_weight", 1)),
        _FLAGS.get(message.health_status, NO_FLAGS),
        metadata,
        metadata.get(ENVOY_LB, {}).get("canary") is True,
        check_target(message.endpoint),
    )


def _address(message: Any, discovery: Discovery, context: Context) -> Address:
    """The address; for DNS its `ip` is the name."""
    if message.HasField("pipe"):
        if discovery is not Discovery.STATIC:
            context.error("pipe", f"a {discovery.value} cluster resolves names; a pipe needs type STATIC")
            return _NOWHERE
        return Address("", 0, message.pipe.path)
    if not message.HasField("socket_address"):
        context.error("", "needs a socket_address or a pipe")
        return _NOWHERE
    socket_address = message.socket_address
    name = socket_address.address
    if socket_address.protocol == _UDP:
        context.error("socket_address.protocol", "UDP upstreams are not supported by pyvoy")
    if discovery is not Discovery.STATIC:
        return Address(name, socket_address.port_value)
    try:
        return Address(str(ipaddress.ip_address(name)), socket_address.port_value)
    except ValueError:
        context.error(
            "socket_address.address",
            f"malformed IP address: {name}. Consider setting resolver_name or setting cluster type to "
            "'STRICT_DNS' or 'LOGICAL_DNS'",
        )
        return _NOWHERE
