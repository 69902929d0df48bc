"""TCP sessions as clients, upstreams, statistics and the access log see them; figures of Envoy 1.40."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from pyvoy.filters.network.connection_limit import ConnectionLimit
from pyvoy.filters.network.sni_cluster import CLUSTER_STATE
from pyvoy.filters.network.tcp_proxy.filter import TcpProxy
from pyvoy.filters.network.tcp_proxy.plan import CLUSTER_STATE as READ_STATE
from pyvoy.filters.network.tcp_proxy.plan import Backoff, Destination, TcpProxyPlan, TcpStats, weighted
from pyvoy.network.network_filter import NetworkFilter, NetworkVerdict
from pyvoy.upstream.cluster_plan import ThresholdsPlan
from tests.support.building import Place
from tests.support.listening import Client, Worker, refusing, run
from tests.support.ports import stuck_port

Serve = Callable[[Client], Coroutine[Any, Any, None]]
ENDS = """upstream_cx_destroy_local_with_active_rq upstream_cx_destroy_remote_with_active_rq upstream_rq_total
upstream_cx_active upstream_rq_active"""


def plan(worker: Worker, **options: Any) -> TcpProxyPlan:
    stats = TcpStats(worker.store.root.scope("tcp.t"))
    options.setdefault("pick", weighted([Destination("up")], [1]))
    return TcpProxyPlan(stats, access_logs=(worker.log,), **options)


async def proxied(worker: Worker, serve: Serve, cluster: dict[str, Any] | None = None, **options: Any) -> Client:
    """A client of a tcp_proxy in front of this upstream."""
    worker.cluster("up", await worker.upstream(serve), **(cluster or {}))
    return await worker.dial(await worker.listen((TcpProxy, plan(worker, **options))))


async def ended(worker: Worker, count: int = 2) -> list[str]:
    await worker.settle(lambda: len(worker.log.lines) >= count)
    assert not worker.listener.connections
    return worker.log.lines


async def answer(client: Client) -> None:
    assert await client.read(4) == b"ping"
    client.send(b"answer")


async def answer_and_close(client: Client) -> None:
    await answer(client)
    client.close()


async def wait_for_end(client: Client) -> None:
    await answer(client)
    await client.rest()
    client.close()


async def read_all(client: Client) -> None:
    while await client.reader.read(1 << 16):
        pass
    client.close()


def test_bytes_pass_both_ways_and_are_counted() -> None:
    async def work(worker: Worker) -> None:
        client = await proxied(worker, wait_for_end)
        client.send(b"ping")
        assert await client.read(6) == b"answer"
        await worker.settle(lambda: worker.count("tcp.t.downstream_cx_tx_bytes_total") == 6)
        assert worker.level("cluster.up.upstream_rq_active") == 1
        client.close()
        assert await ended(worker) == [
            "NotSet - 4/6 up host - chain",
            "TcpConnectionEnd - 4/6 up host - chain",
        ]
        assert worker.counts(
            "tcp.t", "downstream_cx_total downstream_cx_rx_bytes_total downstream_cx_tx_bytes_total"
        ) == [1, 4, 6]
        assert worker.counts("cluster.up", "upstream_cx_rx_bytes_total upstream_cx_tx_bytes_total") == [6, 4]
        assert worker.counts("cluster.up", ENDS) == [0, 1, 1, 0, 0]

    run(work)


def test_the_client_may_end_first_and_still_gets_its_answer() -> None:
    async def serve(client: Client) -> None:
        assert await client.rest() == b"question"
        client.send(b"after the end")
        client.close()

    async def work(worker: Worker) -> None:
        client = await proxied(worker, serve)
        client.send(b"question")
        client.fin()
        assert await client.rest() == b"after the end"
        await ended(worker)
        assert worker.counts("cluster.up", ENDS) == [0, 1, 1, 0, 0]

    run(work)


def test_the_upstream_may_end_first_and_still_hears_the_client() -> None:
    heard = asyncio.Event()

    async def serve(client: Client) -> None:
        client.send(b"hello")
        client.fin()
        assert await client.rest() == b"late words"
        heard.set()

    async def work(worker: Worker) -> None:
        client = await proxied(worker, serve)
        assert await client.rest() == b"hello"
        client.send(b"late words")
        client.fin()
        await heard.wait()
        await ended(worker)
        assert worker.counts("cluster.up", ENDS) == [1, 0, 1, 0, 0]

    run(work)


def test_a_reset_by_the_client_reaches_the_upstream() -> None:
    seen: list[bytes | None] = []

    async def serve(client: Client) -> None:
        await answer(client)
        seen.append(await client.rest())

    async def work(worker: Worker) -> None:
        client = await proxied(worker, serve)
        client.send(b"ping")
        await client.read(6)
        client.reset()
        assert (await ended(worker))[1] == "TcpConnectionEnd - 4/6 up host - chain"
        await worker.settle(lambda: bool(seen))
        assert seen == [None]
        assert worker.counts("cluster.up", ENDS) == [1, 0, 1, 0, 0]

    run(work)


def test_a_reset_by_the_upstream_reaches_the_client() -> None:
    async def serve(client: Client) -> None:
        await client.read(4)
        client.reset()

    async def work(worker: Worker) -> None:
        client = await proxied(worker, serve)
        client.send(b"ping")
        assert await client.rest() is None
        assert (await ended(worker))[1] == "TcpConnectionEnd UR 4/0 up host - chain"
        assert worker.counts("cluster.up", ENDS) == [0, 1, 1, 0, 0]

    run(work)


REFUSED = "upstream_cx_connect_fail upstream_cx_connect_attempts_exceeded upstream_rq_pending_failure_eject"


@pytest.mark.parametrize("backoff", [None, Backoff(1, 2)], ids=["at once", "with back-off"])
def test_a_host_that_refuses_is_tried_as_often_as_allowed(backoff: Backoff | None) -> None:
    async def work(worker: Worker) -> None:
        port, keeper = refusing()
        worker.cluster("up", port)
        settings = plan(worker, max_connect_attempts=3, backoff=backoff)
        client = await worker.dial(await worker.listen((TcpProxy, settings)))
        assert await client.rest() == b""
        assert (await ended(worker))[1] == "TcpConnectionEnd UF,URX 0/0 up host - chain"
        assert worker.counts("cluster.up", REFUSED) == [3, 1, 3]
        assert worker.counts("cluster.up", ENDS) == [0, 0, 0, 0, 0]
        assert worker.count("cluster.up.upstream_cx_destroy_remote") == 3
        keeper.close()

    run(work)


def test_bytes_that_nobody_read_make_the_end_a_reset() -> None:
    async def work(worker: Worker) -> None:
        port, keeper = refusing()
        worker.cluster("up", port)
        settings = plan(worker, max_connect_attempts=2, backoff=Backoff(100, 100))
        client = await worker.dial(await worker.listen((TcpProxy, settings)))
        client.send(b"ping")
        assert await client.rest() is None
        assert (await ended(worker))[1] == "TcpConnectionEnd UF,URX 0/0 up host - chain"
        keeper.close()

    run(work)


NONE, BLOCKED = ThresholdsPlan(max_connections=0), ThresholdsPlan(max_pending_requests=0)


@pytest.mark.parametrize(
    ("cluster", "thresholds", "line", "counter"),
    [
        ("up", None, "UH 0/0 up - - chain", "cluster.up.upstream_cx_none_healthy"),
        ("nope", None, "NC 0/0 - - - chain", "tcp.t.downstream_cx_no_route"),
        ("up", NONE, "UO 0/0 up - - chain", "cluster.up.upstream_cx_overflow"),
        ("up", BLOCKED, "URX 0/0 up - - chain", "cluster.up.upstream_rq_pending_overflow"),
    ],
    ids=["no host", "no cluster", "too many connections", "too many wait"],
)
def test_without_an_upstream_the_client_is_closed(
    cluster: str, thresholds: ThresholdsPlan | None, line: str, counter: str
) -> None:
    async def work(worker: Worker) -> None:
        if thresholds is None:
            worker.cluster("up")
        else:
            worker.cluster("up", 9, thresholds=(thresholds, thresholds))
        settings = plan(worker, pick=weighted([Destination(cluster)], [1]))
        client = await worker.dial(await worker.listen((TcpProxy, settings)))
        assert await client.rest() == b""
        assert (await ended(worker))[1] == f"TcpConnectionEnd {line}"
        assert worker.count(counter) == 1

    run(work)


class NamesCluster(NetworkFilter):
    """Writes the filter state that sni_cluster writes."""

    def on_new_connection(self, connection: Any) -> NetworkVerdict:
        connection.info.filter_state[CLUSTER_STATE] = "other"
        return NetworkVerdict.CONTINUE


def test_filter_state_names_the_cluster() -> None:
    assert CLUSTER_STATE == READ_STATE

    async def work(worker: Worker) -> None:
        worker.cluster("up", 9)
        worker.cluster("other", await worker.upstream(answer_and_close))
        client = await worker.dial(await worker.listen((NamesCluster, None), (TcpProxy, plan(worker))))
        client.send(b"ping")
        assert await client.rest() == b"answer"
        client.close()
        assert (await ended(worker))[1] == "TcpConnectionEnd - 4/6 other host - chain"

    run(work)


class Looks(NetworkFilter):
    """Sees every byte, so that the proxy cannot be given them directly."""

    def on_data(self, connection: Any, data: bytes, end: bool) -> NetworkVerdict:
        connection.info.dynamic_metadata.setdefault("looks", {})["seen"] = data
        return NetworkVerdict.CONTINUE


def test_behind_a_filter_that_looks_the_same_bytes_are_counted_once() -> None:
    async def work(worker: Worker) -> None:
        worker.cluster("up", await worker.upstream(answer_and_close))
        client = await worker.dial(await worker.listen((Looks, None), (TcpProxy, plan(worker))))
        client.send(b"ping")
        assert await client.rest() == b"answer"
        client.close()
        assert (await ended(worker))[1] == "TcpConnectionEnd - 4/6 up host - chain"
        assert worker.count("tcp.t.downstream_cx_rx_bytes_total") == 4

    run(work)


def test_a_session_refused_by_an_earlier_filter_is_logged_too() -> None:
    async def work(worker: Worker) -> None:
        worker.cluster("up", await worker.upstream(wait_for_end))
        limit = Place().plan(ConnectionLimit, "{stat_prefix: edge, max_connections: 1}")
        port = await worker.listen((ConnectionLimit, limit), (TcpProxy, plan(worker)))
        first = await worker.dial(port)
        first.send(b"ping")
        await first.read(6)
        second = await worker.dial(port)
        assert await second.rest() == b""
        assert await ended_but(worker, first) == ["NotSet - 0/0 - - - chain", "TcpConnectionEnd - 0/0 - - - chain"]

    async def ended_but(worker: Worker, open_one: Client) -> list[str]:
        await worker.settle(lambda: len(worker.log.lines) >= 2)
        lines = list(worker.log.lines)
        open_one.close()
        return lines

    run(work)


def test_an_idle_session_ends() -> None:
    async def work(worker: Worker) -> None:
        client = await proxied(worker, wait_for_end, idle_timeout_s=0.1)
        client.send(b"ping")
        assert await client.rest() == b"answer"
        await ended(worker)
        assert worker.count("tcp.t.idle_timeout") == 1
        assert worker.counts("cluster.up", ENDS) == [1, 0, 1, 0, 0]

    run(work)


def test_bytes_keep_a_session_from_being_idle() -> None:
    async def serve(client: Client) -> None:
        for _ in range(6):
            client.send(b"tick")
            await asyncio.sleep(0.06)
        client.close()

    async def work(worker: Worker) -> None:
        client = await proxied(worker, serve, idle_timeout_s=0.15)
        assert await client.rest() == b"tick" * 6
        assert worker.count("tcp.t.idle_timeout") == 0

    run(work)


def test_a_session_lasts_no_longer_than_allowed() -> None:
    async def work(worker: Worker) -> None:
        client = await proxied(worker, wait_for_end, max_duration_s=0.1, jitter=0.1)
        client.send(b"ping")
        assert await client.rest() == b"answer"
        assert (await ended(worker))[1] == "TcpConnectionEnd DT 4/6 up host - chain"
        assert worker.count("tcp.t.max_downstream_connection_duration") == 1

    run(work)


def test_it_may_wait_for_the_first_bytes_before_it_connects() -> None:
    async def work(worker: Worker) -> None:
        client = await proxied(worker, answer_and_close, connect_on_data=True, max_early_data_bytes=3)
        await asyncio.sleep(0.02)
        assert worker.count("cluster.up.upstream_cx_total") == 0
        client.send(b"ping")
        assert await client.rest() == b"answer"
        client.close()
        assert (await ended(worker))[1] == "TcpConnectionEnd - 4/6 up host - chain"
        assert worker.count("tcp.t.early_data_received_count_total") == 1
        assert worker.counts("cluster.up", "upstream_cx_tx_bytes_total upstream_cx_rx_bytes_total") == [4, 6]

    run(work)


def test_a_client_that_only_ends_gets_no_upstream() -> None:
    async def work(worker: Worker) -> None:
        client = await proxied(worker, answer, connect_on_data=True, max_early_data_bytes=3, idle_timeout_s=0.05)
        client.fin()
        assert await client.rest() == b""
        await ended(worker)
        assert worker.counts("cluster.up", "upstream_cx_total upstream_rq_pending_total") == [0, 0]
        assert worker.count("tcp.t.early_data_received_count_total") == 1

    run(work)


LARGE = 40_000_000


def test_a_slow_client_stops_the_upstream() -> None:
    sent: list[int] = [0]

    async def serve(client: Client) -> None:
        piece = bytes(1 << 16)
        while sent[0] < LARGE:
            client.send(piece)
            sent[0] += len(piece)
            await client.writer.drain()
        client.close()

    async def work(worker: Worker) -> None:
        client = await proxied(worker, serve)
        name = "cluster.up.upstream_flow_control_{}_reading_total".format
        await worker.settle(lambda: worker.count(name("paused")) == 1)
        await asyncio.sleep(0.05)
        connection = next(iter(worker.listener.connections))
        assert connection.transport.get_write_buffer_size() < (1 << 20) + (1 << 19)
        assert sent[0] < LARGE
        got = 0
        while data := await client.reader.read(1 << 20):
            got += len(data)
        assert got == sent[0] >= LARGE
        assert worker.count(name("paused")) == worker.count(name("resumed"))

    run(work)


def test_a_slow_upstream_stops_the_client() -> None:
    go = asyncio.Event()
    got: list[int] = [0]

    async def serve(client: Client) -> None:
        await go.wait()
        while data := await client.reader.read(1 << 20):
            got[0] += len(data)
        client.send(b"done")
        client.close()

    async def work(worker: Worker) -> None:
        client = await proxied(worker, serve)
        client.send(bytes(LARGE))
        client.fin()
        name = "tcp.t.downstream_flow_control_{}_reading_total".format
        await worker.settle(lambda: worker.count(name("paused")) == 1)
        assert worker.count("cluster.up.upstream_cx_tx_bytes_total") < LARGE
        go.set()
        assert await client.rest() == b"done"
        assert got[0] == LARGE
        assert worker.count(name("paused")) == worker.count(name("resumed"))

    run(work)


def test_what_a_client_left_behind_is_flushed_to_the_upstream() -> None:
    go = asyncio.Event()
    got: list[int] = [0]

    async def serve(client: Client) -> None:
        client.fin()
        await go.wait()
        while data := await client.reader.read(1 << 20):
            got[0] += len(data)

    async def work(worker: Worker) -> None:
        client = await proxied(worker, serve, {"per_connection_buffer_limit_bytes": 0})
        client.send(bytes(LARGE))
        client.fin()
        assert await client.rest() == b""
        await worker.settle(lambda: worker.level("tcp.t.upstream_flush_active") == 1)
        assert (await ended(worker))[1] == f"TcpConnectionEnd - {LARGE}/0 up host - chain"
        assert worker.level("cluster.up.upstream_cx_active") == 1
        go.set()
        await worker.settle(lambda: got[0] == LARGE)
        await worker.settle(lambda: worker.level("tcp.t.upstream_flush_active") == 0)
        assert worker.count("tcp.t.upstream_flush_total") == 1
        await ended(worker)
        assert worker.counts("cluster.up", ENDS) == [1, 0, 1, 0, 0]

    run(work)


def test_a_client_that_leaves_while_connecting_takes_its_connection_along() -> None:
    async def work(worker: Worker) -> None:
        port, crowd = stuck_port()
        worker.cluster("up", port)
        settings = plan(worker, idle_timeout_s=0.05)
        client = await worker.dial(await worker.listen((TcpProxy, settings)))
        assert await client.rest() == b""
        await ended(worker)
        names = "upstream_rq_cancelled upstream_cx_destroy_local upstream_cx_connect_fail upstream_cx_active"
        assert worker.counts("cluster.up", names) == [1, 1, 0, 0]
        assert worker.level("cluster.up.upstream_rq_pending_active") == 0
        for sock in crowd:
            sock.close()

    run(work)


def test_the_log_can_be_written_at_the_start_and_in_between() -> None:
    async def work(worker: Worker) -> None:
        client = await proxied(worker, wait_for_end, log_on_connected=True, log_interval_s=0.05)
        client.send(b"ping")
        await client.read(6)
        await worker.settle(lambda: len(worker.log.lines) >= 2)
        client.close()
        lines = await ended(worker, 4)
        assert lines[0].startswith("TcpUpstreamConnected - 0/0 up host")
        assert lines[1].startswith("TcpPeriodic - 4/6 up host")
        assert lines[-1].startswith("TcpConnectionEnd - 4/6 up host")

    run(work)
