"""DNS settings of a cluster -> DnsPlan: the cluster's own fields, the DnsCluster extension, the resolvers.

Source of behaviour: Envoy, Cluster.dns_*, extensions.clusters.dns.v3.DnsCluster and the two resolver extensions.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import extension, supports
from pyvoy.upstream.cluster_plan import Discovery, DnsCachePlan, DnsLookupFamily, DnsPlan

CLUSTER = "cluster"
DNS_RESOLVER = "dns_resolver"
_RESOLVERS = "envoy.extensions.network.dns_resolver."

supports("envoy.config.cluster.v3.Cluster.RefreshRate", "base_interval max_interval")
supports("envoy.extensions.clusters.dns.v3.DnsCluster.RefreshRate", "base_interval max_interval")
supports(
    "envoy.extensions.clusters.dns.v3.DnsCluster",
    "dns_refresh_rate dns_failure_refresh_rate respect_dns_ttl dns_jitter typed_dns_resolver_config dns_lookup_family "
    "all_addresses_in_single_endpoint",
)
supports(
    _RESOLVERS + "cares.v3.CaresDnsResolverConfig",
    "resolvers dns_resolver_options query_timeout_seconds query_tries",
    tuning="filter_unroutable_families udp_max_queries rotate_nameservers edns0_max_payload_size "
    "max_udp_channel_duration reinit_channel_on_timeout",
)
supports(_RESOLVERS + "getaddrinfo.v3.GetAddrInfoDnsResolverConfig", tuning="num_retries num_resolver_threads")
supports("envoy.config.core.v3.DnsResolutionConfig", "resolvers dns_resolver_options")
supports("envoy.config.core.v3.DnsResolverOptions", "use_tcp_for_dns_lookups no_default_search_domain")
supports("envoy.config.core.v3.TypedExtensionConfig", "name typed_config")

# DnsCluster counts its families from UNSPECIFIED, which means AUTO.
_DNS_CLUSTER_FAMILIES = (
    DnsLookupFamily.AUTO,
    DnsLookupFamily.AUTO,
    DnsLookupFamily.V4_ONLY,
    DnsLookupFamily.V6_ONLY,
    DnsLookupFamily.V4_PREFERRED,
    DnsLookupFamily.ALL,
)


@dataclass(slots=True, frozen=True)
class DiscoveryPlan:
    """What a `cluster_type` extension decides."""

    discovery: Discovery
    dns: DnsPlan | None = None
    cache: DnsCachePlan | None = None
    """Where a dynamic forward proxy looks names up."""
    unchecked_tls: bool = False
    """A dynamic forward proxy may leave names of certificates unchecked."""
    members: tuple[str, ...] = ()
    """Names of the clusters that an aggregate is made of."""


@extension(CLUSTER, name="envoy.cluster.dns", type_url="envoy.extensions.clusters.dns.v3.DnsCluster")
class DnsCluster:
    """STRICT_DNS, or LOGICAL_DNS with all_addresses_in_single_endpoint."""

    @staticmethod
    def build(message: Any, context: Context) -> DiscoveryPlan:
        logical = message.all_addresses_in_single_endpoint
        return DiscoveryPlan(
            Discovery.LOGICAL_DNS if logical else Discovery.STRICT_DNS,
            _rates(message, _DNS_CLUSTER_FAMILIES[message.dns_lookup_family], context),
        )


@extension(
    DNS_RESOLVER,
    name="envoy.network.dns_resolver.cares",
    type_url=_RESOLVERS + "cares.v3.CaresDnsResolverConfig",
)
class CaresResolverConfig:
    """DNS by c-ares, perhaps at servers of one's own."""

    @staticmethod
    def build(message: Any, context: Context) -> DnsPlan:
        options = message.dns_resolver_options
        return DnsPlan(
            resolvers=_servers(message.resolvers, context, "resolvers"),
            use_tcp=options.use_tcp_for_dns_lookups,
            no_search_domain=options.no_default_search_domain,
            query_timeout_s=float(context.wrapped(message, "query_timeout_seconds", 5)),
            query_tries=context.wrapped(message, "query_tries", 4),
        )


@extension(
    DNS_RESOLVER,
    name="envoy.network.dns_resolver.getaddrinfo",
    type_url=_RESOLVERS + "getaddrinfo.v3.GetAddrInfoDnsResolverConfig",
)
class SystemResolverConfig:
    """The system's getaddrinfo."""

    @staticmethod
    def build(message: Any, context: Context) -> DnsPlan:
        return DnsPlan(system=True)


def cluster_dns(cluster: Any, context: Context) -> DnsPlan:
    """The DNS settings in the fields of a Cluster; `context` stands at the cluster."""
    plan = _rates(cluster, DnsLookupFamily(cluster.dns_lookup_family), context)
    if cluster.HasField("dns_resolution_config"):
        return _resolution(plan, cluster, context)
    if cluster.dns_resolvers and not cluster.HasField("typed_dns_resolver_config"):
        plan = replace(plan, resolvers=_servers(cluster.dns_resolvers, context, "dns_resolvers"))
    return replace(plan, use_tcp=True) if cluster.use_tcp_for_dns_lookups else plan


def cache_dns(message: Any, context: Context) -> DnsPlan:
    """The DNS settings of a DnsCacheConfig."""
    base = DnsPlan()
    if message.HasField("typed_dns_resolver_config"):
        base = context.extension(DNS_RESOLVER, message.typed_dns_resolver_config, "typed_dns_resolver_config") or base
    elif message.HasField("dns_resolution_config"):
        base = _resolution(base, message, context)
    base_s, max_s = _failure_rate(message, context)
    return replace(
        base,
        failure_base_s=base_s,
        failure_max_s=max_s,
        family=DnsLookupFamily(message.dns_lookup_family),
        use_tcp=base.use_tcp or message.use_tcp_for_dns_lookups,
    )


def _resolution(plan: DnsPlan, message: Any, context: Context) -> DnsPlan:
    """A `dns_resolution_config`."""
    options = message.dns_resolution_config.dns_resolver_options
    place = context.at("dns_resolution_config")
    return replace(
        plan,
        resolvers=_servers(message.dns_resolution_config.resolvers, place, "resolvers"),
        use_tcp=options.use_tcp_for_dns_lookups,
        no_search_domain=options.no_default_search_domain,
    )


def _failure_rate(message: Any, context: Context) -> tuple[float | None, float | None]:
    """`dns_failure_refresh_rate`: base and limit in seconds."""
    if not message.HasField("dns_failure_refresh_rate"):
        return None, None
    rate = message.dns_failure_refresh_rate
    at = context.at("dns_failure_refresh_rate")
    base_s = at.duration_s(rate, "base_interval", 5.0) or 5.0
    max_s = at.duration_s(rate, "max_interval", base_s * 10) or base_s * 10
    if max_s < base_s:
        at.error("max_interval", "must be greater than or equal to the base_interval")
    return base_s, max_s


def _rates(message: Any, family: DnsLookupFamily, context: Context) -> DnsPlan:
    """Fields that Cluster and DnsCluster have under the same names."""
    base = DnsPlan()
    if message.HasField("typed_dns_resolver_config"):
        base = context.extension(DNS_RESOLVER, message.typed_dns_resolver_config, "typed_dns_resolver_config") or base
    failure_base_s, failure_max_s = _failure_rate(message, context)
    return replace(
        base,
        refresh_s=context.duration_s(message, "dns_refresh_rate", 5.0) or 5.0,
        failure_base_s=failure_base_s,
        failure_max_s=failure_max_s,
        jitter_s=context.duration_s(message, "dns_jitter", 0.0) or 0.0,
        respect_ttl=message.respect_dns_ttl,
        family=family,
    )


def _servers(addresses: Any, context: Context, field: str) -> tuple[tuple[str, int], ...]:
    servers = []
    for index, address in enumerate(addresses):
        server = address.socket_address
        try:
            servers.append((str(ipaddress.ip_address(server.address)), server.port_value or 53))
        except ValueError:
            context.at(field, index).error("", f"a resolver needs an IP address, not {server.address!r}")
    return tuple(servers)
