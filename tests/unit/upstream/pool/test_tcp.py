"""Upstream connections of TCP sessions: what each end counts, and what the session is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from pyvoy.upstream.cluster_plan import ThresholdsPlan
from pyvoy.upstream.pool.tcp import TcpConnection, open_tcp
from tests.support.listening import Client, Worker, refusing, run

GAUGES = "upstream_cx_active upstream_rq_active upstream_rq_pending_active"


class Session:
    """Notes what it is told."""

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.seen: list[Any] = []
        self.got = bytearray()
        self.upstream: TcpConnection

    def open(self) -> TcpConnection | None:
        services = self.worker.services
        cluster = services.clusters.get("up")
        assert cluster is not None
        host = cluster.choose_host()
        assert host is not None
        return open_tcp(services, cluster, host, self, self.got.extend)

    def on_upstream_connected(self, upstream: TcpConnection) -> None:
        self.upstream = upstream
        self.seen.append("connected")

    def on_upstream_failed(self, detail: str) -> None:
        self.seen.append(detail)

    def on_upstream_end(self) -> None:
        self.seen.append("end")

    def on_upstream_closed(self, *, reset: bool) -> None:
        self.seen.append("reset" if reset else "closed")

    def on_upstream_watermark(self, high: bool) -> None:
        self.seen.append("high" if high else "low")

    async def told(self, *words: str) -> None:
        await self.worker.settle(lambda: all(word in self.seen for word in words))


async def connected(worker: Worker, serve: Callable[[Client], Coroutine[Any, Any, None]]) -> Session:
    worker.cluster("up", await worker.upstream(serve))
    session = Session(worker)
    assert session.open() is not None
    await session.told("connected")
    assert worker.counts("cluster.up", "upstream_rq_total upstream_rq_pending_total") == [1, 1]
    return session


def over(worker: Worker) -> list[int]:
    """[by us, by the upstream, gauges that are not back at 0]."""
    left = sum(worker.level(f"cluster.up.{name}") for name in GAUGES.split())
    return [*worker.counts("cluster.up", "upstream_cx_destroy_local upstream_cx_destroy_remote"), left]


async def says_and_closes(client: Client) -> None:
    client.send(b"hello")
    client.close()


async def echoes(client: Client) -> None:
    client.send(await client.rest() or b"")
    client.close()


async def resets(client: Client) -> None:
    client.reset()


def test_the_upstream_ends_and_then_we_do() -> None:
    async def work(worker: Worker) -> None:
        session = await connected(worker, says_and_closes)
        await session.told("end")
        assert bytes(session.got) == b"hello"
        assert [worker.level(f"cluster.up.{name}") for name in GAUGES.split()] == [1, 1, 0]
        assert session.upstream.close_flushed() is False
        assert over(worker) == [1, 0, 0]

    run(work)


def test_we_end_and_then_the_upstream_does() -> None:
    async def work(worker: Worker) -> None:
        session = await connected(worker, echoes)
        session.upstream.transport.write(b"ping")
        session.upstream.end()
        await session.told("end", "closed")
        assert bytes(session.got) == b"ping"
        assert over(worker) == [0, 1, 0]

    run(work)


def test_a_reset_is_told_apart() -> None:
    async def work(worker: Worker) -> None:
        session = await connected(worker, resets)
        await session.told("reset")
        assert over(worker) == [0, 1, 0]
        assert worker.count("cluster.up.upstream_cx_destroy_remote_with_active_rq") == 1

    run(work)


def test_a_dropped_connection_tells_nobody() -> None:
    async def work(worker: Worker) -> None:
        session = await connected(worker, echoes)
        session.upstream.drop(reset=True)
        session.upstream.drop()
        await asyncio.sleep(0.01)
        assert session.seen == ["connected"]
        assert over(worker) == [1, 0, 0]

    run(work)


def test_a_refused_connection_says_why() -> None:
    async def work(worker: Worker) -> None:
        port, keeper = refusing()
        worker.cluster("up", port)
        session = Session(worker)
        session.open()
        await session.told("delayed_connect_error:_Connection_refused")
        assert over(worker) == [0, 1, 0]
        keeper.close()

    run(work)


def test_one_given_up_in_time_is_cancelled() -> None:
    async def work(worker: Worker) -> None:
        worker.cluster("up", await worker.upstream(echoes))
        session = Session(worker)
        connection = session.open()
        assert connection is not None
        connection.cancel()
        connection.cancel()
        await asyncio.sleep(0.01)
        assert session.seen == []
        assert worker.counts("cluster.up", "upstream_rq_cancelled upstream_cx_total upstream_rq_total") == [1, 1, 0]
        assert over(worker) == [1, 0, 0]

    run(work)


def test_when_too_many_wait_there_is_no_connection() -> None:
    async def work(worker: Worker) -> None:
        none = ThresholdsPlan(max_pending_requests=0)
        worker.cluster("up", 9, thresholds=(none, none))
        assert Session(worker).open() is None
        assert worker.counts("cluster.up", "upstream_rq_pending_overflow upstream_cx_total") == [1, 0]

    run(work)
