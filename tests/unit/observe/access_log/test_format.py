"""Operators in text, as the running Envoy 1.40 prints them."""

from __future__ import annotations

import socket

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.network.address import Address
from pyvoy.observe.access_log.format import DEFAULT_FORMAT, OPERATORS, compile_format
from pyvoy.observe.access_log.operator import FormatError
from pyvoy.observe.details import Flag
from pyvoy.observe.tls_info import TlsInfo
from tests.unit.observe.access_log.source import Source


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain 100%%", "plain 100%"),
        ("%PROTOCOL%", "HTTP/1.1"),
        ("a%%b%RESPONSE_CODE%%%c", "a%b200%c"),
        ("%REQ(X-A)%", "valA"),
        ("%REQ(X-A?X-B)%", "valA"),
        ("%REQ(X-Q?X-A):3%", "val"),
        ("%REQ(X-A):0%", ""),
        ("%REQ(nope)%", "-"),
        ("%REQ(x-empty)%", ""),
        ("%REQ(x-m)%", "1"),
        ("%REQ(HOST)%", "h.test:80"),
        ("%REQUEST_HEADER(:PATH)%", "/new?a=1&b=xyz&e="),
        ("%RESP(server):3%", "env"),
        ("%RESPONSE_HEADER(nope)%", "-"),
        ("%TRAILER(x-t)%", "-"),
        ("%PATH%", "/p/q?a=1&b=xyz&e="),
        ("%PATH(NQ)%", "/p/q"),
        ("%PATH(NQ:PATH)%", "/new"),
        ("%PATH(WQ:ORIG_OR_PATH)%", "/p/q?a=1&b=xyz&e="),
        ("%QUERY_PARAM(b):2%", "xy"),
        ("%QUERY_PARAM(e)%", ""),
        ("%QUERY_PARAM(zz)%", "-"),
        ("%QUERY_PARAMS%", "a=1&b=xyz&e="),
        ("%RESPONSE_CODE_DETAILS%", "via_upstream"),
        ("%RESPONSE_FLAGS%|%RESPONSE_FLAGS_LONG%", "-|-"),
        ("%BYTES_RECEIVED%|%BYTES_SENT%|%BYTES_RETRANSMITTED%", "0|316|0"),
        ("%DURATION%|%REQUEST_DURATION%|%REQUEST_TX_DURATION%", "5|1|2"),
        ("%RESPONSE_DURATION%|%RESPONSE_TX_DURATION%", "4|1"),
        ("%COMMON_DURATION(DS_RX_BEG:US_TX_BEG:us)%", "2000"),
        ("%COMMON_DURATION(DS_RX_BEG:foo:ms)%|%ROUNDTRIP_DURATION%", "-|-"),
        ("%GRPC_STATUS%|%GRPC_STATUS_NUMBER%|%GRPC_STATUS(NUMBER)%", "-|-|-"),
        ("%DOWNSTREAM_REMOTE_ADDRESS%|%DOWNSTREAM_REMOTE_PORT%", "127.0.0.1:39512|39512"),
        ("%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "127.0.0.1"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT(8)%", "127.0.0.0/8"),
        ("%DOWNSTREAM_LOCAL_ADDRESS%", "127.0.0.1:18300"),
        ("%UPSTREAM_HOST%|%UPSTREAM_HOST_NAME%|%UPSTREAM_REMOTE_PORT%", "127.0.0.1:18981|hn.test|18981"),
        ("%UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT%|%UPSTREAM_HOST_NAMES_ATTEMPTED%", "127.0.0.1|hn.test"),
        ("%UPSTREAM_CLUSTER%|%UPSTREAM_CLUSTER_RAW%", "altup|up"),
        ("%UPSTREAM_LOCAL_ADDRESS%", "127.0.0.1:56764"),
        ("%UPSTREAM_REQUEST_ATTEMPT_COUNT%|%CONNECTION_ID%|%UPSTREAM_CONNECTION_ID%", "1|7|3"),
        ("%FILTER_CHAIN_NAME%|%LISTENER_NAME%|%ROUTE_NAME%", "fcn|lname|rn"),
        ("%REQUESTED_SERVER_NAME%|%REQUESTED_SERVER_NAME(SNI_FIRST)%", "-|h.test:80"),
        ("%DOWNSTREAM_TLS_VERSION%|%DOWNSTREAM_PEER_CERT_V_START(%b)%|%TLS_JA3_FINGERPRINT%", "-|-|-"),
        ("%STREAM_ID%", "4ec2c981-f71e-4eae-a88a-cd36569953c3"),
        ("%ACCESS_LOG_TYPE%|%CUSTOM_FLAGS%|%LOCAL_REPLY_BODY%", "DownstreamEnd||"),
        ("%HOSTNAME%", socket.gethostname()),
        ("%CLUSTER_METADATA(m:k)%", "kv"),
        ("%CLUSTER_METADATA(m)%", '{"b":true,"k":"kv","l":[1,"a",null],"n":1,"o":{"a":2,"p":"q"}}'),
        ("%CLUSTER_METADATA(m:l)%|%CLUSTER_METADATA(m:o:p)%|%CLUSTER_METADATA(m:b)%", '[1,"a",null]|q|true'),
        ("%METADATA(ROUTE:r:k)%|%UPSTREAM_METADATA(h:k)%|%METADATA(DYNAMIC:a)%", "rr|hh|-"),
        ("%DYNAMIC_METADATA(a:b)%|%FILTER_STATE(foo:PLAIN)%", "-|-"),
        ("%ENVIRONMENT(PYVOY_NOT_SET)%", "-"),
    ],
)
def test_operators(text: str, expected: str) -> None:
    assert compile_format(text)(Source()).decode() == expected


def test_the_default_line() -> None:
    assert compile_format(DEFAULT_FORMAT)(Source()).decode() == (
        '[2026-11-23T18:28:42.212Z] "GET /p/q?a=1&b=xyz&e= HTTP/1.1" 200 - 0 316 5 - "-" "ua" "-" "h.test:80" '
        '"127.0.0.1:18981"\n'
    )


def test_the_default_line_of_a_tcp_session() -> None:
    source = Source()
    source.request_headers = source.response_headers = None
    source.info.protocol, source.info.response_code, source.info.end_s = "", 0, None
    assert compile_format(DEFAULT_FORMAT)(source).decode() == (
        '[2026-11-23T18:28:42.212Z] "- - -" 0 - 0 316 10500 - "-" "-" "-" "-" "127.0.0.1:18981"\n'
    )


def test_the_trusted_client_address_is_the_remote_address() -> None:
    source = Source()
    source.info.downstream_remote = Address("10.1.2.3", 0)
    text = compile_format("%DOWNSTREAM_REMOTE_ADDRESS%|%DOWNSTREAM_DIRECT_REMOTE_ADDRESS%")(source)
    assert text == b"10.1.2.3:0|127.0.0.1:39512"


def test_a_unix_socket_has_a_path_and_no_port() -> None:
    source = Source()
    source.connection.local = Address("", 0, "/run/x.sock")
    text = compile_format("%DOWNSTREAM_LOCAL_ADDRESS%|%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%|%DOWNSTREAM_LOCAL_PORT%")
    assert text(source) == b"/run/x.sock|/run/x.sock|-"


def test_missing_values_may_be_empty() -> None:
    assert compile_format("a%REQ(nope)%b", missing=b"")(Source()) == b"ab"


def test_tls_facts() -> None:
    source = Source()
    tls = source.connection.tls = TlsInfo()
    tls.version = "TLSv1.3"
    tls.peer_uri_sans = ("spiffe://a", "spiffe://b")
    tls.peer_valid_from_s = 1_700_000_000.0
    text = compile_format("%DOWNSTREAM_TLS_VERSION%|%DOWNSTREAM_PEER_URI_SAN%|%DOWNSTREAM_PEER_SUBJECT%")
    assert text(source) == b"TLSv1.3|spiffe://a,spiffe://b|-"
    assert compile_format("%DOWNSTREAM_PEER_CERT_V_START%")(source) == b"2023-11-14T22:13:20.000Z"


@pytest.mark.parametrize(
    ("trailers", "headers", "code", "expected"),
    [
        ([(b"grpc-status", b"3")], [], 200, "InvalidArgument|INVALID_ARGUMENT|3"),
        ([], [(b"grpc-status", b"0")], 200, "OK|OK|0"),
        ([], [], 503, "Unavailable|UNAVAILABLE|14"),
        ([(b"grpc-status", b"99")], [], 200, "99|99|99"),
    ],
)
def test_grpc_status(
    trailers: list[tuple[bytes, bytes]], headers: list[tuple[bytes, bytes]], code: int, expected: str
) -> None:
    source = Source()
    assert source.request_headers is not None
    source.request_headers.set(b"content-type", b"application/grpc+proto")
    source.response_trailers = HeaderMap(trailers)
    source.response_headers = HeaderMap(headers)
    source.info.response_code = code
    text = "%GRPC_STATUS%|%GRPC_STATUS(SNAKE_STRING)%|%GRPC_STATUS_NUMBER%"
    assert compile_format(text)(source).decode() == expected


def test_flags_and_details() -> None:
    source = Source()
    source.info.response_flags = Flag.NO_ROUTE_FOUND
    source.info.response_code_details = "some detail here"
    text = "%RESPONSE_FLAGS%|%RESPONSE_CODE_DETAILS%|%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%"
    assert compile_format(text)(source) == b"NR|some_detail_here|some detail here"


def test_metadata_and_filter_state_of_the_stream() -> None:
    source = Source()
    source.info.dynamic_metadata["ns"] = {"key": "a\nb", "obj": {"x": 1}}
    source.info.filter_state["state"] = {"field": "value"}
    source.connection.filter_state["conn"] = "text"
    text = "%DYNAMIC_METADATA(ns:key):1%|%DYNAMIC_METADATA(ns:obj):2%|%FILTER_STATE(state:FIELD:field)%"
    assert compile_format(text)(source) == b'a|{"x":1}|value'
    assert compile_format("%FILTER_STATE(conn:PLAIN)%")(source) == b"text"


def test_a_value_cannot_break_a_log_line() -> None:
    source = Source()
    source.info.dynamic_metadata["ns"] = {"key": "a\r\nforged"}
    source.local_reply_body = b"one\ntwo"
    text = "%DYNAMIC_METADATA(ns:key)% %LOCAL_REPLY_BODY%\n"
    assert compile_format(text, one_line=True)(source) == b"a\\r\\nforged one\\ntwo\n"
    assert compile_format(text)(source) == b"a\r\nforged one\ntwo\n"


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("%FOO", "Incorrect configuration: %FOO. Couldn't find valid command at position 0"),
        ("a % b", "Incorrect configuration: a % b. Couldn't find valid command at position 2"),
        ("%foo%", "Incorrect configuration: %foo%. Couldn't find valid command at position 0"),
        ("%%%", "Incorrect configuration: %%%. Couldn't find valid command at position 2"),
        ("%REQ(a)%%", "Incorrect configuration: %REQ(a)%%. Couldn't find valid command at position 8"),
        ("%START_TIME(\n)%", "Incorrect configuration: %START_TIME(\n)%. Couldn't find valid command at position 0"),
        ("%NOPE%", "Not supported field in StreamInfo: NOPE"),
        ("%NOPE(x)%", "Not supported field in StreamInfo: NOPE"),
        ("%REQ%", "REQ requires parameters"),
        ("%REQ()%", "REQ requires parameters"),
        ("%REQ(a?b?c)%", "More than 1 alternative header specified in token: a?b?c"),
        ("%REQ(x y)%", "Invalid header configuration. Format string contains invalid characters."),
        ("%PATH(X)%", "Invalid PATH option: 'X', only 'WQ'/'NQ' are allowed"),
        ("%PATH(WQ:FOO)%", "Invalid PATH option: 'FOO', only 'ORIG'/'PATH'/'ORIG_OR_PATH' are allowed"),
        ("%QUERY_PARAMS(X)%", "Invalid QUERY_PARAMS option: 'X', only 'ORIG'/'DECODED' are allowed"),
        ("%GRPC_STATUS(X)%", "GrpcStatusFormatter only supports CAMEL_STRING, SNAKE_STRING or NUMBER. Got: X"),
        ("%COMMON_DURATION(A:B:x)%", "Invalid common duration precision: x."),
        ("%METADATA(X:a)%", "X is not supported type of metadata"),
        ("%FILTER_STATE%", "Invalid filter state configuration, key cannot be empty."),
        ("%FILTER_STATE(a:X)%", "Invalid filter state serialize type, only support PLAIN/TYPED/FIELD."),
        ("%FILTER_STATE(a:FIELD)%", "Invalid filter state serialize type, FIELD should be used with the field name."),
        ("%START_TIME(%n)%", "Invalid header configuration. Format string contains newline."),
        ("%START_TIME:3%", "START_TIME does not allow length to be specified."),
        ("%CLUSTER_METADATA(a):3%", "CLUSTER_METADATA does not allow length to be specified."),
        ("%PROTOCOL:3%", "PROTOCOL does not take any parameters or length"),
        ("%DOWNSTREAM_REMOTE_ADDRESS(8)%", "DOWNSTREAM_REMOTE_ADDRESS does not take any parameters or length"),
        (
            "%REQUESTED_SERVER_NAME(X)%",
            "Invalid REQUESTED_SERVER_NAME option: 'X', only 'SNI_ONLY'/'SNI_FIRST'/'HOST_FIRST' are allowed",
        ),
        ("%CEL(request.path)%", "CEL is not supported by pyvoy"),
    ],
)
def test_errors(text: str, error: str) -> None:
    with pytest.raises(FormatError) as caught:
        compile_format(text)
    assert str(caught.value) == error


def test_every_operator_survives_an_empty_source() -> None:
    source = Source()
    source.request_headers = source.response_headers = None
    source.info = type(source.info)()
    arguments = {
        "PATH": "(NQ)",
        "METADATA": "(VIRTUAL_HOST:a:b)",
        "FILTER_STATE": "(a)",
        "COMMON_DURATION": "(DS_RX_BEG:US_HS_END)",
    }
    for name in OPERATORS:
        argument = arguments.get(name, "")
        try:
            compile_format(f"%{name}{argument}%")(source)
        except FormatError:
            compile_format(f"%{name}(a:b)%")(source)
