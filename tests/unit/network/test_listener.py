"""A listener of one worker: limits, replacement, draining, and its end."""

from __future__ import annotations

import dataclasses
from typing import Any

from pyvoy.network.network_filter import NetworkFilter, NetworkVerdict
from tests.support.listening import Worker, run


class Answers(NetworkFilter):
    """Answers each read with its plan; says goodbye when drained."""

    def __init__(self, plan: bytes) -> None:
        self.text = plan

    def on_data(self, connection: Any, data: bytes, end: bool) -> NetworkVerdict:
        connection.write(self.text)
        return NetworkVerdict.CONTINUE

    def on_drain(self, connection: Any) -> None:
        connection.write(b"bye")
        connection.close()


OLD, NEW = (Answers, b"old"), (Answers, b"new")


def test_over_its_limit_it_closes_at_once_and_logs_nothing() -> None:
    async def work(worker: Worker) -> None:
        port = await worker.listen(OLD, max_connections=1)
        first = await worker.dial(port)
        first.send(b"?")
        await first.read(3)
        second = await worker.dial(port)
        assert await second.rest() == b""
        assert worker.counts("listener.test", "downstream_cx_overflow downstream_cx_total") == [1, 1]
        assert worker.log.lines == []
        first.close()
        await worker.settle(lambda: worker.listener.active_connections == 0)
        third = await worker.dial(port)
        third.send(b"?")
        assert await third.read(3) == b"old"

    run(work)


def test_the_proxys_limit_is_checked_first_and_given_back() -> None:
    async def work(worker: Worker) -> None:
        port = await worker.listen(OLD, max_connections=1, proxy_limit=2)
        level = worker.services.arena.resource("downstream_connections")
        first = await worker.dial(port)
        first.send(b"?")
        await first.read(3)
        assert await (await worker.dial(port)).rest() == b""
        assert level.total() == 1
        level.inc()  # a connection of another listener
        assert await (await worker.dial(port)).rest() == b""
        assert worker.counts("listener.test", "downstream_cx_overflow downstream_global_cx_overflow") == [1, 1]
        first.close()
        await worker.settle(lambda: worker.listener.active_connections == 0)
        assert level.total() == 1

    run(work)


def test_a_new_plan_is_for_new_connections() -> None:
    async def work(worker: Worker) -> None:
        port = await worker.listen(OLD)
        first = await worker.dial(port)
        first.send(b"?")
        assert await first.read(3) == b"old"
        chain = dataclasses.replace(worker.listener.plan.chains[0], filters=(NEW,))
        worker.listener.replace(dataclasses.replace(worker.listener.plan, match=lambda info: chain))
        second = await worker.dial(port)
        for client, text in ((first, b"old"), (second, b"new")):
            client.send(b"?")
            assert await client.read(3) == text

    run(work)


def test_draining_asks_the_filters() -> None:
    async def work(worker: Worker) -> None:
        client = await worker.dial(await worker.listen(OLD))
        client.send(b"?")
        await client.read(3)
        worker.listener.drain()
        assert await client.rest() == b"bye"

    run(work)


def test_connections_in_the_queue_are_served_when_it_stops_accepting() -> None:
    async def work(worker: Worker) -> None:
        port = await worker.listen(OLD)
        clients = [await worker.dial(port) for _ in range(5)]
        await worker.listener.stop_accepting()
        for client in clients:
            client.send(b"?")
            assert await client.read(3) == b"old"
        assert worker.listener.active_connections == 5
        worker.listener.close_all()
        for client in clients:
            assert await client.rest() == b""
        await worker.settle(lambda: worker.listener.active_connections == 0)
        assert worker.counts("listener.test", "downstream_cx_total downstream_cx_destroy") == [5, 5]

    run(work)
