"""Dynamic forward proxy: where a request goes is what its host says."""

from tests.parity.case import Case, ask, request

_CACHE = "dns_cache_config: {name: $id, dns_lookup_family: V4_ONLY, dns_refresh_rate: 3600s%s}"
"""By default names are asked for anew after a minute, which is about as long as all cases take: one of the two proxies
would have counted that."""
_CLUSTER = """\
load_assignment: null
lb_policy: CLUSTER_PROVIDED
cluster_type:
  name: envoy.clusters.dynamic_forward_proxy
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig
"""
_FILTER = "- dynamic_forward_proxy: {%s}"
_REWRITE = "- {match: {prefix: /}, route: {cluster: $up}, per_filter: {dynamic_forward_proxy: {%s}}} # $b"
_OTHER = "- {match: {prefix: /}, route: {cluster: $b}} # $up"
_B = "- {match: {prefix: /}, route: {cluster: $up}, name: all} # $b"


def _case(name: str, want: str, send: object, cache: str = "", routes: str = _B, **rest: object) -> Case:
    config = _CACHE % cache
    cluster = _CLUSTER + "    " + config
    filters = str(rest.pop("filters", _FILTER % config))
    return Case(f"dfp-{name}", want, send, routes=routes, cluster=cluster, filters=filters, **rest)  # type: ignore[arg-type]


def _ask(*hosts: str) -> object:
    return (ask(*(request("/", host=host) for host in hosts)),)


CASES: tuple[Case, ...] = (
    _case("literal", "200", _ask("x"), routes=_REWRITE % "host_rewrite_literal: '127.0.0.1:$b_port'"),
    _case("name", "200", _ask("x"), routes=_REWRITE % "host_rewrite_literal: 'localhost:$b_port'"),
    _case(
        "twice",
        "200 200",
        _ask("x", "y"),
        routes=_REWRITE % "host_rewrite_literal: 'localhost:$b_port'",
    ),
    _case(
        "header",
        "503",
        (ask(request("/", "x-to: 127.0.0.1:1")),),
        routes=_REWRITE % "host_rewrite_header: x-to",
        all_stats=True,
    ),
    _case(
        "header-absent",
        "503",
        _ask("127.0.0.1:1"),
        routes=_REWRITE % "host_rewrite_header: x-to",
    ),
    _case("refused", "503", _ask("127.0.0.1:1")),
    _case("no-such-name", "503 503", _ask("no-such-name.invalid", "no-such-name.invalid")),
    _case("overflow", "503 503", _ask("127.0.0.1:1", "127.0.0.2:1"), ", max_hosts: 1"),
    _case("pending-overflow", "503", _ask("127.0.0.1:1"), ", dns_cache_circuit_breaker: {max_pending_requests: 0}"),
    _case("other-cluster", "200", _ask("no-such-name.invalid"), routes=_OTHER),
)
