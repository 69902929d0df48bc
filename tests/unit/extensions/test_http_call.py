"""Calls of extensions to clusters: what the upstream sees, what comes back, what is counted, how they fail."""

import asyncio
import logging

import pytest

from pyvoy.extensions.host import Host
from pyvoy.extensions.http_call import CallOptions, CallRefused, Failure, UnknownCluster
from pyvoy.http.headers import HeaderMap
from pyvoy.network.local_address import local_ip
from tests.support.relay import Relay, answer

LOG = logging.getLogger("pyvoy.test")


class Scene:
    """A host over a relay's cluster `up`, and what its calls have brought."""

    def __init__(self, **relay):
        self.relay = Relay(**relay)
        fakes = self.relay.fakes
        self.host = Host(fakes.scope.scope("ext"), fakes.arena, LOG, fakes.services)
        self.results = []

    def call(self, body=b"", *pairs, cluster="up", trailers=None, method=b"POST", settle=True, **options):
        headers = HeaderMap([(b":method", method), (b":path", b"/c"), (b":authority", b"auth.test"), *pairs])
        call = self.host.http_call(
            cluster, headers, body, self.results.append, trailers=trailers, options=CallOptions(**options)
        )
        if settle:
            self.relay.settle()
        return call

    @property
    def result(self):
        (result,) = self.results
        return result


def test_what_the_upstream_sees():
    scene = Scene()
    scene.call(b"hello", (b"x-q", b"a"), (b"x-q", b"b"), timeout_s=0.5)
    upstream = scene.relay.accept()
    assert upstream.wire.out == (
        b"POST /c HTTP/1.1\r\nhost: auth.test\r\nx-q: a\r\nx-q: b\r\ncontent-length: 5\r\nx-envoy-internal: true\r\n"
        b"x-forwarded-for: " + local_ip().encode() + b"\r\nx-envoy-expected-rq-timeout-ms: 500\r\n\r\nhello"
    )


def test_headers_of_its_hop_go_out_as_given_but_those_that_frame():
    scene = Scene()
    hop = ((b"connection", b"keep-alive"), (b"te", b"x"), (b"transfer-encoding", b"chunked"), (b"upgrade", b"h2c"))
    scene.call(b"", *hop, method=b"GET", timeout_s=None, send_xff=False)
    upstream = scene.relay.accept()
    assert upstream.wire.out == (
        b"GET /c HTTP/1.1\r\nhost: auth.test\r\nconnection: keep-alive\r\nte: x\r\nx-envoy-internal: true\r\n\r\n"
    )


def test_without_a_timeout_and_without_this_hosts_address():
    scene = Scene()
    scene.call(timeout_s=None, send_xff=False, method=b"GET")
    upstream = scene.relay.accept()
    assert upstream.wire.out == b"GET /c HTTP/1.1\r\nhost: auth.test\r\nx-envoy-internal: true\r\n\r\n"
    scene.relay.wait(3600)
    assert not scene.results


def test_the_answer_and_what_is_counted():
    scene = Scene()
    call = scene.call(method=b"GET")
    scene.relay.accept().sends(answer(200, "x-a: 1", "x-a: 2", body=b"fine"))
    result = scene.result
    assert (result.status, result.body, result.failure, call.done) == (200, b"fine", None, True)
    assert result.headers.get_all(b"x-a") == [b"1", b"2"]
    assert result.headers.get(b"x-envoy-upstream-service-time") == b"0"
    counter = scene.relay.count
    assert counter("upstream_rq_200") == counter("internal.upstream_rq_200") == counter("upstream_rq_total") == 1
    assert counter("external.upstream_rq_200") == 0
    assert scene.relay.fakes.counter("http.async-client.rq_total") == 1
    assert scene.relay.level("upstream_rq_active") == 0


def test_connections_are_shared_with_the_traffic_and_used_again():
    scene = Scene()
    scene.call(method=b"GET")
    upstream = scene.relay.accept()
    upstream.sends(answer())
    scene.call(method=b"GET")
    upstream.sends(answer())
    assert (len(scene.results), upstream.heads, scene.relay.connecting) == (2, 2, 0)


def test_body_and_trailers_come_in_pieces():
    scene = Scene(http="{}", cluster="http_protocol_options: {enable_trailers: true}")
    scene.call(method=b"GET")
    upstream = scene.relay.accept()
    upstream.sends(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
    upstream.sends(b"2\r\nde\r\n0\r\nx-end: yes\r\n\r\n")
    assert scene.result.body == b"abcde"
    assert scene.result.trailers.get(b"x-end") == b"yes"


def test_request_trailers_are_sent_behind_a_chunked_body():
    scene = Scene(cluster="http_protocol_options: {enable_trailers: true}")
    scene.call(b"abc", trailers=HeaderMap([(b"x-t", b"1")]))
    out = scene.relay.accept().wire.out
    assert b"content-length" not in out
    assert out.endswith(b"3\r\nabc\r\n0\r\nx-t: 1\r\n\r\n")


def test_a_refused_connection():
    scene = Scene()
    scene.call()
    scene.relay.refuse()
    result = scene.result
    assert (result.failure, result.status, result.answered) == (Failure.CONNECT, 503, True)
    assert result.body == (
        b"upstream connect error or disconnect/reset before headers. reset reason: remote connection failure"
    )
    assert scene.relay.count("internal.upstream_rq_503") == 1


def test_the_proxys_own_answer_to_a_head_has_no_body():
    scene = Scene()
    scene.call(method=b"HEAD")
    scene.relay.refuse()
    assert (scene.result.status, scene.result.body) == (503, b"")


@pytest.mark.parametrize(("authority", "host", "sent"), [(b"", None, b""), (b"", b"h", b"h"), (b"a", b"h", b"a,h")])
def test_host_is_another_name_of_the_authority(authority, host, sent):
    scene = Scene()
    pairs = [] if host is None else [(b"host", host)]
    headers = HeaderMap([(b":method", b"GET"), (b":path", b"/"), (b":authority", authority), *pairs])
    scene.host.http_call("up", headers, b"", scene.results.append)
    scene.relay.settle()
    assert scene.relay.accept().wire.out.startswith(b"GET / HTTP/1.1\r\nhost: " + sent + b"\r\nx-envoy-internal")


def test_no_host():
    scene = Scene(hosts="0")
    call = scene.call(settle=False)
    assert not scene.results, "the caller hears of it in a later turn"
    assert call.done
    scene.relay.settle()
    assert (scene.result.failure, scene.result.body) == (Failure.NO_HOST, b"no healthy upstream")
    assert scene.relay.count("upstream_cx_none_healthy") == 1


def test_the_circuit_breaker():
    scene = Scene(cluster="circuit_breakers: {thresholds: [{max_connections: 1, max_pending_requests: 1}]}")
    scene.call()
    scene.relay.accept()
    scene.call()
    scene.call()
    scene.relay.settle()
    assert scene.result.failure is Failure.OVERFLOW
    assert scene.result.body.endswith(b"reset reason: overflow")


def test_the_upstream_hangs_up_before_it_answers():
    scene = Scene()
    scene.call()
    scene.relay.accept().ends()
    assert (scene.result.failure, scene.result.status) == (Failure.RESET, 503)
    assert scene.result.body.endswith(b"reset reason: connection termination")


def test_the_upstream_hangs_up_in_the_middle_of_its_answer():
    scene = Scene()
    scene.call()
    upstream = scene.relay.accept()
    upstream.sends(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nabc")
    upstream.ends()
    assert (scene.result.failure, scene.result.answered, scene.result.status) == (Failure.INCOMPLETE, False, 503)
    assert scene.relay.count("internal.upstream_rq_200") == scene.relay.count("upstream_rq_completed") == 1


@pytest.mark.parametrize("started", [False, True])
def test_the_time_out(started):
    scene = Scene()
    scene.call(timeout_s=2.0)
    upstream = scene.relay.accept()
    if started:
        upstream.sends(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nabc")
    scene.relay.wait(1.9)
    assert not scene.results
    scene.relay.wait(0.2)
    result = scene.result
    assert result.failure is Failure.TIMEOUT
    assert (result.status, result.answered) == ((503, False) if started else (504, True))
    assert upstream.closed
    assert scene.relay.count("upstream_rq_timeout") == 1
    assert scene.relay.level("upstream_rq_active") == 0


def test_the_time_out_while_it_waits_for_a_connection():
    scene = Scene()
    scene.call(timeout_s=2.0)
    scene.relay.wait(2.1)
    assert scene.result.failure is Failure.TIMEOUT
    scene.relay.accept()
    assert scene.relay.level("upstream_rq_pending_active") == 0


def test_an_answer_that_is_too_large():
    scene = Scene()
    scene.call(max_response_bytes=10)
    upstream = scene.relay.accept()
    upstream.sends(b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n" + b"x" * 20)
    assert (scene.result.failure, scene.result.answered) == (Failure.TOO_LARGE, False)
    assert upstream.closed


def test_a_whole_answer_that_is_too_large():
    scene = Scene()
    scene.call(max_response_bytes=10)
    scene.relay.accept().sends(answer(body=b"x" * 11))
    assert scene.result.failure is Failure.TOO_LARGE


@pytest.mark.parametrize("when", ["connecting", "sent", "answering"])
def test_cancelling(when):
    scene = Scene()
    call = scene.call()
    upstream = None
    if when != "connecting":
        upstream = scene.relay.accept()
    if when == "answering":
        upstream.sends(b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nabc")
    call.cancel()
    call.cancel()
    scene.relay.wait(100)
    assert not scene.results
    assert upstream is None or upstream.closed
    assert scene.relay.level("upstream_rq_active") == scene.relay.level("upstream_rq_pending_active") == 0


def test_cancelling_what_has_failed_at_once():
    scene = Scene(hosts="0")
    scene.call(settle=False).cancel()
    scene.relay.settle()
    assert not scene.results


def test_what_is_refused():
    scene = Scene()
    with pytest.raises(UnknownCluster, match="no cluster 'nowhere'"):
        scene.call(cluster="nowhere")
    with pytest.raises(CallRefused, match="needs the header :authority"):
        scene.host.http_call("up", HeaderMap([(b":method", b"GET"), (b":path", b"/")]), b"", scene.results.append)
    with pytest.raises(CallRefused, match="is no header"):
        scene.call(b"", (b"x-a", b"1\r\nx-b: 2"))
    with pytest.raises(CallRefused, match="CONNECT"):
        scene.call(method=b"CONNECT")


def test_awaiting_a_call():
    scene = Scene()
    loop = scene.relay.fakes.loop
    headers = HeaderMap([(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a")])
    results = []

    async def work():
        results.append(await scene.host.fetch("up", headers))

    task = loop.create_task(work())
    loop.settle()
    scene.relay.accept().sends(answer(body=b"fine"))
    assert results[0].body == b"fine"
    assert task.done()


def test_who_awaits_a_call_and_is_cancelled_gives_it_up():
    scene = Scene()
    loop = scene.relay.fakes.loop
    headers = HeaderMap([(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a")])
    task = loop.create_task(scene.host.fetch("up", headers))
    loop.settle()
    upstream = scene.relay.accept()
    task.cancel()
    loop.settle()
    assert upstream.closed
    with pytest.raises(asyncio.CancelledError):
        task.result()
