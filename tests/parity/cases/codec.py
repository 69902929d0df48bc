"""The HTTP/1 codec: keep-alive, pipelining, chunks, trailers, 100-continue, HTTP/1.0, upgrades, CONNECT."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, ask, get, request, response, tunnel
from tests.support.steps import Answers, Close, Drip, Fin, Reset, Until, UntilEnd, Wait

CHUNKED = request("/", "Transfer-Encoding: chunked", method="POST")
WEBSOCKET = request("/ws", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                    "Sec-WebSocket-Version: 13")
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n"
UPGRADE = "upgrade_configs: [{upgrade_type: websocket}]"
CONNECT = request("b.test:443", host="b.test:443", method="CONNECT")
CONNECTS = "upgrade_configs: [{upgrade_type: CONNECT}]"
CONNECT_ROUTE = "- {match: {connect_matcher: {}}, route: {cluster: $up, " \
    "upgrade_configs: [{upgrade_type: CONNECT, connect_config: {}}]}}"
HTTP10 = "http_protocol_options: {accept_http_10: true}"
TRAILED = CHUNKED.replace(b"\r\n\r\n", b"\r\nTE: trailers\r\n\r\n") + b"3\r\nabc\r\n0\r\nX-T: v\r\nX-U: w\r\n\r\n"
UP_TRAILED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n3\r\nabc\r\n0\r\nX-T: v\r\n\r\n"
UP_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
TRAILERS_UP = """
typed_extension_protocol_options:
  envoy.extensions.upstreams.http.v3.HttpProtocolOptions:
    "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions
    explicit_http_config: {http_protocol_options: {enable_trailers: true}}"""


def raw10(*lines: str, target: str = "/", **more: object) -> bytes:
    return request(target, *lines, version="HTTP/1.0", **more)  # type: ignore[arg-type]


CASES = (
    Case("codec-keep-alive", "200 200 200", get("/1", "/2", "/3")),
    Case("codec-connection-close", "200", (ask(request("/", "Connection: close")),)),
    Case("codec-connection-close-pipelined", "200", ((request("/", "Connection: close") + request("/2"), Answers(1)),)),
    Case("codec-pipeline", "200 200 200", ((request("/1") + request("/2") + request("/3"), Answers(3)),)),
    Case("codec-pipeline-bodies", "200 200", (
        (request("/1", method="POST", body=b"abc") + CHUNKED + b"2\r\nde\r\n0\r\n\r\n", Answers(2)),)),
    *(Case(f"codec-pipeline-then-{name}", "", ((request("/1") + request("/2"), Wait(0.3), *(more and (more, Wait(0.2))), step),),
           upstream={"up": answers((Wait(1.0), response()))}, settle_s=0.3)
      for name, more, step in (("gone", b"", Close()), ("end", b"", Fin()), ("more-and-gone", request("/3") + request("/4"), Close()))),
    Case("codec-pipeline-one-by-one", "200 200 200 200 200", ((request("/1"), Wait(0.1), request("/2"), Wait(0.1), request("/3") + request("/4")[:20], Wait(0.4), request("/4")[20:], Answers(4), request("/5"), Answers(5)),),
        upstream={"up": answers((Wait(0.3), response()), response())}),
    Case("codec-pipeline-big-body", "200 200", ((request("/1"), Wait(0.1), request("/2", body=b"x" * 3_000_000, method="POST"), Answers(2, 10.0)),),
        upstream={"up": answers((Wait(0.5), response()), response())}),
    Case("codec-pipeline-slow-first", "200 201", ((request("/1") + request("/2"), Answers(2)),),
         upstream={"up": answers((Wait(0.2), response()), response("201 Created"))}),
    Case("codec-pipeline-bad-second", "200 400", ((request("/1") + b"BAD\r\n\r\n", Answers(2)),)),
    Case("codec-drip", "200", ((Drip(request("/x?y=z", "X-A: b", method="POST", body=b"hello")), Answers(1)),)),
    Case("codec-drip-chunked", "200", ((Drip(CHUNKED + b"5;ext=1\r\nhello\r\n0\r\nX-T: v\r\n\r\n"), Answers(1)),)),
    Case("codec-leading-crlf", "200 200", ((b"\r\n\r\n" + request("/1") + b"\r\n" + request("/2"), Answers(2)),)),
    Case("codec-chunked-request", "200", (ask(CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"),)),
    Case("codec-chunked-response", "200", get("/"), upstream={"up": answers(UP_CHUNKED)}),
    Case("codec-chunked-response-slow", "200", get("/"), upstream={"up": answers(
        (UP_CHUNKED[:55], Wait(0.1), UP_CHUNKED[55:]))}),
    Case("codec-close-delimited", "200", get("/"), upstream={"up": answers(
        (b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello", Wait(0.05), b" world", Close()))}),
    Case("codec-close-delimited-http10-up", "200", get("/"), upstream={"up": answers(
        (b"HTTP/1.0 200 OK\r\n\r\nhello", Wait(0.05), Close()))}),
    Case("codec-empty-post", "200", (ask(request("/", method="POST", body=b"")),)),
    Case("codec-post-without-length", "200", (ask(request("/", method="POST")),)),
    Case("codec-get-with-body", "200", (ask(request("/", body=b"hello")),)),
    Case("codec-methods", "200 200 200 200 200 200 200", (ask(*(
        request("/", method=m) for m in ("HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PROPFIND"))),),
        upstream={"up": answers(response(body=b""))}),
    Case("codec-head", "200 200", (ask(request("/", method="HEAD"), request("/")),),
         upstream={"up": answers(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", response())}),
    Case("codec-head-chunked", "200 200", (ask(request("/", method="HEAD"), request("/")),),
         upstream={"up": answers(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", response())}),
    Case("codec-204", "204 200", get("/", "/"), upstream={"up": answers(
        b"HTTP/1.1 204 No Content\r\nX-A: b\r\n\r\n", response())}),
    Case("codec-304", "304 200", get("/", "/"), upstream={"up": answers(
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nETag: x\r\n\r\n", response())}),
    Case("codec-205", "205", get("/"), upstream={"up": answers(response("205 Reset Content", body=b""))}),
    Case("codec-reason-phrase", "200 499", get("/", "/"), upstream={"up": answers(
        response("200 Fine By Me"), response("499 Odd One"))}),
    Case("codec-no-length-no-body", "200 200", get("/", "/"), upstream={"up": answers(
        response(body=b""), response(body=b""))}),
    Case("codec-trailers-dropped", "200", (ask(TRAILED),), upstream={"up": answers(UP_TRAILED)}),
    Case("codec-trailers-kept", "200", (ask(TRAILED),), upstream={"up": answers(UP_TRAILED)},
         hcm="http_protocol_options: {enable_trailers: true}", cluster=TRAILERS_UP),
    Case("codec-100-continue", "100 200", (
        (request("/", "Expect: 100-continue", "Content-Length: 5", method="POST"), Until(b"100 Continue"), b"hello",
         Answers(1)),)),
    Case("codec-100-continue-proxied", "100 200", (
        (request("/", "Expect: 100-continue", "Content-Length: 5", method="POST"), Until(b"100 Continue"), b"hello",
         Answers(1)),), hcm="proxy_100_continue: true",
        upstream={"up": answers((b"HTTP/1.1 100 Continue\r\n\r\n", Wait(0.2), response()), early=True)}),
    Case("codec-100-continue-body-sent", "100 200", (
        (request("/", "Expect: 100-continue", "Content-Length: 5", method="POST") + b"hello", Answers(1)),)),
    Case("codec-100-continue-no-body", "100 200", ((request("/", "Expect: 100-continue"), Answers(1)),)),
    Case("codec-upstream-100", "200", get("/"), upstream={"up": answers(
        b"HTTP/1.1 100 Continue\r\n\r\n" + response())}),
    Case("codec-upstream-103", "200", get("/"), upstream={"up": answers(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response())}),
    Case("codec-http10", "200", ((raw10(), Answers(1)),), hcm=HTTP10),
    Case("codec-http10-keep-alive", "200 200", ((raw10("Connection: keep-alive"), Answers(1),
                                                 raw10("Connection: keep-alive"), Answers(2)),), hcm=HTTP10),
    Case("codec-http10-no-host", "400", ((raw10(host=None), Answers(1)),), hcm=HTTP10),
    Case("codec-http10-default-host", "200", ((raw10(host=None), Answers(1)),),
         hcm="http_protocol_options: {accept_http_10: true, default_host_for_http_10: d.test}"),
    Case("codec-http10-chunked-response", "200", ((raw10(), Answers(1)),), hcm=HTTP10,
         upstream={"up": answers(UP_CHUNKED)}),
    Case("codec-http10-post", "200", ((raw10(method="POST", body=b"abc"), Answers(1)),), hcm=HTTP10),
    Case("codec-upstream-close-header", "200 200", get("/", "/"), upstream={"up": answers(
        (response("200 OK", "Connection: close"), Close()), response())}),
    Case("codec-upstream-http10-keep-alive", "200 200", get("/", "/"), upstream={"up": answers(
        b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok")}),
    Case("codec-duplicate-headers", "200", (ask(request("/", "X-A: 1", "x-a: 2", "Cookie: a=1", "Cookie: b=2")),),
         upstream={"up": answers(response("200 OK", "Set-Cookie: a=1", "Set-Cookie: b=2", "Vary: a", "Vary: b"))}),
    Case("codec-header-whitespace", "200", (ask(request("/", "X-A:   padded \t ", "X-B:", "X-C:\tt")),)),
    Case("codec-header-obs-text", "200", (ask(request("/", "X-A: caf\xe9")),)),
    Case("codec-half-close", "", ((request("/"), Fin(), Answers(1)),), upstream={"up": answers((Wait(0.3), response()))}),
    Case("codec-half-close-post", "", ((request("/", method="POST", body=b"abc"), Fin(), Answers(1)),),
         upstream={"up": answers((Wait(0.3), response()))}),
    Case("codec-early-response", "413", ((request("/", "Content-Length: 100", method="POST") + b"part", Answers(1)),),
         upstream={"up": answers(response("413 Too Large"), early=True)}),
    Case("codec-early-response-then-rest", "413", (
        (request("/", "Content-Length: 8", method="POST") + b"part", Answers(1), b"rest", request("/2"), Answers(2)),),
        upstream={"up": answers(response("413 Too Large"), response(), early=True)}),
    Case("codec-client-aborts", "", ((request("/"), Wait(0.2), Close()),), upstream={"up": answers(
        (Wait(0.5), response()))}),
    Case("codec-client-aborts-body", "", ((request("/", "Content-Length: 100", method="POST") + b"part", Wait(0.2),
                                           Close()),)),
    Case("upgrade-websocket", "101", ((WEBSOCKET, Until(b"101"), b"ping", Until(b"pong"), b"bye", Fin(), UntilEnd()),),
         hcm=UPGRADE, upstream={"up": answers((SWITCH, Until(b"ping"), b"pong", Until(b"bye"), Close()), early=True)}),
    Case("upgrade-upstream-closes", "101", ((WEBSOCKET, Until(b"101"), UntilEnd()),), hcm=UPGRADE,
         upstream={"up": answers((SWITCH, b"hello", Wait(0.1), Close()), early=True)}),
    Case("upgrade-refused-by-upstream", "403", ((WEBSOCKET, Answers(1)),), hcm=UPGRADE,
         upstream={"up": answers(response("403 Forbidden"), early=True)}),
    Case("upgrade-accepted-with-200", "200", ((WEBSOCKET, Answers(1)),), hcm=UPGRADE,
         upstream={"up": answers(response(), early=True)}),
    Case("upgrade-early-data", "101", ((WEBSOCKET + b"early", Until(b"pong")),), hcm=UPGRADE,
         upstream={"up": answers((Wait(0.1), SWITCH, Until(b"early"), b"pong"), early=True)}),
    Case("upgrade-case-insensitive", "101", ((WEBSOCKET.replace(b"websocket", b"WebSocket"), Until(b"101")),),
         hcm=UPGRADE, upstream={"up": answers((SWITCH,), early=True)}),
    Case("upgrade-route-disabled", "403", ((WEBSOCKET, Answers(1)),), hcm=UPGRADE, routes="""
- {match: {prefix: /}, route: {cluster: $up, upgrade_configs: [{upgrade_type: websocket, enabled: false}]}}"""),
    Case("upgrade-route-enabled", "101", ((WEBSOCKET, Until(b"101")),), routes="""
- {match: {prefix: /}, route: {cluster: $up, upgrade_configs: [{upgrade_type: websocket}]}}""",
         upstream={"up": answers((SWITCH,), early=True)}),
    Case("upgrade-unasked-101", "101", get("/"), upstream={"up": answers(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n")}),
    Case("connect-terminated", "200", ((CONNECT, Until(b"200"), b"ping", Until(b"pong")),), hcm=(
        "upgrade_configs: [{upgrade_type: CONNECT}]"), routes=CONNECT_ROUTE,
        upstream={"up": tunnel(Until(b"ping"), b"pong")}),
    Case("connect-upstream-refuses", "503", ((CONNECT, Answers(1)),), hcm="upgrade_configs: [{upgrade_type: CONNECT}]",
         routes=CONNECT_ROUTE.replace("$up", "$dead")),
    Case("connect-forwarded", "200", ((CONNECT, Until(b"200"), b"ping", Until(b"pong")),), hcm=(
        "upgrade_configs: [{upgrade_type: CONNECT}]"),
        routes="- {match: {connect_matcher: {}}, route: {cluster: $up}}",
        upstream={"up": answers((b"HTTP/1.1 200 OK\r\n\r\n", Until(b"ping"), b"pong"), early=True)}),
    Case("connect-forwarded-early-bytes", "200", ((CONNECT + b"early", Until(b"pong")),), hcm=CONNECTS,
        routes="- {match: {connect_matcher: {}}, route: {cluster: $up}}",
        upstream={"up": answers((Wait(0.2), b"HTTP/1.1 200 OK\r\n\r\n", Until(b"early"), b"pong"), early=True)}),
    Case("connect-forwarded-early-bytes-refused", "403", ((CONNECT + b"early", Answers(1)),), hcm=CONNECTS,
        routes="- {match: {connect_matcher: {}}, route: {cluster: $up}}",
        upstream={"up": answers((Wait(0.2), response("403 Forbidden")), early=True)}),
    Case("connect-early-bytes", "200", ((CONNECT + b"early", Until(b"pong")),), hcm=CONNECTS, routes=CONNECT_ROUTE,
        upstream={"up": tunnel(Until(b"early"), b"pong")}),
    Case("connect-client-ends", "200", ((CONNECT, Until(b"200"), b"ping", Fin(), Until(b"pong"), UntilEnd(2.0)),),
        hcm=CONNECTS, routes=CONNECT_ROUTE, upstream={"up": tunnel(Until(b"ping"), UntilEnd(1.0), b"pong", Close())}),
    Case("connect-upstream-ends", "200", ((CONNECT, Until(b"bye"), UntilEnd(2.0)),), hcm=CONNECTS, routes=CONNECT_ROUTE,
        upstream={"up": tunnel(b"bye", Wait(0.1), Close())}),
    Case("connect-upstream-half-closes", "200", ((CONNECT, Until(b"bye"), b"more", UntilEnd(2.0)),), hcm=CONNECTS,
        routes=CONNECT_ROUTE, upstream={"up": tunnel(b"bye", Fin(), Wait(0.5))}),
    Case("connect-upstream-resets", "200", ((CONNECT, Until(b"200"), b"ping", UntilEnd(2.0)),), hcm=CONNECTS,
        routes=CONNECT_ROUTE, upstream={"up": tunnel(Until(b"ping"), Reset())}),
    Case("connect-client-leaves", "200", ((CONNECT, Until(b"200"), b"ping", Until(b"pong"), Close()),), hcm=CONNECTS,
        routes=CONNECT_ROUTE, upstream={"up": tunnel(Until(b"ping"), b"pong", UntilEnd(1.0))}),
    Case("connect-retried", "503", ((CONNECT, Answers(1)),), hcm=CONNECTS,
        routes=CONNECT_ROUTE.replace("$up, ", "$dead, retry_policy: {retry_on: connect-failure, num_retries: 1}, ")),
    Case("connect-no-host", "503", ((CONNECT, Answers(1)),), hcm=CONNECTS, routes=CONNECT_ROUTE.replace("$up", "$empty")),
    Case("connect-timeout", "503", ((CONNECT, Answers(1)),), hcm=CONNECTS, routes=CONNECT_ROUTE.replace("$up", "$stuck")),
    Case("connect-get-beside", "404", get("/"), hcm=CONNECTS, routes=CONNECT_ROUTE),
    Case("connect-large", "200", ((CONNECT, Until(b"200"), b"x" * 300_000, Until(b"done")),), hcm=CONNECTS,
        routes=CONNECT_ROUTE, upstream={"up": tunnel(Until(b"x" * 300_000), b"y" * 300_000 + b"done")}),
)
