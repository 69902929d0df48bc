"""Protocol options: HTTP/1 and TCP, in the typed options and in the fields of old."""

import pytest

from pyvoy.http.h2.limits import KeepAlive
from pyvoy.upstream.cluster_plan import HttpPlan, UpstreamProtocol
from tests.unit.config.compile.cluster_reading import compiled, plan, unsupported

UPSTREAMS = "envoy.extensions.upstreams."
HTTP = UPSTREAMS + "http.v3.HttpProtocolOptions"
TCP = UPSTREAMS + "tcp.v3.TcpProtocolOptions"
CODEC = "type.googleapis.com/envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"


def typed(kind, text):
    return f"typed_extension_protocol_options: {{{kind}: {{'@type': type.googleapis.com/{kind}, {text}}}}}"


HTTP1 = "explicit_http_config: {http_protocol_options: {%s}}"
COMMON = (
    "common_http_protocol_options: {idle_timeout: 3s, max_connection_duration: 4s, max_stream_duration: 5s, "
    "max_requests_per_connection: 6, max_response_headers_kb: 7, max_headers_count: 8}"
)
COMMON_PLAN = HttpPlan(UpstreamProtocol.HTTP1, 3.0, 4.0, 5.0, 6, 7, 8)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", HttpPlan()),
        (COMMON, COMMON_PLAN),
        (typed(HTTP, f"{HTTP1 % ''}, {COMMON}"), COMMON_PLAN),
        (typed(HTTP, HTTP1 % "" + ", common_http_protocol_options: {idle_timeout: 0s}"), HttpPlan(idle_timeout_s=None)),
        (typed(HTTP, HTTP1 % "enable_trailers: true"), HttpPlan(enable_trailers=True)),
        (
            typed(HTTP, HTTP1 % "header_key_format: {proper_case_words: {}}"),
            HttpPlan(header_case="proper"),
        ),
        ("http_protocol_options: {enable_trailers: true}", HttpPlan(enable_trailers=True)),
        (
            typed(HTTP, "use_downstream_protocol_config: {http_protocol_options: {enable_trailers: true}}"),
            HttpPlan(UpstreamProtocol.DOWNSTREAM, enable_trailers=True),
        ),
        ("max_requests_per_connection: 9", HttpPlan(max_requests_per_connection=9)),
        (typed(HTTP, HTTP1 % "") + ", max_requests_per_connection: 9", HttpPlan(max_requests_per_connection=9)),
        (
            "max_requests_per_connection: 9, common_http_protocol_options: {max_requests_per_connection: 6}",
            HttpPlan(max_requests_per_connection=6),
        ),
        (
            typed(HTTP, HTTP1 % "" + f", http_filters: [{{name: c, typed_config: {{'@type': {CODEC}}}}}]"),
            HttpPlan(),
        ),
    ],
)
def test_http(text, expected):
    assert plan(text).http == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 600.0),
        (typed(TCP, "idle_timeout: 3s"), 3.0),
        (typed(TCP, "idle_timeout: 0s"), None),
        (typed(TCP, ""), 600.0),
    ],
)
def test_tcp(text, expected):
    assert plan(text).tcp_idle_timeout_s == expected


def test_options_without_a_protocol_are_refused():
    _, problems = compiled(typed(HTTP, ""))
    assert len(problems) == 1
    assert problems[0].endswith("needs explicit_http_config, use_downstream_protocol_config or auto_config")


def test_upstream_filters_are_refused():
    router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
    _, problems = compiled(
        typed(HTTP, HTTP1 % "" + f", http_filters: [{{name: r, typed_config: {{'@type': {router}}}}}]")
    )
    assert len(problems) == 1
    assert problems[0].endswith("http_filters[0]: upstream HTTP filters are not supported by pyvoy")


def test_auto_config_needs_tls():
    _, problems = compiled(typed(HTTP, "auto_config: {}"))
    assert len(problems) == 1
    assert problems[0].endswith("ALPN configured for cluster c which has a non-ALPN transport socket")


def test_auto_config_does_not_speak_http3():
    where = f'typed_extension_protocol_options["{HTTP}"].auto_config.http3_protocol_options'
    assert f"error: {where}: is not supported by pyvoy" in unsupported(
        typed(HTTP, "auto_config: {http3_protocol_options: {}}")
    )


@pytest.mark.parametrize(
    ("text", "protocol"),
    [
        (typed(HTTP, "explicit_http_config: {http2_protocol_options: {}}"), UpstreamProtocol.HTTP2),
        ("http2_protocol_options: {}", UpstreamProtocol.HTTP2),
        ("protocol_selection: USE_DOWNSTREAM_PROTOCOL", UpstreamProtocol.DOWNSTREAM),
        (typed(HTTP, "use_downstream_protocol_config: {http2_protocol_options: {}}"), UpstreamProtocol.DOWNSTREAM),
    ],
)
def test_http2_is_asked_for(text, protocol):
    assert plan(text).http.protocol is protocol


def test_http2_options_are_read():
    options = "http2_protocol_options: {max_concurrent_streams: 7, connection_keepalive: {interval: 9s, timeout: 2s}}"
    limits = "common_http_protocol_options: {max_headers_count: 5, max_response_headers_kb: 3}"
    http2 = plan(typed(HTTP, f"explicit_http_config: {{{options}}}, {limits}")).http.http2
    assert (http2.max_concurrent_streams, http2.count_limit, http2.head_limit_bytes) == (7, 5, 3072)
    assert http2.keepalive == KeepAlive(9.0, 2.0)
