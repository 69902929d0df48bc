"""Global rate limit: what is asked, what answers and failures do, and the headers that tell of limits."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from envoy.config.core.v3 import base_pb2
from envoy.service.ratelimit.v3 import rls_pb2
from google.protobuf import duration_pb2

from pyvoy.config.problems import ConfigErrors
from pyvoy.extensions.grpc_call import GrpcResult, GrpcStatus
from pyvoy.extensions.host import Host
from pyvoy.extensions.http_call import UnknownCluster
from pyvoy.filters.http.ratelimit import RateLimit, limit_headers
from pyvoy.http.headers import HeaderMap
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.playbook import Play, forwarded, headers, play, reply, sent, whole_response

CONFIG = """
domain: d
rate_limit_service: {transport_api_version: V3, grpc_service: {envoy_grpc: {cluster_name: upstream}}}
rate_limits: [{actions: [{request_headers: {header_name: x-a, descriptor_key: a}}]}]
"""
CODE = rls_pb2.RateLimitResponse
OK, OVER = CODE(overall_code=CODE.OK), CODE(overall_code=CODE.OVER_LIMIT)


class Server:
    """Answers the filter; `asked` are the requests."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
        self.answer = answer
        self.asked: list[rls_pb2.RateLimitRequest] = []
        monkeypatch.setattr(Host, "fetch_grpc", lambda _host, *arguments, **_: self.grpc(*arguments))

    async def grpc(self, _cluster: str, _service: str, _method: str, request: bytes) -> GrpcResult:
        self.asked.append(rls_pb2.RateLimitRequest.FromString(request))
        if isinstance(self.answer, Exception):
            raise self.answer
        if isinstance(self.answer, GrpcResult):
            return self.answer
        return GrpcResult(GrpcStatus.OK, "", self.answer.SerializeToString(), HeaderMap(), HeaderMap())


def staged(config: str = "", **more: Any) -> Play:
    fakes = FakeServices()
    named = SimpleNamespace(observability_name="upstream")
    fakes.clusters._clusters["upstream"] = SimpleNamespace(name="upstream", plan=named)
    return play(RateLimit, CONFIG + config, fakes=fakes, **more)


def test_the_server_is_asked_about_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, OK)
    p = staged() >> headers(x_a="1") << forwarded() >> headers() << forwarded()
    assert len(server.asked) == 1
    assert server.asked[0].domain == "d"
    entry = server.asked[0].descriptors[0].entries[0]
    assert (entry.key, entry.value) == ("a", "1")
    p.stage.close()


def test_over_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = CODE(overall_code=CODE.OVER_LIMIT, raw_body=b"slow")
    answer.response_headers_to_add.append(base_pb2.HeaderValue(key="x-r", value="1"))
    Server(monkeypatch, answer)
    p = staged() >> headers(x_a="1")
    p << reply(429, b"slow", x_r="1", x_envoy_ratelimited="true", detail="request_rate_limited", flags="RL")
    p.end()
    rules = "response_headers_to_add: [{header: {key: x-l, value: yy}}]\nrate_limited_status: {code: BadGateway}"
    p = staged(rules + "\ndisable_x_envoy_ratelimited_header: true") >> headers(x_a="1")
    p << reply(502, x_l="yy", x_envoy_ratelimited=None)
    p.end()


def test_what_the_server_adds(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = CODE(overall_code=CODE.OK)
    answer.request_headers_to_add.append(base_pb2.HeaderValue(key="x-q", value="1"))
    answer.response_headers_to_add.append(base_pb2.HeaderValue(key="x-r", value="2"))
    answer.dynamic_metadata.update({"k": "v"})
    Server(monkeypatch, answer)
    p = staged() >> headers(x_a="1") << forwarded(x_q="1") >> whole_response(200) << sent(200, x_r="2", end=True)
    assert p.stream.info.dynamic_metadata["envoy.filters.http.ratelimit"] == {"k": "v"}
    p.stage.close()


@pytest.mark.parametrize(
    "answer",
    [GrpcResult(GrpcStatus.UNAVAILABLE, "", b"", HeaderMap(), HeaderMap()), UnknownCluster("gone")],
    ids=["status", "no cluster"],
)
def test_failures(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    Server(monkeypatch, answer)
    p = staged() >> headers(x_a="1") << forwarded()
    p.stage.close()
    p = staged("failure_mode_deny: true") >> headers(x_a="1")
    p << reply(500, b"", detail="rate_limiter_error", flags="RLSE")
    p.end()


@pytest.mark.parametrize(
    ("config", "asked"),
    [
        ("filter_enabled: {default_value: {numerator: 0}}", 0),
        ("filter_enforced: {default_value: {numerator: 0}}", 1),
        ("request_type: internal", 0),
        ("request_type: external", 1),
    ],
)
def test_whom_it_concerns(monkeypatch: pytest.MonkeyPatch, config: str, asked: int) -> None:
    server = Server(monkeypatch, OVER)
    p = staged(config) >> headers(x_a="1") << (reply(429) if "external" in config else forwarded())
    assert len(server.asked) == asked
    p.stage.close()


def test_a_route_has_limits_and_a_domain_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    server = Server(monkeypatch, OK)
    p = staged(route="rate_limits: [{actions: [{generic_key: {descriptor_value: r}}]}]\ndomain: other")
    p >> headers(x_a="1") << forwarded()
    assert server.asked[0].domain == "other"
    assert server.asked[0].descriptors[0].entries[0].value == "r"
    p.stage.close()


def test_headers_that_tell_of_limits() -> None:
    def status(requests: int, unit: int, left: int, name: str = "") -> Any:
        limit = CODE.RateLimit(requests_per_unit=requests, unit=unit, name=name)  # type: ignore[arg-type]
        reset = duration_pb2.Duration(seconds=7)
        return CODE.DescriptorStatus(current_limit=limit, limit_remaining=left, duration_until_reset=reset)

    statuses = [status(10, 1, 3, "one"), CODE.DescriptorStatus(), status(20, 2, 0)]
    assert limit_headers(statuses) == [
        (b"x-ratelimit-limit", b'20, 10;w=1;name="one", 20;w=60'),
        (b"x-ratelimit-remaining", b"0"),
        (b"x-ratelimit-reset", b"7"),
    ]
    assert limit_headers([]) == []


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ("domain: d\nrate_limit_service: {grpc_service: {envoy_grpc: {cluster_name: upstream}}}", "has to be V3"),
        (CONFIG.replace("upstream", "nobody"), "unknown cluster 'nobody'"),
    ],
)
def test_what_is_refused(config: str, complaint: str) -> None:
    with pytest.raises(ConfigErrors, match=complaint):
        play(RateLimit, config)


def test_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    Server(monkeypatch, OK)
    check_http_filter(RateLimit, CONFIG)
