"""The probes against real sockets: what they send, and which answers are good."""

import asyncio
from types import SimpleNamespace

import pytest

from pyvoy.network.address import Address
from pyvoy.stats.store import memory_store
from pyvoy.upstream.health.plan import CheckTarget, HealthCheckPlan, HttpProbePlan, TcpProbePlan
from pyvoy.upstream.health.probes import contains_in_order, make_probe, target_of
from pyvoy.upstream.health.session import HealthCheckStats
from tests.support.ports import free_port
from tests.support.steps import Close
from tests.support.upstream import Script, Upstream


class Session:
    """Collects results; `results` has what came of each check."""

    def __init__(self, host):
        self.host = host
        self.results = asyncio.Queue()
        self.stats = HealthCheckStats(memory_store().root)
        self.excluded = 0

    def succeeded(self, *, degraded=False):
        self.results.put_nowait("degraded" if degraded else "good")

    def failed(self, failure, *, retriable=False):
        self.results.put_nowait("retriable" if retriable else failure.name.lower())

    def exclude(self):
        self.excluded += 1


def plan(probe, **options):
    return HealthCheckPlan(
        probe,
        timeout_s=1.0,
        interval_s=1.0,
        unhealthy_threshold=1,
        healthy_threshold=1,
        unhealthy_interval_s=1.0,
        unhealthy_edge_interval_s=1.0,
        healthy_edge_interval_s=1.0,
        **options,
    )


def probed(script, probe, *, checks=1, check=CheckTarget(), **options):  # noqa: B008  # an immutable default
    """(results, the upstream, the session) of so many checks one after the other; no script: nobody listens."""

    async def work():
        loop = asyncio.get_running_loop()
        upstream = Upstream(script) if script is not None else None
        port = free_port()
        if upstream is not None:
            await upstream.start()
            port = upstream.port
        session = Session(SimpleNamespace(address=Address("127.0.0.1", port), check=check))
        made = make_probe(session, plan(probe, **options), loop, lambda work, name: loop.create_task(work, name=name))
        results = []
        try:
            for _ in range(checks):
                made.check()
                results.append(await asyncio.wait_for(session.results.get(), 5))
        finally:
            made.close()
            if upstream is not None:
                await upstream.stop()
        return results, upstream, session

    return asyncio.run(work())


def answer(status="200 OK", *headers, body=b""):
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers]
    return Script((("\r\n".join(lines).encode() + b"\r\n\r\n" + body,),))


HTTP = HttpProbePlan(b"/healthz", b"cluster")


def test_the_request_is_the_one_that_envoy_sends():
    results, upstream, _ = probed(answer(), HTTP, checks=2)
    assert results == ["good", "good"]
    assert [bytes(peer.received) for peer in upstream.connections] == [
        b"GET /healthz HTTP/1.1\r\nhost: cluster\r\nuser-agent: Envoy/HC\r\n\r\n" * 2
    ]


def test_the_endpoint_may_have_a_host_name_of_its_own():
    _, upstream, _ = probed(answer(), HTTP, check=CheckTarget(hostname="its.own"))
    assert b"host: its.own\r\n" in upstream.received()


def test_without_reuse_each_check_connects():
    _, upstream, _ = probed(answer(), HTTP, checks=2, reuse_connection=False)
    assert len(upstream.connections) == 2


def test_a_connection_that_the_host_will_close_is_not_kept():
    results, upstream, _ = probed(answer("200 OK", "connection: close"), HTTP, checks=2)
    assert results == ["good", "good"]
    assert len(upstream.connections) == 2


@pytest.mark.parametrize(
    ("script", "probe", "result"),
    [
        (answer("503 Unavailable"), HTTP, "active"),
        (answer("204 No Content"), HttpProbePlan(b"/", b"c", expected=((200, 300),)), "good"),
        (answer("503 Unavailable"), HttpProbePlan(b"/", b"c", retriable=((500, 600),)), "retriable"),
        (answer("200 OK", "x-envoy-degraded: true"), HTTP, "degraded"),
        (answer(body=b"all is well here"), HttpProbePlan(b"/", b"c", receive=(b"all", b"well")), "good"),
        (answer(body=b"well, all is not"), HttpProbePlan(b"/", b"c", receive=(b"all", b"well")), "active"),
        (answer(body=b"x" * 20 + b"well"), HttpProbePlan(b"/", b"c", receive=(b"well",), buffer_bytes=20), "active"),
        (Script(((b"nonsense\r\n\r\n",),)), HTTP, "network"),
        (Script(((b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", Close()),)), HTTP, "network"),
        (Script(((b"HTTP/1.1 200 OK\r\n\r\nbody", Close()),)), HTTP, "good"),
        (Script(raw=((Close(),),)), HTTP, "network"),
        (None, HTTP, "network"),
        (Script(raw=((Close(),),)), TcpProbePlan(), "good"),
        (None, TcpProbePlan(), "network"),
        (Script(raw=((b"..PO..NG..",),)), TcpProbePlan(b"PING", (b"PO", b"NG")), "good"),
        (Script(raw=((b"no", Close()),)), TcpProbePlan(b"PING", (b"PONG",)), "network"),
    ],
)
def test_answers(script, probe, result):
    assert probed(script, probe)[0] == [result]


@pytest.mark.parametrize(("name", "result"), [("wanted-1", "good"), ("other", "active")])
def test_the_service_may_have_to_say_its_name(name, result):
    probe = HttpProbePlan(b"/", b"c", service_name=lambda value: value.startswith(b"wanted"))
    results, _, session = probed(answer("200 OK", f"x-envoy-upstream-healthchecked-cluster: {name}"), probe)
    assert results == [result]
    assert session.stats.verify_cluster.value == 1


def test_a_host_may_ask_to_be_left_out():
    _, _, session = probed(answer("503 Unavailable", "x-envoy-immediate-health-check-fail: true"), HTTP)
    assert session.excluded == 1


def test_other_places_to_check():
    there = SimpleNamespace(address=Address("10.0.0.1", 80), check=CheckTarget(port=81))
    assert target_of(there) == Address("10.0.0.1", 81)
    there.check = CheckTarget("10.0.0.2")
    assert target_of(there) == Address("10.0.0.2", 80)


def test_pieces_must_come_in_order():
    assert contains_in_order((b"a", b"b"), b"xaxbx")
    assert not contains_in_order((b"a", b"b"), b"xbxax")
    assert contains_in_order((), b"")
