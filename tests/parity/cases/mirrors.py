"""Request mirroring: what the other cluster gets, and that the request itself never notices."""

from tests.parity.case import Case, answers, ask, get, request, response
from tests.support.steps import Answers, Close, Step, Wait

_ROUTE = "- {match: {prefix: /}, route: {cluster: $up, request_mirror_policies: [{%s}]%s}}\n"
_OTHER = "- {match: {prefix: /}, route: {cluster: $b}}"


def _case(
    name: str,
    policy: str = "cluster: $b",
    send: tuple[tuple[Step, ...], ...] = get("/"),
    *,
    action: str = "",
    want: str = "200",
    **more: object,
) -> Case:
    routes = _ROUTE % (policy, action) + _OTHER
    # Both requests start at the same time: the copy must have ended before the statistics are read.
    return Case(f"mirror-{name}", want, send, routes=routes, settle_s=0.4, **more)  # type: ignore[arg-type]


_POST = request("/", method="POST", body=b"hello")
_CHUNKED = request("/", "Transfer-Encoding: chunked", method="POST") + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"

CASES: tuple[Case, ...] = (
    _case("get"),
    _case("port-in-host", send=(ask(request("/", host="a.test:8080")),)),
    _case("ipv6-host", send=(ask(request("/", host="[::1]:8080")),)),
    _case("without-suffix", "cluster: $b, disable_shadow_host_suffix_append: true"),
    _case("other-host", "cluster: $b, host_rewrite_literal: other.test"),
    _case("rewritten", action=", prefix_rewrite: /new, host_rewrite_literal: c.test"),
    _case("forwarded-for", send=(ask(request("/", "X-Forwarded-For: 1.2.3.4")),)),
    _case("body", send=(ask(_POST),)),
    _case("chunked", send=(ask(_CHUNKED),)),
    _case("body-in-pieces", send=((_POST[:-2], Wait(0.2), _POST[-2:], Answers(1)),)),
    _case("keep-alive", send=get("/1", "/2", "/3"), want="200 200 200"),
    _case(
        "never",
        "cluster: $b, runtime_fraction: {default_value: {numerator: 0, denominator: HUNDRED}}",
    ),
    _case(
        "always",
        "cluster: $b, runtime_fraction: {default_value: {numerator: 100, denominator: HUNDRED}}",
    ),
    _case("by-header", "cluster_header: x-where", send=(ask(request("/", "X-Where: mirror-by-header-b")),)),
    _case("by-header-absent", "cluster_header: x-where"),
    _case("by-header-unknown", "cluster_header: x-where", send=(ask(request("/", "X-Where: nowhere")),)),
    _case("fails", upstream={"b": answers(response("500 Internal Server Error"))}),
    _case("closes", upstream={"b": answers((Close(),))}),
    _case("large-answer", upstream={"b": answers(response(body=b"y" * 100_000))}),
    _case("dead", "cluster: $dead"),
    _case("empty", "cluster: $empty"),
    _case("timed-out", action=", timeout: 0.2s", upstream={"b": answers((Wait(20.0),))}),
    _case(
        "retried-once",
        action=", retry_policy: {retry_on: 5xx}",
        upstream={"up": answers(response("503 X"), response())},
    ),
    _case("client-breaks-off", send=((_POST[:-2], Wait(0.1), Close()),), want=""),
    Case(
        "mirror-of-the-virtual-host",
        "200 200",
        get("/a", "/b"),
        routes="- {match: {prefix: /a}, route: {cluster: $up}}\n- {match: {prefix: /}, route: {cluster: $up, "
        "request_mirror_policies: [{cluster: $c}]}}",
        vhost="request_mirror_policies: [{cluster: $b}]",
        settle_s=0.4,
    ),
    Case(
        "mirror-of-the-table",
        "200",
        get("/"),
        route_config="request_mirror_policies: [{cluster: $b}, {cluster: $c}]",
        settle_s=0.4,
    ),
)
