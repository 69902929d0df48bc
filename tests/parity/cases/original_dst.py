"""Clusters of type ORIGINAL_DST: hosts by header, by PROXY protocol, and none."""

from tests.parity.case import Case, ask, get, request, tunnel
from tests.support.steps import Until, UntilEnd, Wait

_PLAIN = "type: ORIGINAL_DST\nlb_policy: CLUSTER_PROVIDED\nload_assignment: null"
_HEADER = f"{_PLAIN}\noriginal_dst_lb_config: {{use_http_header: true%s}}"
_BOTH = "- {match: {prefix: /never}, route: {cluster: $b}}\n- {match: {prefix: /}, route: {cluster: $up}}"
_SET = (
    "- header_mutation: {mutations: {request_mutations: [{append: {header: {key: %s, value: '127.0.0.1:$b_port'}}}]}}"
)
_PROXY = b"PROXY TCP4 127.0.0.1 127.0.0.1 1000 %d\r\n"

CASES: tuple[Case, ...] = (
    Case(
        "odst-header",
        "200 200",
        get("/1", "/2"),
        routes=_BOTH,
        cluster=_HEADER % "",
        filters=_SET % "x-envoy-original-dst-host",
    ),
    Case(
        "odst-other-header",
        "200",
        get("/"),
        routes=_BOTH,
        cluster=_HEADER % ", http_header_name: x-where",
        filters=_SET % "x-where",
    ),
    Case("odst-no-destination", "503", get("/"), cluster=_PLAIN),
    Case(
        "odst-header-not-used",
        "503",
        get("/"),
        routes=_BOTH,
        cluster=_PLAIN,
        filters=_SET % "x-envoy-original-dst-host",
    ),
    *(
        Case(
            f"odst-bad-header-{number}",
            "503",
            (ask(request("/", f"x-envoy-original-dst-host: {value}")),),
            cluster=_HEADER % "",
        )
        for number, value in enumerate(("nonsense", "127.0.0.1", "name.test:80", "127.0.0.1:99999", "[::1]"))
    ),
    Case(
        "odst-port-override",
        "200",
        (ask(request("/", "x-envoy-original-dst-host: 127.0.0.1:1")),),
        routes=_BOTH,
        cluster=_HEADER % ", upstream_port_override: $b_port",
    ),
    Case(
        "odst-tcp-proxy-protocol",
        "",
        ((_PROXY % 1, b"ping", UntilEnd(1.0)),),
        l4="- tcp_proxy: {stat_prefix: $id, cluster: $up}",
        listener="listener_filters: [{proxy_protocol: {}}]",
        cluster=_PLAIN,
    ),
    Case(
        "odst-tcp-proxy-protocol-port",
        "",
        ((_PROXY % 1, b"ping", Until(b"pong"), Wait(0.1)),),
        l4="- tcp_proxy: {stat_prefix: $id, cluster: $up}\n# $b_port $b",
        listener="listener_filters: [{proxy_protocol: {}}]",
        cluster=f"{_PLAIN}\noriginal_dst_lb_config: {{upstream_port_override: $b_port}}",
        upstream={"b": tunnel(Until(b"ping"), b"pong")},
    ),
    Case(
        "odst-tcp-no-destination",
        "",
        ((b"ping", UntilEnd(1.0)),),
        l4="- tcp_proxy: {stat_prefix: $id, cluster: $up}",
        cluster=_PLAIN,
    ),
)
