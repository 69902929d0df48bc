"""DNS settings: the cluster's own fields, the DnsCluster extension, the resolvers."""

import pytest

from pyvoy.upstream.cluster_plan import DnsLookupFamily, DnsPlan
from tests.unit.config.compile.cluster_reading import compiled, plan

TYPES = "type.googleapis.com/envoy.extensions."
CARES = TYPES + "network.dns_resolver.cares.v3.CaresDnsResolverConfig"
GETADDRINFO = TYPES + "network.dns_resolver.getaddrinfo.v3.GetAddrInfoDnsResolverConfig"


def dns(text):
    return plan(f"type: STRICT_DNS, {text}").dns


def extension(text):
    kind = TYPES + "clusters.dns.v3.DnsCluster"
    return plan(f"cluster_type: {{name: envoy.cluster.dns, typed_config: {{'@type': {kind}, {text}}}}}").dns


@pytest.mark.parametrize("read", [dns, extension])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", DnsPlan()),
        ("dns_refresh_rate: 1.5s", DnsPlan(refresh_s=1.5)),
        ("dns_jitter: 2s", DnsPlan(jitter_s=2.0)),
        ("respect_dns_ttl: true", DnsPlan(respect_ttl=True)),
        ("dns_failure_refresh_rate: {base_interval: 2s}", DnsPlan(failure_base_s=2.0, failure_max_s=20.0)),
        (
            "dns_failure_refresh_rate: {base_interval: 2s, max_interval: 3s}",
            DnsPlan(failure_base_s=2.0, failure_max_s=3.0),
        ),
        ("dns_lookup_family: AUTO", DnsPlan(family=DnsLookupFamily.AUTO)),
        ("dns_lookup_family: V4_ONLY", DnsPlan(family=DnsLookupFamily.V4_ONLY)),
        ("dns_lookup_family: V6_ONLY", DnsPlan(family=DnsLookupFamily.V6_ONLY)),
        ("dns_lookup_family: V4_PREFERRED", DnsPlan(family=DnsLookupFamily.V4_PREFERRED)),
        ("dns_lookup_family: ALL", DnsPlan(family=DnsLookupFamily.ALL)),
    ],
)
def test_both_spellings_mean_the_same(read, text, expected):
    assert read(text) == expected


def test_servers_of_ones_own():
    found = dns(
        f"typed_dns_resolver_config: {{name: r, typed_config: {{'@type': {CARES}, "
        "resolvers: [{socket_address: {address: 10.0.0.1, port_value: 5353}}, "
        "{socket_address: {address: '::1', port_value: 53}}], query_timeout_seconds: 2, query_tries: 1, "
        "dns_resolver_options: {use_tcp_for_dns_lookups: true, no_default_search_domain: true}}}, "
        "dns_refresh_rate: 3s"
    )
    assert found == DnsPlan(
        refresh_s=3.0,
        resolvers=(("10.0.0.1", 5353), ("::1", 53)),
        use_tcp=True,
        no_search_domain=True,
        query_timeout_s=2.0,
        query_tries=1,
    )


def test_the_systems_resolver():
    found = dns(f"typed_dns_resolver_config: {{name: r, typed_config: {{'@type': {GETADDRINFO}}}}}")
    assert found.system


def test_tcp_by_the_clusters_own_field():
    assert dns("use_tcp_for_dns_lookups: true").use_tcp


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "dns_failure_refresh_rate: {base_interval: 5s, max_interval: 2s}",
            "dns_failure_refresh_rate.max_interval: must be greater than or equal to the base_interval",
        ),
        (
            f"typed_dns_resolver_config: {{name: r, typed_config: {{'@type': {CARES}, "
            "resolvers: [{socket_address: {address: dns.example, port_value: 53}}]}}",
            "typed_dns_resolver_config.typed_config.resolvers[0]: a resolver needs an IP address, not 'dns.example'",
        ),
    ],
)
def test_what_is_refused(text, problem):
    _, problems = compiled(f"type: STRICT_DNS, {text}")
    assert [each.partition(": error: ")[2] for each in problems] == [problem]
