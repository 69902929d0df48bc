"""Names and values of all counters and gauges of one simple HTTP and one simple TCP listener."""


from tests.parity.case import Case, ask, get, request, tunnel
from tests.support.steps import Close, Until, UntilEnd

CASES = (
    Case("stats-http", "200 200 404 503", (
        ask(request("/1"), request("/2", method="POST", body=b"abc"), request("/none"), request("/dead")),), routes="""
- {match: {prefix: /none}, direct_response: {status: 404}}
- {match: {prefix: /dead}, route: {cluster: $dead}}
- {match: {prefix: /}, route: {cluster: $up}}""", all_stats=True),
    Case("stats-http-untouched", "", (), all_stats=True),
    Case("stats-tcp", "", ((b"ping", Until(b"pong"), UntilEnd()),), all_stats=True,
         l4="- tcp_proxy: {stat_prefix: $id, cluster: $up}",
         upstream={"up": tunnel(Until(b"ping"), b"pong", Close())}),
    Case("stats-tcp-untouched", "", (), all_stats=True, l4="- tcp_proxy: {stat_prefix: $id, cluster: $up}"),
    Case("stats-virtual-cluster", "200 200", get("/a", "/b"), all_stats=True, vhost="""
virtual_clusters: [{name: va, headers: [{name: ':path', string_match: {exact: /a}}]}]"""),
    Case("stats-route-prefix", "200", get("/a"), routes="""
- {match: {prefix: /}, route: {cluster: $up}, stat_prefix: $id}"""),
)
