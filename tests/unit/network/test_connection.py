"""Accepted connections through listener filters, chains and ends, on loopback."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from pyvoy.network.listener import FilterChain
from pyvoy.network.listener_filter import ListenerFilter, ListenerVerdict
from pyvoy.network.network_filter import CloseType, NetworkFilter, NetworkVerdict
from tests.support.listening import Worker, run

CONTINUE, STOP = NetworkVerdict.CONTINUE, NetworkVerdict.STOP


class Says(NetworkFilter):
    """Answers each read with what it read, in capitals; ends when the client does."""

    terminal = True
    handles_half_close = True

    def on_data(self, connection: Any, data: bytes, end: bool) -> NetworkVerdict:
        connection.write(data.upper())
        if end:
            connection.write_end()
        return CONTINUE


class Ends(NetworkFilter):
    """Closes each new connection in the given way."""

    def __init__(self, plan: CloseType) -> None:
        self.kind = plan

    def on_new_connection(self, connection: Any) -> NetworkVerdict:
        connection.write(b"bye")
        connection.close(self.kind)
        return STOP


class Late(NetworkFilter):
    """Hands on what goes to the client a while later (its plan, in seconds); never when that is negative."""

    def __init__(self, plan: float) -> None:
        self.delay_s = plan

    def on_write(self, connection: Any, data: bytes, end: bool) -> NetworkVerdict:
        connection.runner.hold_writes(True)
        if self.delay_s >= 0:
            connection.services.loop.call_later(self.delay_s, self._hand_on, connection, data, end)
        return NetworkVerdict.TAKEN

    def _hand_on(self, connection: Any, data: bytes, end: bool) -> None:
        runner = connection.runner
        if runner is not None:
            runner.inject_write(self, data, end=end)
            runner.hold_writes(False)


class Direct(NetworkFilter):
    """Takes its bytes directly, after reading was disabled for a while."""

    def __init__(self, plan: list[bytes]) -> None:
        self.got = plan

    def on_new_connection(self, connection: Any) -> NetworkVerdict:
        connection.read_disable(True)
        connection.services.loop.call_later(0.03, connection.read_disable, False)
        return CONTINUE

    def receiver(self, connection: Any) -> Any:
        return self.got.append


class Ahead(NetworkFilter):
    """Holds back what comes behind its first bytes; lets go, and stops reading, at the times of its plan."""

    def __init__(self, plan: tuple[list[bytes], float, float]) -> None:
        self.got, self.let_go_s, self.stop_s = plan

    def on_data(self, connection: Any, data: bytes, end: bool) -> NetworkVerdict:
        self.got.append(data)
        if len(self.got) == 1:
            later = connection.services.loop.call_later
            connection.hold_back(True)
            if self.let_go_s:
                later(self.let_go_s, connection.hold_back, False)
            if self.stop_s:
                later(self.let_go_s / 2, connection.read_disable, True)
                later(self.stop_s, connection.read_disable, False)
        return CONTINUE


class Word(ListenerFilter):
    """Wants the first bytes to be those of its plan."""

    def __init__(self, plan: bytes) -> None:
        self.word = plan

    def on_accept(self, accepted: Any) -> ListenerVerdict:
        return ListenerVerdict.MORE if self.word else ListenerVerdict.CLOSE

    def on_data(self, accepted: Any, end: bool) -> ListenerVerdict:
        if accepted.buffer.startswith(self.word):
            accepted.drain(len(self.word))
            return ListenerVerdict.CONTINUE
        return ListenerVerdict.MORE if self.word.startswith(accepted.buffer) else ListenerVerdict.CLOSE


SAYS = (Says, None)
STATS = """downstream_cx_total downstream_cx_destroy downstream_listener_filter_error
downstream_listener_filter_remote_close downstream_pre_cx_timeout no_filter_chain_match"""


async def logged(worker: Worker) -> str:
    await worker.settle(lambda: bool(worker.log.lines))
    assert len(worker.log.lines) == 1
    assert worker.level("listener.test.downstream_pre_cx_active") == 0
    assert worker.level("listener.test.downstream_cx_active") == 0
    return worker.log.lines[0]


def test_a_connection_is_counted_and_logged_when_it_ends() -> None:
    async def work(worker: Worker) -> None:
        client = await worker.dial(await worker.listen(SAYS))
        client.send(b"hello")
        assert await client.read(5) == b"HELLO"
        assert worker.level("listener.test.downstream_cx_active") == 1
        client.fin()
        assert await client.rest() == b""
        assert await logged(worker) == "NotSet - 5/5 - - - chain"
        assert worker.counts("listener.test", STATS) == [1, 1, 0, 0, 0, 0]

    run(work)


@pytest.mark.parametrize(
    ("kind", "seen"), [(CloseType.FLUSH, b"bye"), (CloseType.FLUSH_AND_DELAY, b"bye"), (CloseType.ABORT, None)]
)
def test_the_ways_to_end(kind: CloseType, seen: bytes | None) -> None:
    async def work(worker: Worker) -> None:
        chain = FilterChain("c", ((Ends, kind),), delayed_close_timeout_s=0.02)
        client = await worker.dial(await worker.listen(chain=chain))
        assert await client.rest() == seen
        client.close()
        await logged(worker)

    run(work)


@pytest.mark.parametrize(
    ("kind", "seen"), [(CloseType.FLUSH, b"bye"), (CloseType.FLUSH_AND_DELAY, b"bye"), (CloseType.ABORT, None)]
)
@pytest.mark.parametrize("leave", [False, True])
def test_an_orderly_end_waits_for_a_filter_that_holds_bytes(kind: CloseType, seen: bytes | None, leave: bool) -> None:
    async def work(worker: Worker) -> None:
        chain = FilterChain("c", ((Late, 0.03), (Ends, kind)), delayed_close_timeout_s=0.02)
        client = await worker.dial(await worker.listen(chain=chain))
        if leave and seen is not None:
            client.fin()
        assert await client.rest() == seen
        client.close()
        await logged(worker)

    run(work)


def test_a_half_close_waits_for_a_filter_that_holds_bytes() -> None:
    async def work(worker: Worker) -> None:
        chain = FilterChain("c", ((Late, 0.03), (Says, None)))
        client = await worker.dial(await worker.listen(chain=chain))
        client.send(b"hello")
        client.fin()
        assert await client.rest() == b"HELLO"
        await logged(worker)

    run(work)


def test_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pyvoy.network.connection.FILTER_FLUSH_LIMIT_S", 0.05)

    async def work(worker: Worker) -> None:
        chain = FilterChain("c", ((Late, -1.0), (Ends, CloseType.FLUSH)))
        client = await worker.dial(await worker.listen(chain=chain))
        assert await client.rest() in (b"", None)
        client.close()
        await logged(worker)

    run(work)


def test_a_delayed_end_does_not_wait_for_ever() -> None:
    late: list[int] = []

    async def work(worker: Worker) -> None:
        chain = FilterChain(
            "c",
            ((Ends, CloseType.FLUSH_AND_DELAY),),
            delayed_close_timeout_s=0.05,
            on_delayed_close_timeout=lambda: late.append(1),
        )
        client = await worker.dial(await worker.listen(chain=chain))
        assert await client.rest() == b"bye"
        await logged(worker)
        assert late == [1]

    run(work)


def test_bytes_wait_while_reading_is_disabled() -> None:
    got: list[bytes] = []

    async def work(worker: Worker) -> None:
        client = await worker.dial(await worker.listen((Direct, got)))
        client.send(b"early")
        await worker.settle(lambda: bool(got))
        client.send(b"late")
        await worker.settle(lambda: b"".join(got) == b"earlylate")

    run(work)


def test_a_client_that_ends_while_reading_is_disabled_is_heard_later() -> None:
    got: list[bytes] = []

    async def work(worker: Worker) -> None:
        client = await worker.dial(await worker.listen((Direct, got)))
        client.send(b"all")
        client.fin()
        assert await client.rest() == b""
        assert got == [b"all"]
        await logged(worker)

    run(work)


@pytest.mark.parametrize("stop_s", [0.0, 0.1], ids=["reading", "stopped"])
@pytest.mark.parametrize("size", [4, 300_000], ids=["small", "beyond the limit"])
def test_what_is_held_back_comes_whole_and_in_order(size: int, stop_s: float) -> None:
    got: list[bytes] = []
    rest = bytes(range(256)) * (size // 4)

    async def work(worker: Worker) -> None:
        port = await worker.listen((Ahead, (got, 0.05, stop_s)), per_connection_buffer_limit_bytes=65536)
        client = await worker.dial(port)
        client.send(b"first")
        await worker.settle(lambda: bool(got))
        client.send(rest)
        await asyncio.sleep(0.03)
        assert got == [b"first"]
        await worker.settle(lambda: b"".join(got) == b"first" + rest)
        client.send(b"last")
        await worker.settle(lambda: got[-1] == b"last")

    run(work)


def test_a_client_that_has_sent_ahead_and_gone_is_not_waited_for() -> None:
    got: list[bytes] = []

    async def work(worker: Worker) -> None:
        client = await worker.dial(await worker.listen((Ahead, (got, 0.0, 0.0))))
        client.send(b"first")
        await worker.settle(lambda: bool(got))
        client.send(b"ahead")
        client.fin()
        assert await client.rest() == b""
        await logged(worker)

    run(work)


def test_a_listener_filter_sees_the_first_bytes_and_may_take_them() -> None:
    async def work(worker: Worker) -> None:
        port = await worker.listen(SAYS, listener_filters=((Word, b"open "), (Word, b"sesame ")))
        client = await worker.dial(port)
        client.send(b"op")
        await asyncio.sleep(0.01)
        client.send(b"en sesame please")
        assert await client.read(6) == b"PLEASE"

    run(work)


REFUSALS = {
    "by its bytes": (b"open ", b"shut", None, "NotSet - 0/0 - - - -", [0, 0, 0, 0, 0, 0]),
    "at once": (b"", b"", b"", "NotSet - 0/0 - - - -", [0, 0, 0, 0, 0, 0]),
}


@pytest.mark.parametrize(("word", "sent", "seen", "line", "counts"), REFUSALS.values(), ids=REFUSALS)
def test_a_listener_filter_may_refuse(
    word: bytes, sent: bytes, seen: bytes | None, line: str, counts: list[int]
) -> None:
    async def work(worker: Worker) -> None:
        client = await worker.dial(await worker.listen(SAYS, listener_filters=((Word, word),)))
        client.send(sent)
        assert await client.rest() == seen
        assert await logged(worker) == line
        assert worker.counts("listener.test", STATS) == counts

    run(work)


def test_a_listener_filter_waits_only_so_long() -> None:
    async def work(worker: Worker) -> None:
        filters = ((Word, b"open "),)
        client = await worker.dial(await worker.listen(SAYS, listener_filters=filters, listener_filters_timeout_s=0.05))
        client.send(b"op")
        assert await client.rest() is None
        await logged(worker)
        assert worker.counts("listener.test", STATS) == [0, 0, 0, 0, 1, 0]

    run(work)


def test_or_the_connection_goes_on_without_its_verdict() -> None:
    async def work(worker: Worker) -> None:
        port = await worker.listen(
            SAYS,
            listener_filters=((Word, b"open "),),
            listener_filters_timeout_s=0.05,
            continue_on_listener_filters_timeout=True,
        )
        client = await worker.dial(port)
        client.send(b"op")
        assert await client.read(2) == b"OP"
        assert worker.counts("listener.test", STATS) == [1, 0, 0, 0, 1, 0]

    run(work)


@pytest.mark.parametrize(("leave", "counts"), [("close", [0, 0, 0, 1, 0, 0]), ("reset", [0, 0, 1, 0, 0, 0])])
def test_a_client_may_leave_before_the_verdict(leave: str, counts: list[int]) -> None:
    async def work(worker: Worker) -> None:
        client = await worker.dial(await worker.listen(SAYS, listener_filters=((Word, b"open "),)))
        client.send(b"op")
        await worker.settle(lambda: bool(worker.listener.connections))
        await asyncio.sleep(0.01)
        getattr(client, leave)()
        await logged(worker)
        assert worker.counts("listener.test", STATS) == counts

    run(work)


def test_without_a_chain_the_connection_is_closed() -> None:
    async def work(worker: Worker) -> None:
        client = await worker.dial(await worker.listen(match=lambda info: None))
        assert await client.rest() == b""
        assert await logged(worker) == "NotSet NR 0/0 - - filter_chain_not_found -"
        assert worker.counts("listener.test", STATS) == [0, 0, 0, 0, 0, 1]

    run(work)


def test_an_empty_chain_counts_and_closes() -> None:
    async def work(worker: Worker) -> None:
        client = await worker.dial(await worker.listen(chain=FilterChain("empty", ())))
        assert await client.rest() == b""
        assert await logged(worker) == "NotSet - 0/0 - - - empty"
        assert worker.counts("listener.test", STATS) == [1, 1, 0, 0, 0, 0]
        assert worker.count("listener.test.network_extension_config_missing") == 1

    run(work)


def test_a_buffer_limit_of_zero_is_none() -> None:
    async def work(worker: Worker) -> None:
        client = await worker.dial(await worker.listen(SAYS, per_connection_buffer_limit_bytes=0))
        client.send(b"hello")
        assert await client.read(5) == b"HELLO"
        connection = next(iter(worker.listener.connections))
        assert connection.buffer_limit_bytes == (1 << 31) - 1
        assert connection.socket().family == socket.AF_INET

    run(work)


class Broken(NetworkFilter):
    """Fails at once."""

    def on_new_connection(self, connection: Any) -> NetworkVerdict:
        raise RuntimeError("broken")


def test_a_filter_that_fails_at_the_start_costs_its_connection_only(caplog: pytest.LogCaptureFixture) -> None:
    async def work(worker: Worker) -> None:
        port = await worker.listen((Broken, None))
        for _ in range(2):
            assert await (await worker.dial(port)).rest() == b""
        await worker.settle(lambda: len(worker.log.lines) == 2)
        assert worker.counts("listener.test", "downstream_cx_total downstream_cx_destroy") == [2, 2]

    run(work)
    assert "failed at its start" in caplog.text


def test_the_client_of_a_unix_socket_is_called_as_the_listener() -> None:
    async def work(worker: Worker) -> None:
        await worker.listen(SAYS)
        worker.listener.fixed_local = None
        ours, theirs = socket.socketpair()
        with theirs:
            ours.setblocking(False)
            loop = worker.services.loop
            _, connection = await loop.connect_accepted_socket(worker.listener._make, ours)
            info = connection.info
            assert info.remote is info.local

    run(work)
