"""gRPC calls of HTTP/2 clients: retries, deadlines, local replies, statistics, gRPC-Web in pieces."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from base64 import b64encode
from typing import Any

from tests.parity.case import Case, ask, request
from tests.parity.cases.http2_upstream import HTTP2, fields, from_http2, reply, upstream
from tests.support import h2wire as h2
from tests.support.h2wire import POST, data, head
from tests.support.steps import Wait
from tests.support.upstream import STREAM, Script

MESSAGE = b"\0\0\0\0\2hi"
GRPC = (b"content-type", b"application/grpc")
DONE = [(b"grpc-status", b"0")]
OK = reply(GRPC, body=b"\0\0\0\0\2ok", trailers=DONE)
SLOW = {"up": Script(((Wait(3),),), http2=True)}


def only(status: int, *more: tuple[bytes, bytes]) -> bytes:
    """A trailers-only answer."""
    return reply(GRPC, (b"grpc-status", b"%d" % status), *more, body=None)


def late(status: int) -> bytes:
    """An answer whose status is in its trailers."""
    return reply(GRPC, body=MESSAGE, trailers=[(b"grpc-status", b"%d" % status)])


def call(name: str, *answered: Any, more: h2.Headers = (), sent: bytes = MESSAGE, kind: bytes = b"application/grpc", path: bytes = b"/pkg.Service/Method", want: str = "200", **options: Any) -> Case:  # type: ignore[assignment]
    """A unary call."""
    changed = [(key, path if key == b":path" else value) for key, value in POST]
    opening = head(1, (b"content-type", kind), (b"te", b"trailers"), *more, fields=changed, end=False)
    options.setdefault("up", upstream(*(answered or (OK,))))
    return from_http2(f"grpc-{name}", want, opening + data(1, sent), **options)


def retry(name: str, on: str, *answered: Any, number: int = 1, **options: Any) -> Case:
    """A call that the route retries."""
    routes = f"- {{match: {{prefix: /}}, route: {{cluster: $up, retry_policy: {{retry_on: '{on}', num_retries: {number}, retry_back_off: {{base_interval: 0.001s}}}}}}}}"
    return call(f"retry-{name}", *answered, routes=routes, **options)


def deadline(name: str, value: bytes, limit: str = "grpc_timeout_header_max: 10s", up: Any = SLOW, route: str = "", **options: Any) -> Case:
    """A call with a deadline of the client."""
    duration = f"max_stream_duration: {{{limit}}}" if limit else ""
    inside = ", ".join(part for part in ("cluster: $up", duration, route) if part)
    return call(f"deadline-{name}", more=[(b"grpc-timeout", value)], up=up, routes=f"- {{match: {{prefix: /}}, route: {{{inside}}}}}", **options)


def told(name: str, route: str, value: bytes = b"", **options: Any) -> Case:
    """What the upstream is told of a deadline."""
    more = [(b"grpc-timeout", value)] if value else []
    return call(f"told-{name}", more=more, routes=f"- {{match: {{prefix: /}}, route: {{cluster: $up, {route}}}}}", **options)


def logged(name: str, *answered: Any, **options: Any) -> Case:
    """A call whose status is logged in all ways."""
    return call(f"log-{name}", *answered, log="a=%GRPC_STATUS%~b=%GRPC_STATUS(SNAKE_STRING)%~c=%GRPC_STATUS_NUMBER%~d=%GRPC_STATUS(NUMBER)%\n", **options)


def web2(name: str, *pieces: Any, kind: bytes = b"application/grpc-web-text", accept: bytes = b"", up: Any = OK, want: str = "200") -> Case:
    """A gRPC-Web call of an HTTP/2 client in pieces."""
    extra = [(b"accept", accept)] if accept else []
    opening = head(1, (b"content-type", kind), *extra, fields=[(key, b"/pkg.Service/Method" if key == b":path" else value) for key, value in POST], end=False)
    return from_http2(f"grpc-web-{name}", want, opening, *pieces, up=upstream(up), filters="- grpc_web: {}")


TEXT = b64encode(MESSAGE)
PIECES = (
    head(STREAM, fields=fields(200, GRPC), end=False) + data(STREAM, MESSAGE[:3], False),
    Wait(0.05),
    data(STREAM, MESSAGE[3:] + MESSAGE[:1], False),
    Wait(0.05),
    data(STREAM, MESSAGE[1:], False),
    Wait(0.05),
    head(STREAM, fields=[*DONE, (b"x-t", b"1")]),
)
UPSTREAM = "grpc_stats: {stats_for_all_methods: true, enable_upstream_stats: true}"
STATE = "grpc_stats: {emit_filter_state: true, stats_for_all_methods: false}"
CASES = (
    *(retry(f"{name}-{code}", name, only(code), OK) for name, code in (("cancelled", 1), ("deadline-exceeded", 4), ("internal", 13), ("resource-exhausted", 8), ("unavailable", 14))),
    retry("other", "unavailable", only(13), OK),
    retry("several", "cancelled,internal", only(13), OK),
    retry("late", "unavailable", late(14), OK),
    retry("again", "unavailable", only(14), only(14), OK, number=2),
    retry("too-often", "unavailable", only(14), only(14), OK),
    retry("not-grpc-error", "unavailable", reply(status=503), OK, want="503"),
    retry("gateway", "gateway-error", reply(status=503), OK),
    retry("plain-request", "unavailable", only(14), OK, kind=b"text/plain"),
    retry("header", "unavailable", only(14), OK, more=[(b"x-envoy-retry-grpc-on", b"internal")]),
    deadline("milliseconds", b"800m"),
    deadline("max-duration", b"5S", "max_stream_duration: 0.8s"),
    deadline("seconds-within", b"5S", up=upstream(OK)),
    deadline("nine-digits", b"100000000n", up=upstream(OK)),
    deadline("ignored", b"100m", "", up=upstream(OK)),
    deadline("bad-unit", b"100x", up=upstream(OK)),
    deadline("no-number", b"m", up=upstream(OK)),
    deadline("zero", b"0m"),
    deadline("and-timeout", b"5S", up=upstream(OK), route="timeout: 0.4s"),
    told("microseconds", "max_stream_duration: {grpc_timeout_header_max: 50s}", b"7000001u"),
    told("hours", "max_stream_duration: {grpc_timeout_header_max: 50s}", b"1H"),
    told("offset", "max_stream_duration: {grpc_timeout_header_max: 50s, grpc_timeout_header_offset: 1.6s}", b"7S"),
    told("legacy-offset", "max_grpc_timeout: 50s, grpc_timeout_offset: 1.6s", b"7S"),
    told("nothing", "max_stream_duration: {max_stream_duration: 5s}"),
    told("nothing-limit", "max_stream_duration: {grpc_timeout_header_max: 5s}"),
    told("plain", "max_stream_duration: {grpc_timeout_header_max: 50s, max_stream_duration: 5s}", b"7S", kind=b"text/plain"),
    told("longer", "max_stream_duration: {max_stream_duration: 50s}", b"7S"),
    told("bad", "max_stream_duration: {grpc_timeout_header_max: 9s, max_stream_duration: 6s}", b"7x"),
    told("bad-alone", "max_stream_duration: {grpc_timeout_header_max: 9s}", b"7x"),
    told("both", "max_stream_duration: {grpc_timeout_header_max: 9s, max_stream_duration: 6s}", b"7S"),
    told("no-limit", "max_stream_duration: {grpc_timeout_header_max: 0s}", b"99999999S"),
    told("per-try", "max_stream_duration: {grpc_timeout_header_max: 9s}, retry_policy: {per_try_timeout: 3s}", b"7S"),
    told("timeout", "timeout: 4s", b"7S"),
    told("legacy", "max_grpc_timeout: 5s", b"7S"),
    told("legacy-nothing", "max_grpc_timeout: 5s"),
    told("legacy-no-limit", "max_grpc_timeout: 0s", b"7S"),
    told("legacy-nothing-no-limit", "max_grpc_timeout: 0s"),
    told("legacy-per-try", "max_grpc_timeout: 5s, retry_policy: {per_try_timeout: 3s}", b"7S"),
    told("manager", "priority: HIGH", b"7S", hcm="common_http_protocol_options: {max_stream_duration: 5s}"),
    logged("ok"),
    logged("failed", only(5)),
    logged("late", late(14)),
    logged("unknown", only(99)),
    logged("not-grpc", reply(status=404), want="404"),
    logged("no-route", routes="- {match: {prefix: /nothing}, route: {cluster: $up}}"),
    logged("local", routes="- {match: {prefix: /}, direct_response: {status: 403, body: {inline_string: 'no %'}}}"),
    call("redirect", routes="- {match: {prefix: /}, redirect: {path_redirect: /x}}"),
    call("direct", routes="- {match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hello}}}"),
    call("direct-201", routes="- {match: {prefix: /}, direct_response: {status: 201}}"),
    *(call(f"direct-{code}", routes=f"- {{match: {{prefix: /}}, direct_response: {{status: {code}}}}}") for code in (400, 401, 404, 408, 429, 500, 501, 503, 504)),
    call("rbac", filters="- rbac: {rules: {action: DENY, policies: {p: {permissions: [{any: true}], principals: [{any: true}]}}}}"),
    call("proto-no-route", kind=b"application/grpc+proto", routes="- {match: {prefix: /nothing}, route: {cluster: $up}}"),
    call("suffix-no-route", kind=b"application/grpcx", routes="- {match: {prefix: /nothing}, route: {cluster: $up}}", want="404"),
    call("overflow", clusters={"up": HTTP2[:-1] + ", circuit_breakers: {thresholds: [{max_requests: 0}]}}"}),
    call("mapped", routes="- {match: {prefix: /nothing}, route: {cluster: $up}}", hcm="local_reply_config: {mappers: [{filter: {status_code_filter: {comparison: {op: EQ, value: {default_value: 404, runtime_key: k}}}}, status_code: 503, body: {inline_string: mapped}}]}"),
    call("stats-upstream", OK, filters=f"- {UPSTREAM}"),
    call("stats-upstream-failed", late(5), filters=f"- {UPSTREAM}"),
    call("stats-state", OK, filters=f"- {STATE}", log="s=%FILTER_STATE(envoy.filters.http.grpc_stats:TYPED)%\n"),
    call("stats-web", OK, kind=b"application/grpc-web", filters="- grpc_stats: {stats_for_all_methods: true}"),
    call("stats-path-short", OK, path=b"/Method", filters="- grpc_stats: {stats_for_all_methods: true}"),
    call("stats-not-grpc-answer", reply(status=404), want="404", filters="- grpc_stats: {stats_for_all_methods: true}"),
    call("stats-default", OK, filters="- grpc_stats: {}"),
    web2("pieces-text", data(1, TEXT[:5], False), Wait(0.05), data(1, TEXT[5:])),
    web2("pieces-text-accept", data(1, TEXT), accept=b"application/grpc-web-text", up=PIECES),
    web2("pieces-text-accept-proto", data(1, TEXT), accept=b"application/grpc-web-text+proto", up=PIECES),
    web2("pieces-binary", data(1, MESSAGE[:3], False), Wait(0.05), data(1, MESSAGE[3:]), kind=b"application/grpc-web", up=PIECES),
    web2("empty-body", data(1, b"")),
    web2("only-with-headers", data(1, TEXT), up=only(5, (b"grpc-message", b"gone"), (b"x-y", b"1"))),
    web2("no-trailers", data(1, TEXT), up=reply(GRPC, body=MESSAGE)),
    web2("html", data(1, TEXT), up=reply((b"content-type", b"text/html"), body=b"<p>100%")),
    web2("other-type", data(1, MESSAGE), kind=b"application/grpc-web+json"),
    web2("upper-case", data(1, MESSAGE), kind=b"Application/grpc-web"),
    web2("parameters", data(1, MESSAGE), kind=b"application/grpc-web;charset=utf-8"),
    Case("grpc-web-preflight", "200", (ask(request("/pkg.Service/Method", "Origin: http://o", "Access-Control-Request-Method: POST", method="OPTIONS")),), filters="- grpc_web: {}", cluster=HTTP2, upstream=upstream()),
    Case("grpc-bridge-large", "200", (ask(request("/pkg.Service/Method", "Content-Type: application/grpc", method="POST", body=MESSAGE)),), filters="- grpc_http1_bridge: {}", cluster=HTTP2, upstream=upstream(PIECES)),
    Case("grpc-bridge-message", "503", (ask(request("/pkg.Service/Method", "Content-Type: application/grpc", method="POST", body=MESSAGE)),), filters="- grpc_http1_bridge: {}", cluster=HTTP2, upstream=upstream(reply(GRPC, body=MESSAGE, trailers=[(b"grpc-status", b"x"), (b"grpc-message", b"a%20b")]))),
    Case("grpc-bridge-http10", "200", (ask(request("/pkg.Service/Method", "Content-Type: application/grpc", method="POST", body=MESSAGE, version="HTTP/1.0")),), filters="- grpc_http1_bridge: {}", cluster=HTTP2, hcm="http_protocol_options: {accept_http_10: true}", upstream=upstream(OK)),
    Case("grpc-bridge-no-status", "200", (ask(request("/pkg.Service/Method", "Content-Type: application/grpc", method="POST", body=MESSAGE)),), filters="- grpc_http1_bridge: {}", cluster=HTTP2, upstream=upstream(reply(GRPC, body=MESSAGE, trailers=[(b"x-t", b"1")]))),
    call("cut-after-head", head(STREAM, fields=fields(200, GRPC), end=False) + data(STREAM, MESSAGE, False) + h2.rst(STREAM, 2)),
    call("timeout-after-head", up={"up": Script(((head(STREAM, fields=fields(200, GRPC), end=False) + data(STREAM, MESSAGE, False), Wait(3)),), http2=True)}, routes="- {match: {prefix: /}, route: {cluster: $up, timeout: 0.8s}}"),
    Case("grpc-bridge-cut", "200", (ask(request("/pkg.Service/Method", "Content-Type: application/grpc", method="POST", body=MESSAGE)),), filters="- grpc_http1_bridge: {}", cluster=HTTP2, upstream=upstream(head(STREAM, fields=fields(200, GRPC), end=False) + data(STREAM, MESSAGE, False) + h2.rst(STREAM, 2))),
    Case("grpc-bridge-timeout", "200", (ask(request("/pkg.Service/Method", "Content-Type: application/grpc", method="POST", body=MESSAGE)),), filters="- grpc_http1_bridge: {}", cluster=HTTP2, routes="- {match: {prefix: /}, route: {cluster: $up, timeout: 0.8s}}", upstream={"up": Script(((head(STREAM, fields=fields(200, GRPC), end=False) + data(STREAM, MESSAGE, False), Wait(3)),), http2=True)}),
)  # fmt: skip
