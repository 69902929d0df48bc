"""Aggregate clusters: which cluster's hosts are taken, where a request is counted, what a failure of all means."""

from tests.parity.case import Case, answers, ask, get, request, response

_AGGREGATE = """\
connect_timeout: 0.5s
load_assignment: null
lb_policy: CLUSTER_PROVIDED
cluster_type:
  name: envoy.clusters.aggregate
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.clusters.aggregate.v3.ClusterConfig
    clusters: [%s]
"""


def _routes(*members: str, more: str = "") -> str:
    """A route to the aggregate; a comment names the members, so that they exist."""
    return f"# {' '.join(members)}\n- {{match: {{prefix: /}}, route: {{cluster: $up{more}}}, name: all}}"


def _case(name: str, want: str, members: tuple[str, ...], send: object = None, more: str = "", **rest: object) -> Case:
    cluster = _AGGREGATE % ", ".join(members) + str(rest.pop("cluster", ""))
    connections = get("/") if send is None else send
    return Case(f"agg-{name}", want, connections, routes=_routes(*members, more=more), cluster=cluster, **rest)  # type: ignore[arg-type]


_RETRY = ", retry_policy: {retry_on: connect-failure, num_retries: 2}"

_HASHED = ", hash_policy: [{header: {header_name: x}}]"
_AVOIDED = """, retry_policy: {retry_on: connect-failure, num_retries: 3, retry_priority:
  {name: envoy.retry_priorities.previous_priorities, typed_config: {
  "@type": type.googleapis.com/envoy.extensions.retry.priority.previous_priorities.v3.PreviousPrioritiesConfig,
  update_frequency: 1}}}"""

CASES: tuple[Case, ...] = (
    _case("first", "200 200", ("$b", "$c"), get("/1", "/2")),
    _case("first-empty", "200", ("$empty", "$b")),
    _case("all-empty", "503", ("$empty",)),
    _case("dead", "503", ("$dead", "$b")),
    _case("dead-retried", "503", ("$dead", "$b"), more=_RETRY),
    _case("upstream-error", "500", ("$b", "$c"), upstream={"b": answers(response("500 Oops"))}),
    _case("unknown-member", "200", ("nobody", "$b")),
    _case("only-unknown", "503", ("nobody",)),
    _case("breaker", "503", ("$b",), clusters={"b": "circuit_breakers: {thresholds: [{max_requests: 0}]}"}),
    _case("own-breaker", "200", ("$b",), cluster="circuit_breakers: {thresholds: [{max_requests: 0}]}"),
    _case("host-rewrite", "200", ("$b",), more=", auto_host_rewrite: true"),
    _case("timeout", "504", ("$b",), more=", timeout: 0.2s", upstream={"b": answers(())}),
    _case("previous-priorities", "200", ("$dead", "$b", "$c"), more=_AVOIDED),
    _case("all-priorities-tried", "503", ("$dead", "$stuck"), more=_AVOIDED),
    _case("hash", "200", ("$b", "$c"), (ask(request("/", "x: 1")),), more=_HASHED),
    _case("tcp", "", ("$b", "$c"), ((b"ping",),), l4="# $b $c\n- tcp_proxy: {stat_prefix: $id, cluster: $up}"),
)
