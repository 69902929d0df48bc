"""HTTP/2 to upstreams, from clients of both kinds: messages, pools, resets, GOAWAY, bridged upgrades."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, ask, request
from tests.support import h2wire as h2
from tests.support.h2wire import GET, POST, data, head, opening
from tests.support.steps import Answers, Close, Reset, Step, Until, Wait
from tests.support.upstream import STREAM, Script

_TYPE = "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
WEBSOCKET = ("Connection: Upgrade", "Upgrade: websocket")


def options(config: str, more: str = "") -> str:
    """A cluster's HttpProtocolOptions."""
    return f"{{typed_extension_protocol_options: {{envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {{'@type': {_TYPE}, {config}}}}}{more}}}"


HTTP2 = options("explicit_http_config: {http2_protocol_options: {}}")
FOLLOW = options("use_downstream_protocol_config: {http2_protocol_options: {}}")
CONNECT = options("explicit_http_config: {http2_protocol_options: {allow_connect: true}}")


def fields(status: int = 200, *more: tuple[bytes, bytes]) -> h2.Headers:
    """A response's fields."""
    return [(b":status", b"%d" % status), *more]


def reply(*more: tuple[bytes, bytes], status: int = 200, body: bytes | None = b"ok", trailers: h2.Headers | None = None) -> bytes:
    """A response as frames."""
    parts = [head(STREAM, fields=fields(status, *more), end=body is None and trailers is None)]
    if body is not None:
        parts.append(data(STREAM, body, end=trailers is None))
    if trailers is not None:
        parts.append(head(STREAM, fields=trailers))
    return b"".join(parts)


def upstream(*given: bytes | tuple[Step, ...], early: bool = False, values: tuple[tuple[int, int], ...] = ()) -> dict[str, Script]:
    """An HTTP/2 upstream with these answers."""
    script = answers(*(given or (reply(),)), early=early)
    return {"up": Script(script.answers, early=early, http2=True, settings=values)}


def from_http1(name: str, want: str, *requests: bytes, up: dict[str, Script] | None = None, **more: object) -> Case:
    """An HTTP/1 client, an HTTP/2 upstream."""
    more.setdefault("cluster", HTTP2)
    return Case(f"up2-{name}", want, (ask(*(requests or (request(),))),), upstream=up or upstream(), **more)  # type: ignore[arg-type]


def from_http2(name: str, want: str, *steps: Step, up: dict[str, Script] | None = None, count: int = 1, **more: object) -> Case:
    """An HTTP/2 client, an HTTP/2 upstream."""
    more.setdefault("cluster", HTTP2)
    start = opening() + steps[0] if steps and isinstance(steps[0], bytes) else opening()
    return Case(f"up2-h2-{name}", want, ((start, *steps[1:], Answers(count, 3.0)),), upstream=up or upstream(), **more)  # type: ignore[arg-type]


RETRY = "- {match: {prefix: /}, route: {cluster: $up, retry_policy: {retry_on: '%s', num_retries: 1}}}"
UPGRADE = "upgrade_configs: [{upgrade_type: websocket}]"
CASES = (
    from_http1("get", "200"),
    from_http1("get-length", "200", up=upstream(reply((b"content-length", b"2"), (b"content-type", b"text/plain")))),
    from_http1("two-in-turn", "200 200", request("/1"), request("/2")),
    from_http1("head", "200", request(method="HEAD"), up=upstream(reply((b"content-length", b"5"), body=None))),
    from_http1("no-body", "204", up=upstream(reply(status=204, body=None))),
    from_http1("post", "200", request(method="POST", body=b"hello")),
    from_http1("post-chunked", "200", request("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n0\r\n\r\n"),
    from_http1("trailers", "200", up=upstream(reply(trailers=[(b"x-t", b"1")]))),
    from_http1("trailers-to-http1", "200", up=upstream(reply(trailers=[(b"x-t", b"1")])), hcm="http_protocol_options: {enable_trailers: true}"),
    from_http1("request-trailers", "200", request("/", "Transfer-Encoding: chunked", method="POST") + b"2\r\nhi\r\n0\r\nx-t: 1\r\n\r\n", hcm="http_protocol_options: {enable_trailers: true}"),
    from_http1("hop-by-hop", "200", request("/", "Connection: keep-alive, x-a", "Keep-Alive: 5", "X-A: 1", "TE: trailers", "X-B: 2")),
    from_http1("cookies", "200", request("/", "Cookie: a=1", "Cookie: b=2")),
    from_http1("status-404", "404", up=upstream(reply(status=404))),
    from_http1("interim", "200", up=upstream(head(STREAM, fields=fields(103), end=False) + reply())),
    from_http1("legacy-option", "200", cluster="{http2_protocol_options: {}}"),
    from_http1("follows-http1", "200", cluster=FOLLOW, up={"up": answers()}),
    from_http1("refused", "503", routes="- {match: {prefix: /}, route: {cluster: $dead}}", clusters={"dead": HTTP2}),
    from_http1("reset", "503", up=upstream(h2.rst(STREAM, 2))),
    from_http1("reset-refused", "503", up=upstream(h2.rst(STREAM, 7))),
    from_http1("reset-no-error", "503", up=upstream(h2.rst(STREAM, 0))),
    from_http1("reset-in-body", "200", up=upstream(head(STREAM, fields=fields(), end=False) + data(STREAM, b"part", end=False) + h2.rst(STREAM, 2))),
    from_http1("close", "503", up=upstream((Close(),))),
    from_http1("tcp-reset", "503", up=upstream((Reset(),))),
    from_http1("close-in-body", "200", up=upstream((head(STREAM, fields=fields(), end=False) + data(STREAM, b"part", end=False), Wait(0.1), Close()))),
    from_http1("not-http2", "502", up={"up": Script(raw=((b"HTTP/1.1 400 Bad Request\r\n\r\n",),))}),
    from_http1("goaway-then-next", "200 200", request("/1"), request("/2"), up=upstream((h2.goaway(1) + reply(),), (reply(),))),
    from_http1("goaway-untaken", "503", up=upstream(h2.goaway(0))),
    from_http1("bad-status", "502", up=upstream(head(STREAM, fields=[(b":status", b"abc")]))),
    from_http1("no-status", "502", up=upstream(head(STREAM, fields=[(b"x", b"y")]))),
    from_http1("bad-name", "502", up=upstream(reply((b"X-Upper", b"y")))),
    from_http1("connection-field", "502", up=upstream(reply((b"connection", b"close")))),
    from_http1("too-short", "200", up=upstream(reply((b"content-length", b"5")))),
    from_http1("too-long", "200", up=upstream(reply((b"content-length", b"1")))),
    from_http1("data-on-idle", "502", up=upstream(data(9, b"x"))),
    from_http1("many-headers", "503", up=upstream(reply(*((b"x-%d" % n, b"y") for n in range(101))))),
    from_http1("retry-reset", "200", up=upstream(h2.rst(STREAM, 2), reply()), routes=RETRY % "reset"),
    from_http1("retry-refused", "200", up=upstream(h2.rst(STREAM, 7), reply()), routes=RETRY % "refused-stream"),
    from_http1("retry-goaway", "200", up=upstream((h2.goaway(0),), (reply(),)), routes=RETRY % "refused-stream"),
    from_http1("max-requests", "200 200 200", request("/1"), request("/2"), request("/3"), cluster=options("explicit_http_config: {http2_protocol_options: {}}, common_http_protocol_options: {max_requests_per_connection: 2}")),
    from_http1("route-timeout", "504", up=upstream((Wait(3.0),)), routes="- {match: {prefix: /}, route: {cluster: $up, timeout: 0.3s}}"),
    from_http1("early-answer", "200", request("/", "Content-Length: 5", method="POST"), up=upstream(reply(), early=True), settle_s=0.3),
    from_http2("get", "200", head(1)),
    from_http2("post", "200", head(1, fields=POST, end=False) + data(1, b"hello")),
    from_http2("three", "200 200 200", head(1) + head(3) + head(5), count=3),
    from_http2("follows", "200", head(1), cluster=FOLLOW, hcm="codec_type: HTTP2"),
    from_http2("trailers-both-ways", "200", head(1, fields=POST, end=False) + data(1, b"hi", end=False) + head(1, fields=[(b"x-t", b"1")]), up=upstream(reply(trailers=[(b"x-r", b"2")]))),
    from_http2("trailers-only-end", "200", head(1), up=upstream(head(STREAM, fields=fields(), end=False) + head(STREAM, fields=[(b"x-r", b"2")]))),
    from_http2("reset", "503", head(1), up=upstream(h2.rst(STREAM, 2))),
    from_http2("reset-in-body", "200", head(1), up=upstream(head(STREAM, fields=fields(), end=False) + data(STREAM, b"part", end=False) + h2.rst(STREAM, 2))),
    Case("up2-h2-client-resets", "", ((opening() + head(1), Wait(0.5), h2.rst(1), Wait(0.3)),), cluster=HTTP2, upstream=upstream((Wait(2.0),))),
    from_http2("stream-limit-1", "200 200", head(1) + head(3), up=upstream(values=((3, 1),)), count=2),
    from_http2("own-stream-limit-1", "200 200", head(1) + head(3), cluster=options("explicit_http_config: {http2_protocol_options: {max_concurrent_streams: 1}}"), count=2),
    from_http2("small-upstream-window", "200", head(1, fields=POST, end=False) + data(1, b"hello"), up=upstream((Wait(0.0), reply()), values=((4, 5),))),
    from_http2("grpc-unary", "200", head(1, (b"content-type", b"application/grpc"), (b"te", b"trailers"), fields=POST, end=False) + data(1, b"\0\0\0\0\2hi"), up=upstream(reply((b"content-type", b"application/grpc"), body=b"\0\0\0\0\2ok", trailers=[(b"grpc-status", b"0")]))),
    from_http2("grpc-trailers-only", "200", head(1, (b"content-type", b"application/grpc"), (b"te", b"trailers"), fields=POST, end=False) + data(1, b"\0\0\0\0\2hi"), up=upstream(reply((b"content-type", b"application/grpc"), (b"grpc-status", b"5"), body=None))),
    from_http2("grpc-upstream-reset", "200", head(1, (b"content-type", b"application/grpc"), (b"te", b"trailers"), fields=POST, end=False) + data(1, b"\0\0\0\0\2hi"), up=upstream(h2.rst(STREAM, 2))),
    from_http2("grpc-retry", "200", head(1, (b"content-type", b"application/grpc"), (b"te", b"trailers"), fields=POST, end=False) + data(1, b"\0\0\0\0\2hi"), up=upstream(reply((b"content-type", b"application/grpc"), (b"grpc-status", b"14"), body=None), reply((b"content-type", b"application/grpc"), body=b"\0\0\0\0\2ok", trailers=[(b"grpc-status", b"0")])), routes=RETRY % "unavailable"),
    from_http2("grpc-deadline", "200", head(1, (b"content-type", b"application/grpc"), (b"te", b"trailers"), (b"grpc-timeout", b"300m"), fields=POST, end=False) + data(1, b"\0\0\0\0\2hi"), up=upstream((Wait(3.0),)), routes="- {match: {prefix: /}, route: {cluster: $up, max_stream_duration: {grpc_timeout_header_max: 0s}}}"),
    from_http2("grpc-route-timeout", "200", head(1, (b"content-type", b"application/grpc"), fields=POST, end=False) + data(1, b"\0\0\0\0\2hi"), up=upstream((Wait(3.0),)), routes="- {match: {prefix: /}, route: {cluster: $up, timeout: 0.3s}}"),
    from_http2("route-timeout", "504", head(1), up=upstream((Wait(3.0),)), routes="- {match: {prefix: /}, route: {cluster: $up, timeout: 0.3s}}"),
    from_http1("websocket", "101", request("/", *WEBSOCKET) + b"", up=upstream((head(STREAM, fields=fields(), end=False) + data(STREAM, b"hello", end=False), Wait(0.2), data(STREAM, b"", end=True)), early=True, values=((8, 1),)), hcm=UPGRADE, cluster=CONNECT, settle_s=1.5),
    from_http1("websocket-refused", "403", request("/", *WEBSOCKET), up=upstream(reply(status=403), early=True, values=((8, 1),)), hcm=UPGRADE, cluster=CONNECT),
    Case("up2-bridge-h2-to-http1", "200", ((opening() + head(1, fields=[(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]], end=False), Wait(0.3), data(1, b"ping", end=False), Wait(0.3), data(1, b""), Wait(0.2)),), hcm=UPGRADE + "\nhttp2_protocol_options: {allow_connect: true}", upstream={"up": Script(raw=((Until(b"\r\n\r\n"), b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello", Until(b"ping"), b"pong", Wait(0.2), Close()),))}),
    Case("up2-bridge-h2-to-h2", "200", ((opening() + head(1, fields=[(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]], end=False), Wait(0.3), data(1, b"ping"), Answers(1, 2.0)),), hcm=UPGRADE + "\nhttp2_protocol_options: {allow_connect: true}", cluster=CONNECT, upstream=upstream((head(STREAM, fields=fields(), end=False) + data(STREAM, b"hello", end=False), Until(b"ping"), data(STREAM, b"pong")), early=True, values=((8, 1),))),
)  # fmt: skip
