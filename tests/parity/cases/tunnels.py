"""TCP proxy through an HTTP tunnel: CONNECT and POST over HTTP/1 and HTTP/2, refusals, ends, what the log knows."""

from tests.parity.case import Case, tunnel
from tests.parity.cases.http2_upstream import HTTP2, fields, upstream
from tests.support import h2wire as h2
from tests.support.steps import Close, Fin, Reset, Step, Until, UntilEnd, Wait
from tests.support.upstream import STREAM, Script

_HEAD = Until(b"\r\n\r\n")
_OK = b"HTTP/1.1 200 OK\r\n\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
_TALK: tuple[Step, ...] = (b"ping", Until(b"pong"), Wait(0.05))
_STATE = "hs=%FILTER_STATE(envoy.tcp_proxy.propagate_response_headers:TYPED)%\n"


def _case(
    name: str, up: Script, config: str = "", send: tuple[Step, ...] = _TALK, more: str = "", **rest: object
) -> Case:
    tunnelling = f"{{hostname: 'up.test:443'{config}}}"
    if "hostname" in config:
        tunnelling = f"{{{config}}}"
    l4 = f"- tcp_proxy: {{stat_prefix: $id, cluster: $up, tunneling_config: {tunnelling}{more}}}"
    return Case(f"tun-{name}", "", (send,), l4=l4, upstream={"up": up}, **rest)  # type: ignore[arg-type]


def _answer(*steps: Step) -> Script:
    return tunnel(_HEAD, *steps)


_PONG = _answer(_OK, Until(b"ping"), b"pong")
_H2_OK = h2.head(STREAM, fields=fields(200), end=False)
_H2 = upstream((_H2_OK, Until(b"ping"), h2.data(STREAM, b"pong")), early=True)["up"]
_H2_END = upstream((_H2_OK, h2.data(STREAM, b"pong", end=True)), early=True)["up"]
_H2_NO = upstream((h2.head(STREAM, fields=fields(403), end=True),), early=True)["up"]


CASES: tuple[Case, ...] = (
    _case("connect", _PONG, all_stats=True),
    _case("early-bytes", _answer(_OK + b"hello", Until(b"ping"), b"pong"), send=(Until(b"hello"), *_TALK)),
    _case("headers", _PONG, ", headers_to_add: [{header: {key: x-a, value: 'b-%PROTOCOL%-%UPSTREAM_CLUSTER%'}}]"),
    _case("hostname", _PONG, "hostname: '%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%:7'"),
    _case("request-id", _PONG, ", request_id_extension: {typed_config: {'@type': "
          "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig}}"),
    _case("refused", _answer(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno"), send=(b"ping", UntilEnd())),
    _case("refused-keeps-headers", _answer(b"HTTP/1.1 403 Forbidden\r\nx-a: b\r\ncontent-length: 2\r\n\r\nno"),
          ", propagate_response_headers: true", send=(b"ping", UntilEnd()), log=_STATE),
    _case("refused-retried", Script(raw=(
        (_HEAD, b"HTTP/1.1 503 No\r\ncontent-length: 0\r\n\r\n"), (_HEAD, _OK, Until(b"ping"), b"pong"))),
        more=", max_connect_attempts: 2"),
    _case("created", _answer(b"HTTP/1.1 201 Created\r\n\r\n", Until(b"ping"), b"pong")),
    _case("cut-before", _answer(Close()), send=(b"ping", UntilEnd())),
    _case("no-http", _answer(b"nonsense\r\n\r\n"), send=(b"ping", UntilEnd())),
    _case("upstream-ends", _answer(_OK, Until(b"ping"), b"pong", Close()), send=(b"ping", UntilEnd())),
    _case("upstream-resets", _answer(_OK, Until(b"ping"), Reset()), send=(b"ping", UntilEnd())),
    _case("client-half-closes", _answer(_OK, Until(b"ping"), Wait(0.2), b"pong"), send=(b"ping", Fin(), UntilEnd(1.0))),
    _case("client-resets", _answer(_OK, Until(b"ping"), b"pong"), send=(b"ping", Until(b"pong"), Reset())),
    _case("dead", _PONG, send=(b"ping", UntilEnd()), cluster="load_assignment: {cluster_name: x, endpoints: ["
          "{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}}]}]}"),
    _case("pending-overflow", _PONG, send=(b"ping", UntilEnd()),
          cluster="circuit_breakers: {thresholds: [{max_pending_requests: 0}]}"),
    _case("post", _answer(_CHUNKED, Until(b"ping"), b"4\r\npong\r\n"), ", use_post: true"),
    _case("post-path", _answer(_CHUNKED, Until(b"ping"), b"4\r\npong\r\n"), ", use_post: true, post_path: /tunnel"),
    _case("post-client-half-closes", _answer(_CHUNKED, Until(b"0\r\n\r\n"), b"4\r\npong\r\n0\r\n\r\n"),
          ", use_post: true", send=(b"ping", Fin(), UntilEnd(1.0))),
    _case("h2", _H2, cluster=HTTP2),
    _case("h2-post", _H2, ", use_post: true", cluster=HTTP2),
    _case("h2-ends", _H2_END, send=(UntilEnd(),), cluster=HTTP2),
    _case("h2-no-end", _H2, ", use_post: true", send=(b"ping", Until(b"pong"), Fin(), UntilEnd(1.0)), cluster=HTTP2),
    _case("h2-refused", _H2_NO, send=(b"ping", UntilEnd()), cluster=HTTP2),
    _case("headers-in-state", _answer(b"HTTP/1.1 200 OK\r\nx-a: b\r\n\r\n", Until(b"ping"), b"pong"),
          ", propagate_response_headers: true", log=_STATE),
)
