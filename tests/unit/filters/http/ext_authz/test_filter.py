"""External authorization over both protocols: what is asked, what answers do, bodies, failures, routes."""

from __future__ import annotations

from typing import Any

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.auth.v3 import external_auth_pb2
from google.rpc import status_pb2

from pyvoy.config.problems import ConfigErrors
from pyvoy.extensions.grpc_call import GrpcResult, GrpcStatus
from pyvoy.extensions.host import Host
from pyvoy.extensions.http_call import CallResult, Failure, UnknownCluster
from pyvoy.filters.http.ext_authz.filter import ExtAuthz
from pyvoy.http.headers import HeaderMap
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import (
    Play,
    data,
    forwarded,
    forwarded_data,
    headers,
    held,
    play,
    reply,
    sent,
    trailers,
    whole_response,
)

HTTP = "http_service: {server_uri: {uri: 'http://a', cluster: upstream, timeout: 1s}%s}"
GRPC = "grpc_service: {envoy_grpc: {cluster_name: upstream}}\ntransport_api_version: V3"
BODY = "\nwith_request_body: {max_request_bytes: 4, allow_partial_message: %s}"


class Server:
    """Answers the calls of the filter; `asked` are their heads and bodies."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
        self.answer = answer
        self.asked: list[tuple[dict[bytes, bytes], bytes]] = []
        monkeypatch.setattr(Host, "fetch", lambda _host, *arguments, **_: self.http(*arguments))
        monkeypatch.setattr(Host, "fetch_grpc", lambda _host, *arguments, **_: self.grpc(*arguments))

    async def http(self, _cluster: str, head: HeaderMap, body: bytes = b"") -> CallResult:
        self.asked.append((dict(head.items()), body))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]

    async def grpc(self, _cluster: str, _service: str, _method: str, request: bytes) -> GrpcResult:
        self.asked.append(({}, request))
        return self.answer  # type: ignore[no-any-return]


def answered(
    status: bytes, *pairs: tuple[bytes, bytes], body: bytes = b"", failure: Failure | None = None
) -> CallResult:
    return CallResult(HeaderMap([(b":status", status), *pairs]), body, None, failure)


OK = answered(b"200", (b"x-user", b"me"), (b"x-more", b"yes"))


def staged(config: str = HTTP % "", **more: Any) -> Play:
    return play(ExtAuthz, config, **more)


def count(p: Play, name: str) -> int:
    return p.counter(f"http.test.ext_authz.{name}")


def test_the_server_sees_the_head_without_what_is_not_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, OK)
    p = staged(HTTP % ", path_prefix: /check") >> headers(
        "GET", "/p", authorization="me", x_other="1", authority="a.test"
    )
    p << forwarded(x_user=None)
    head, _ = server.asked[0]
    assert head[b":path"] == b"/check/p"
    assert (head[b"authorization"], head[b":authority"], head[b"content-length"]) == (b"me", b"a.test", b"0")
    assert b"x-other" not in head
    assert count(p, "ok") == 1
    p.stage.close()


def test_headers_may_be_allowed_and_added(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, OK)
    config = HTTP % ", authorization_request: {headers_to_add: [{key: x-from, value: us}]}"
    config += "\nallowed_headers: {patterns: [{prefix: x-}]}\ndisallowed_headers: {patterns: [{exact: x-b}]}"
    p = staged(config) >> headers(x_a="1", x_b="2") << forwarded()
    head, _ = server.asked[0]
    assert (head[b"x-a"], head[b"x-from"]) == (b"1", b"us")
    assert b"x-b" not in head
    p.stage.close()


RESPONSE = """, authorization_response: {allowed_upstream_headers: {patterns: [{exact: x-user}]},
  allowed_upstream_headers_to_append: {patterns: [{exact: x-more}]},
  allowed_client_headers_on_success: {patterns: [{exact: x-more}]},
  dynamic_metadata_from_headers: {patterns: [{exact: x-user}]}}"""


def test_the_answer_changes_request_and_response(monkeypatch: pytest.MonkeyPatch) -> None:
    Server(monkeypatch, OK)
    p = staged(HTTP % RESPONSE) >> headers(x_user="forged") << forwarded(x_user="me", x_more=None)
    assert p.stream.info.dynamic_metadata["envoy.filters.http.ext_authz"] == {"x-user": "me"}
    p >> whole_response(200) << sent(200, x_more="yes", end=True)
    p.stage.close()


def test_a_refusal_is_the_servers(monkeypatch: pytest.MonkeyPatch) -> None:
    Server(monkeypatch, answered(b"401", (b"x-why", b"because"), (b"www-authenticate", b"Basic"), body=b"who"))
    p = staged() >> headers() << reply(401, b"who", x_why="because", detail="ext_authz_denied", flags="UAEX")
    assert count(p, "denied") == 1
    p.end()
    narrow = ", authorization_response: {allowed_client_headers: {patterns: [{exact: x-other}]}}"
    p = staged(HTTP % narrow) >> headers() << reply(401, b"who", x_why=None, www_authenticate="Basic")
    p.end()


@pytest.mark.parametrize(
    "answer",
    [answered(b"503", failure=Failure.CONNECT), answered(b"500"), UnknownCluster("gone")],
    ids=["no connection", "server error", "no cluster"],
)
def test_no_answer(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    Server(monkeypatch, answer)
    p = staged() >> headers() << reply(403, b"", detail="ext_authz_error", flags="UAEX")
    assert count(p, "error") == 1
    p.end()
    p = staged(HTTP % "" + "\nstatus_on_error: {code: BadGateway}") >> headers() << reply(502)
    p.end()
    p = staged(HTTP % "" + "\nfailure_mode_allow: true\nfailure_mode_allow_header_add: true")
    p >> headers() << forwarded(x_envoy_auth_failure_mode_allowed="true")
    assert count(p, "failure_mode_allowed") == 1
    p.stage.close()


def test_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, OK)
    off = HTTP % "" + "\nfilter_enabled: {default_value: {numerator: 0}}"
    p = staged(off) >> headers() << forwarded()
    assert count(p, "disabled") == 1
    p.stage.close()
    p = staged(off + "\ndeny_at_disable: {default_value: true}") >> headers() << reply(403, detail="ext_authz_error")
    p.end()
    p = staged(route="disabled: true") >> headers() << forwarded()
    assert server.asked == []
    p.stage.close()


@pytest.mark.parametrize(
    ("body", "partial", "shown", "flag"),
    [(b"abc", "true", b"abc", b"false"), (b"abcdef", "true", b"abcd", b"true"), (b"abcd", "false", b"abcd", b"false")],
)
def test_bodies(monkeypatch: pytest.MonkeyPatch, body: bytes, partial: str, shown: bytes, flag: bytes) -> None:
    server = Server(monkeypatch, OK)
    p = staged(HTTP % "" + BODY % partial) >> headers("POST", "/") << held()
    p >> data(body, end=True) << forwarded() << forwarded_data(body, end=True)
    head, seen = server.asked[0]
    assert (seen, head[b"x-envoy-auth-partial-body"], head[b"content-length"]) == (shown, flag, b"%d" % len(shown))
    p.stage.close()


def test_a_body_that_is_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, OK)
    p = staged(HTTP % "" + BODY % "false") >> headers("POST", "/") << held()
    p >> data(b"abcdef", end=True) << reply(413)
    assert server.asked == []
    p.end()


def test_trailers_end_a_body_too(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, OK)
    p = staged(HTTP % "" + BODY % "true") >> headers("POST", "/") << held()
    p >> data(b"ab") << held()
    p >> trailers(x_t="1")
    assert server.asked[0][1] == b"ab"
    p.stage.close()


def test_a_route_may_do_without_the_body(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, OK)
    p = staged(HTTP % "" + BODY % "true", route="check_settings: {disable_request_body_buffering: true}")
    p >> headers("POST", "/") << forwarded()
    assert server.asked[0][1] == b""
    p.stage.close()


def checked(message: Any) -> GrpcResult:
    body = message.SerializeToString()
    return GrpcResult(GrpcStatus.OK, "", body, HeaderMap(), HeaderMap())


def option(key: str, value: str) -> Any:
    return base_pb2.HeaderValueOption(header=base_pb2.HeaderValue(key=key, value=value))


def test_a_check_request_over_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    okay = external_auth_pb2.OkHttpResponse(headers=[option("x-user", "me")], headers_to_remove=["x-a", "host"])
    okay.query_parameters_to_set.add(key="s", value="1")
    okay.query_parameters_to_remove.append("q")
    server = Server(monkeypatch, checked(external_auth_pb2.CheckResponse(ok_response=okay)))
    p = staged(GRPC, route="check_settings: {context_extensions: {k: v}}")
    p >> headers("GET", "/p?q=1", x_a="b", authority="a.test") << forwarded("/p?s=1", x_user="me", x_a=None)
    found = external_auth_pb2.CheckRequest.FromString(server.asked[0][1]).attributes
    http = found.request.http
    assert (http.method, http.path, http.host, http.headers["x-a"]) == ("GET", "/p?q=1", "a.test", "b")
    assert found.context_extensions == {"k": "v"}
    assert found.source.address.socket_address.address
    p.stage.close()


def test_refusals_over_grpc(monkeypatch: pytest.MonkeyPatch) -> None:
    denied = external_auth_pb2.DeniedHttpResponse(body="no", headers=[option("x-why", "so")])
    message = external_auth_pb2.CheckResponse(status=status_pb2.Status(code=7), denied_response=denied)
    server = Server(monkeypatch, checked(message))
    p = staged(GRPC) >> headers() << reply(403, b"no", x_why="so", detail="ext_authz_denied", flags="UAEX")
    p.end()
    server.answer = GrpcResult(GrpcStatus.UNAVAILABLE, "", b"", HeaderMap(), HeaderMap())
    p = staged(GRPC) >> headers() << reply(403, b"", detail="ext_authz_error")
    p.end()
    server.answer = GrpcResult(GrpcStatus.OK, "", b"\xff", HeaderMap(), HeaderMap())
    p = staged(GRPC) >> headers() << reply(403, b"", detail="ext_authz_error")
    p.end()


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("", "needs grpc_service or http_service"),
        (HTTP % ", path_prefix: check", "path_prefix should start with"),
        ("grpc_service: {envoy_grpc: {cluster_name: upstream}}", "has to be V3"),
        ("http_service: {server_uri: {uri: u, cluster: nobody, timeout: 1s}}", "unknown cluster 'nobody'"),
    ],
)
def test_what_is_refused(config: str, complaint: str) -> None:
    with pytest.raises(ConfigErrors, match=complaint):
        staged(config)


def test_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    Server(monkeypatch, OK)
    check_http_filter(ExtAuthz, HTTP % "")
    check_http_filter(ExtAuthz, HTTP % "" + BODY % "true")
