"""Http2ProtocolOptions of connection managers: defaults, values, and what is refused."""

import pytest

from pyvoy.http.codec_choice import CodecType
from pyvoy.http.h1.limits import Underscores
from pyvoy.http.h2.limits import Http2Plan, KeepAlive
from pyvoy.observe.stream_info import ConnectionInfo
from pyvoy.observe.tls_info import TlsInfo
from tests.support.relay import Relay


def plan(hcm=""):
    """The compiled manager of a listener with these options."""
    relay = Relay(hcm=hcm)
    return relay.client.chain.filters[0][1]


def test_defaults_are_envoys():
    assert plan().http2 == Http2Plan()
    assert plan().protocol is CodecType.AUTO


def test_values_are_read():
    text = """
    max_request_headers_kb: 10
    common_http_protocol_options: {max_headers_count: 7, headers_with_underscores_action: DROP_HEADER}
    http2_protocol_options:
      hpack_table_size: 100
      max_concurrent_streams: 5
      initial_stream_window_size: 70000
      initial_connection_window_size: 80000
      allow_connect: true
      override_stream_error_on_invalid_http_message: true
      max_outbound_frames: 11
      max_outbound_control_frames: 12
      max_consecutive_inbound_frames_with_empty_payload: 13
      max_inbound_priority_frames_per_stream: 14
      max_inbound_window_update_frames_per_data_frame_sent: 15
      custom_settings_parameters: [{identifier: 9, value: 1}]
      connection_keepalive: {interval: 3s, timeout: 1s, interval_jitter: {value: 0}, connection_idle_interval: 9s}
    """
    assert plan(text).http2 == Http2Plan(
        head_limit_bytes=10240,
        count_limit=7,
        underscores=Underscores.DROP,
        hpack_table_bytes=100,
        max_concurrent_streams=5,
        stream_window_bytes=70000,
        connection_window_bytes=80000,
        allow_connect=True,
        stream_errors=True,
        max_outbound_frames=11,
        max_outbound_control_frames=12,
        max_empty_frames=13,
        max_priority_frames_per_stream=14,
        max_window_updates_per_data_frame=15,
        keepalive=KeepAlive(3.0, 1.0, 0.0, 9.0),
        custom_settings=((9, 1),),
    )


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ("custom_settings_parameters: [{identifier: 2, value: 1}]", "server push is not supported"),
        ("custom_settings_parameters: [{identifier: 3, value: 1}]", "max_concurrent_streams"),
        ("custom_settings_parameters: [{identifier: 9, value: 1}, {identifier: 9, value: 2}]", "another value"),
        ("connection_keepalive: {timeout: 1s}", "needs interval or connection_idle_interval"),
    ],
)
def test_contradictions_are_refused(options, problem):
    with pytest.raises(Exception, match=problem):
        plan(f"http2_protocol_options: {{{options}}}")


def test_http3_is_refused():
    with pytest.raises(Exception, match="HTTP3 is not supported by pyvoy"):
        plan("codec_type: HTTP3")


@pytest.mark.parametrize(
    ("kind", "data", "alpn", "expected"),
    [
        (CodecType.HTTP2, b"GET / HTTP/1.1", None, True),
        (CodecType.HTTP1, b"PRI * HTTP/2.0", None, False),
        (CodecType.AUTO, b"PRI * HTTP/2.0\r\n", None, True),
        (CodecType.AUTO, b"INVALID CONNECTION PREFACE\r\n\r\n", None, True),
        (CodecType.AUTO, b"GET * FTP\r\n/", None, True),
        (CodecType.AUTO, b"GET / FTP/1.0\r\n\r\n", None, False),
        (CodecType.AUTO, b"OPTIONS * HTTP/1.1\r\n\r\n", None, False),
        (CodecType.AUTO, b"GET\r\n\r\n", None, False),
        (CodecType.AUTO, b"\r\nGET / HTTP/1.1\r\n\r\n", None, False),
        (CodecType.AUTO, b"PRI * ", None, True),
        (CodecType.AUTO, b"PRI", None, False),
        (CodecType.AUTO, b"PRINT / HTTP/1.1", None, False),
        (CodecType.AUTO, b"PRI * HTTP/2.0\r\n", "http/1.1", False),
        (CodecType.AUTO, b"GET / HTTP/1.1", "h2", True),
        (CodecType.AUTO, b"GET / HTTP/1.1", "", False),
    ],
)
def test_what_a_client_speaks(kind, data, alpn, expected):
    info = ConnectionInfo()
    if alpn is not None:
        info.tls = TlsInfo()
        info.tls.alpn = alpn
    assert kind.is_http2(data, info) is expected
