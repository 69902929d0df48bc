"""Calls of extensions, and copies of requests, to a cluster that speaks HTTP/2."""

import pytest

from pyvoy.extensions.http_call import Failure
from pyvoy.http.headers import HeaderMap
from tests.support import h2wire as h2
from tests.support.relay import Relay, get
from tests.unit.extensions.test_http_call import Scene

HTTP2 = "http2_protocol_options: {}"
_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
AUTO_SNI = (
    f"typed_extension_protocol_options: {{{_OPTIONS}: {{'@type': type.googleapis.com/{_OPTIONS}, "
    "upstream_http_protocol_options: {auto_sni: true}, explicit_http_config: {http2_protocol_options: {}}}}"
)
OK = [(b":status", b"200")]


def start():
    return Scene(cluster=HTTP2)


def sent(upstream, stream=1):
    """The one request on that stream."""
    (message,) = h2.messages(upstream.wire.out, b":method")[stream]
    return message


def test_the_head_the_body_and_the_trailers_go_out_as_frames():
    scene = start()
    scene.call(b"hello", (b"x-q", b"a"), (b"te", b"gzip"), trailers=HeaderMap([(b"x-t", b"1")]))
    request = sent(scene.relay.accept())
    fields = dict(request.headers)
    assert (fields[b":scheme"], fields[b":authority"], fields[b":path"]) == (b"http", b"auth.test", b"/c")
    assert (fields[b"x-q"], fields[b"x-envoy-internal"]) == (b"a", b"true")
    assert not {b"te", b"content-length", b"host"} & set(fields)
    assert (request.body, request.trailers) == (b"hello", [(b"x-t", b"1")])


def test_the_answer_its_trailers_and_what_is_counted():
    scene = start()
    scene.call(method=b"GET")
    upstream = scene.relay.accept()
    upstream.sends(h2.settings() + h2.head(1, fields=OK, end=False) + h2.data(1, b"fi", end=False))
    upstream.sends(h2.data(1, b"ne", end=False) + h2.head(1, fields=[(b"x-end", b"yes")]))
    result = scene.result
    assert (result.status, result.body, result.failure) == (200, b"fine", None)
    assert result.trailers.get(b"x-end") == b"yes"
    assert scene.relay.count("internal.upstream_rq_200") == scene.relay.count("upstream_cx_http2_total") == 1
    assert scene.relay.level("upstream_rq_active") == 0


def test_calls_share_a_connection():
    scene = start()
    scene.call(method=b"GET")
    scene.call(method=b"GET")
    assert scene.relay.connecting == 1
    upstream = scene.relay.accept()
    upstream.sends(h2.settings() + h2.head(3, fields=OK) + h2.head(1, fields=OK))
    assert [result.status for result in scene.results] == [200, 200]
    assert not upstream.closed


def test_with_auto_sni_calls_of_one_authority_share_a_connection():
    scene = Scene(cluster=AUTO_SNI)
    for authority in (b"a.test", b"b.test:443", b"a.test"):
        headers = HeaderMap([(b":method", b"GET"), (b":path", b"/"), (b":authority", authority)])
        scene.host.http_call("up", headers, b"", scene.results.append)
    scene.relay.settle()
    assert scene.relay.connecting == 2
    names = [upstream.protocol.server_name for upstream in (scene.relay.accept(), scene.relay.accept())]
    assert names == ["a.test", "b.test"]


@pytest.mark.parametrize("answering", [False, True])
def test_a_reset_fails_its_call_alone(answering):
    scene = start()
    scene.call(method=b"GET")
    upstream = scene.relay.accept()
    upstream.sends(h2.settings() + (h2.head(1, fields=OK, end=False) if answering else b"") + h2.rst(1, 2))
    assert scene.result.failure is (Failure.INCOMPLETE if answering else Failure.RESET)
    assert not upstream.closed
    assert scene.relay.level("upstream_rq_active") == 0


def test_a_lost_connection_fails_its_calls():
    scene = start()
    scene.call()
    scene.call()
    scene.relay.accept().ends()
    assert [result.failure for result in scene.results] == [Failure.RESET, Failure.RESET]


@pytest.mark.parametrize("how", ["cancel", "timeout", "too large"])
def test_giving_up_resets_the_stream_and_keeps_the_connection(how):
    scene = start()
    call = scene.call(timeout_s=2.0, max_response_bytes=4)
    upstream = scene.relay.accept()
    upstream.sends(h2.settings() + h2.head(1, fields=OK, end=False))
    if how == "cancel":
        call.cancel()
        scene.relay.settle()
    elif how == "timeout":
        scene.relay.wait(2.1)
    else:
        upstream.sends(h2.data(1, b"12345", end=False))
    assert sent(upstream).framing == "reset 2"
    assert not upstream.closed
    wanted = {"cancel": [], "timeout": [Failure.TIMEOUT], "too large": [Failure.TOO_LARGE]}[how]
    assert [result.failure for result in scene.results] == wanted
    assert scene.relay.level("upstream_rq_active") == 0


def test_cancelling_while_it_waits_for_the_connection():
    scene = start()
    scene.call().cancel()
    scene.relay.accept()
    assert scene.relay.level("upstream_rq_pending_active") == scene.relay.level("upstream_rq_active") == 0
    assert not scene.results


def test_a_copy_of_a_request_goes_by_http2_too():
    relay = Relay(cluster=HTTP2, route="request_mirror_policies: [{cluster: up}]")
    relay.connect()
    relay.sends(get())
    found = h2.messages(relay.accept().wire.out, b":method")
    assert sorted(dict(one[0].headers)[b":authority"] for one in found.values()) == [b"a.test", b"a.test-shadow"]
