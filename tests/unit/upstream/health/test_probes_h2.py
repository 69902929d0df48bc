"""The probes over HTTP/2 against real sockets: what they send, and which answers are good."""

import asyncio
from types import SimpleNamespace

import pytest

from pyvoy.http.grpc_frames import frame
from pyvoy.http.routing.header_rules import HeaderRules
from pyvoy.network.address import Address
from pyvoy.upstream.health.plan import CheckTarget, GrpcProbePlan, HttpProbePlan
from pyvoy.upstream.health.probes import make_probe
from tests.support import h2wire as h2
from tests.support.steps import Close
from tests.support.upstream import STREAM, Script, Upstream
from tests.unit.upstream.health.test_probes import Session, plan, probed

GRPC = GrpcProbePlan("my.Service", b"cluster")
HTTP = HttpProbePlan(b"/healthz", b"cluster", http2=True)
HEAD = [(b":status", b"200"), (b"content-type", b"application/grpc")]


def script(*frames, **more):
    return Script((frames,), http2=True, **more)


def said(status=1, grpc=b"0", *, more=b""):
    body = frame(b"\x08" + bytes([status])) + more
    return script(
        h2.head(STREAM, fields=HEAD, end=False)
        + h2.data(STREAM, body, end=False)
        + h2.head(STREAM, fields=[(b"grpc-status", grpc)])
    )


def requests(upstream):
    return [message for peer in upstream.connections for message in h2.requests(bytes(peer.received))[0]]


def test_a_call_is_the_one_that_envoy_sends():
    results, upstream, _ = probed(said(), GRPC, checks=2)
    assert results == ["good", "good"]
    assert len(upstream.connections) == 1
    first, second = requests(upstream)
    assert sorted(first.headers) == [
        (b":authority", b"cluster"),
        (b":method", b"POST"),
        (b":path", b"/grpc.health.v1.Health/Check"),
        (b":scheme", b"http"),
        (b"content-type", b"application/grpc"),
        (b"grpc-timeout", b"1000m"),
        (b"te", b"trailers"),
        (b"user-agent", b"Envoy/HC"),
    ]
    assert first.body == second.body == frame(b"\x0a\x0amy.Service")


def test_the_whole_server_and_a_name_of_its_own():
    _, upstream, _ = probed(said(), GrpcProbePlan("", b"a", HeaderRules()), check=CheckTarget(hostname="its.own"))
    (only,) = requests(upstream)
    assert only.body == frame(b"")
    assert (b":authority", b"its.own") in only.headers


@pytest.mark.parametrize(
    ("given", "result"),
    [
        (said(2), "active"),
        (said(3), "active"),
        (said(grpc=b"5"), "active"),
        (said(more=frame(b"\x08\x01")), "active"),
        (script(h2.head(STREAM, fields=[*HEAD, (b"grpc-status", b"12")])), "active"),
        (script(h2.head(STREAM, fields=[(b":status", b"503")])), "active"),
        (script(h2.head(STREAM, fields=[(b":status", b"200"), (b"content-type", b"text/html")], end=False)), "active"),
        (script(h2.head(STREAM, fields=HEAD, end=False) + h2.data(STREAM, frame(b"\x08\x01"))), "active"),
        (script(h2.head(STREAM, fields=HEAD, end=False) + h2.data(STREAM, frame(b"\xff"), end=False)
                + h2.head(STREAM, fields=[(b"grpc-status", b"0")])), "active"),
        (script(h2.rst(STREAM)), "network"),
        (script(Close()), "network"),
        (script(h2.frame(0, stream=0, payload=b"x")), "network"),
        (None, "network"),
    ],
)  # fmt: skip
def test_answers_to_a_call(given, result):
    assert probed(given, GRPC)[0] == [result]


def test_after_a_reset_the_connection_goes_on():
    resets = Script(((h2.rst(STREAM),), *said().answers), http2=True)
    results, upstream, _ = probed(resets, GRPC, checks=2)
    assert results == ["network", "good"]
    assert len(upstream.connections) == 1


def test_a_connection_that_says_goodbye_is_used_up():
    goodbye = Script(((h2.goaway(1) + said().answers[0][0],),), http2=True)
    results, upstream, _ = probed(goodbye, GRPC, checks=2)
    assert results == ["good", "good"]
    assert len(upstream.connections) == 2


def test_a_request_over_http2():
    ok = script(h2.head(STREAM, fields=[(b":status", b"200")]))
    results, upstream, _ = probed(ok, HTTP, checks=2)
    assert results == ["good", "good"]
    assert len(upstream.connections) == 1
    assert sorted(requests(upstream)[0].headers) == [
        (b":authority", b"cluster"),
        (b":method", b"GET"),
        (b":path", b"/healthz"),
        (b":scheme", b"http"),
        (b"user-agent", b"Envoy/HC"),
    ]
    assert probed(script(h2.head(STREAM, fields=[(b":status", b"503")])), HTTP)[0] == ["active"]


def test_a_call_that_takes_too_long_ends_alone():
    silent_once = Script(((h2.head(STREAM, fields=HEAD, end=False),), *said().answers), http2=True)

    async def work():
        loop = asyncio.get_running_loop()
        upstream = Upstream(silent_once)
        await upstream.start()
        session = Session(SimpleNamespace(address=Address("127.0.0.1", upstream.port), check=CheckTarget()))
        made = make_probe(session, plan(GRPC), loop, lambda work, name: loop.create_task(work, name=name))
        try:
            made.check()
            async with asyncio.timeout(5):
                while not upstream.connections or not requests(upstream):  # noqa: ASYNC110  # the peer has no event of this
                    await asyncio.sleep(0.01)
            made.give_up()
            made.check()
            return await asyncio.wait_for(session.results.get(), 5), len(upstream.connections)
        finally:
            made.close()
            await upstream.stop()

    assert asyncio.run(work()) == ("good", 1)
