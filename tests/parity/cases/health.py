"""Active health checks.  Upstreams of a case begin when its turn comes, so that the one check at the start fails."""

from tests.parity.case import Case, ask, get, request
from tests.parity.cases.http2_upstream import HTTP2, reply, upstream

_CHECK = (
    "health_checks: [{timeout: 2s, interval: 600s, no_traffic_interval: 600s, unhealthy_threshold: 2, "
    "healthy_threshold: 2, %s}]"
)
HTTP = _CHECK % "http_health_check: {path: /healthz}"
GRPC = _CHECK % "grpc_health_check: {service_name: s}"
TCP = _CHECK % "tcp_health_check: {}"


def endpoint(port: str, check: str = "") -> str:
    """An endpoint on this port; `check` is its health_check_config."""
    return f"{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}{check}}}}}"


UNCHECKED = ", health_check_config: {disable_active_health_check: true}"


def hosts(*endpoints: str) -> str:
    """A load assignment."""
    return f"load_assignment: {{cluster_name: x, endpoints: [{{lb_endpoints: [{', '.join(endpoints)}]}}]}}"


def priorities(*groups: str) -> str:
    """A load assignment with one priority for each group of endpoints."""
    listed = ", ".join(f"{{priority: {place}, lb_endpoints: [{group}]}}" for place, group in enumerate(groups))
    return f"load_assignment: {{cluster_name: x, endpoints: [{listed}]}}"


BOTH = "- {match: {prefix: /b}, route: {cluster: $b}}\n- {match: {prefix: /}, route: {cluster: $up}}"

CASES: tuple[Case, ...] = (
    Case(
        "hc-failed-host-gets-nothing",
        "200 200 200 200",
        get("/1", "/2", "/3", "/4"),
        routes=BOTH,
        cluster=f"{hosts(endpoint('$up_port', UNCHECKED), endpoint('$b_port'))}\n{HTTP}",
    ),
    Case("hc-all-failed-panic", "200 200", get("/1", "/2"), cluster=HTTP),
    Case(
        "hc-all-failed-no-panic",
        "503",
        get("/"),
        cluster=f"{HTTP}\ncommon_lb_config: {{healthy_panic_threshold: {{value: 0}}}}",
    ),
    Case(
        "hc-tcp-failed-host-gets-nothing",
        "200 200 200",
        get("/1", "/2", "/3"),
        routes=BOTH,
        cluster=f"{hosts(endpoint('$b_port'), endpoint('$up_port', UNCHECKED))}\n{TCP}",
    ),
    Case(
        "hc-grpc-failed-host-gets-nothing",
        "200 200 200",
        get("/1", "/2", "/3"),
        routes=BOTH,
        cluster=f"{hosts(endpoint('$b_port'), endpoint('$up_port', UNCHECKED))}\n{GRPC}\n{HTTP2[1:-1]}",
        upstream=upstream(reply()),
    ),
    Case(
        "hc-failover-to-the-next-priority",
        "200 200 200",
        get("/1", "/2", "/3"),
        routes=BOTH,
        cluster=f"{priorities(endpoint('$b_port'), endpoint('$up_port', UNCHECKED))}\n{HTTP}",
    ),
    Case(
        "hc-min-healthy-percentage",
        "503",
        (ask(request("/hc")),),
        cluster=HTTP,
        filters=(
            "- health_check: {pass_through_mode: false, headers: [{name: ':path', string_match: {exact: /hc}}], "
            "cluster_min_healthy_percentages: {$up: {value: 50}}}"
        ),
    ),
)
