"""Several network filters on one connection: order, holding back, resuming, ends."""

from __future__ import annotations

from typing import Any

from pyvoy.network.filter_runner import FilterRunner
from pyvoy.network.listener import FilterChain
from pyvoy.network.network_filter import NetworkFilter, NetworkVerdict
from tests.support.connections import FakeConnection

CONTINUE, STOP = NetworkVerdict.CONTINUE, NetworkVerdict.STOP
LIMIT = 10


class Connection(FakeConnection):
    """A connection that a runner may run on."""

    buffer_limit_bytes = LIMIT

    def __init__(self, *filters: Any) -> None:
        super().__init__()
        self.directly: Any = None
        self.transport_socket = None
        self.runner = FilterRunner(self, FilterChain("c", tuple((lambda _plan, one=one: one, None) for one in filters)))  # type: ignore[arg-type]
        self.runner.start()

    def writer(self, data: bytes) -> None:
        self.written += data

    def receive_directly(self, receive: Any) -> None:
        self.directly = receive


class Noted(NetworkFilter):
    """Notes what it is told; answers from its lists, CONTINUE when they are empty."""

    handles_half_close = True

    def __init__(self, new: NetworkVerdict = CONTINUE, data: tuple[NetworkVerdict, ...] = ()) -> None:
        self.seen: list[Any] = []
        self.new = new
        self.data = list(data)

    def on_new_connection(self, connection: Any) -> NetworkVerdict:
        self.seen.append("new")
        return self.new

    def on_data(self, connection: Any, data: bytes, end: bool) -> NetworkVerdict:
        self.seen.append((data, end) if end else data)
        return self.data.pop(0) if self.data else CONTINUE

    def on_close(self, connection: Any) -> None:
        self.seen.append("close")

    def on_log(self, connection: Any) -> None:
        self.seen.append("log")


class Silent(NetworkFilter):
    """Looks at nothing."""


class Taker(Noted):
    """Takes bytes directly."""

    def receiver(self, connection: Any) -> Any:
        return self.seen.append


class Writes(NetworkFilter):
    """Writes its mark behind what passes to the client."""

    def __init__(self, verdict: NetworkVerdict) -> None:
        self.verdict = verdict
        self.seen: list[bytes] = []

    def on_write(self, connection: Any, data: bytes, end: bool) -> NetworkVerdict:
        self.seen.append(data)
        return self.verdict


def test_bytes_pass_first_to_last_and_are_counted() -> None:
    first, last = Noted(), Noted()
    connection = Connection(first, Silent(None), last)
    connection.runner.receive(b"one")
    connection.runner.on_end()
    assert first.seen == last.seen == ["new", b"one", (b"", True)]
    assert connection.info.bytes_received == 3


def test_the_last_filter_takes_bytes_directly_when_no_other_looks() -> None:
    taker = Taker()
    connection = Connection(Silent(None), taker)
    connection.runner.receive(b"one")
    assert taker.seen == ["new", b"one"]
    assert connection.info.bytes_received == 0
    taker = Taker()
    Connection(Noted(), taker).runner.receive(b"one")
    assert taker.seen == ["new", b"one"]


def test_a_filter_that_stops_a_new_connection_holds_the_later_ones() -> None:
    gate, last = Noted(new=STOP), Taker()
    connection = Connection(gate, last)
    connection.runner.receive(b"one")
    assert (gate.seen, last.seen) == (["new", b"one"], [])
    connection.runner.resume(gate)
    assert last.seen == ["new", b"one"]


def test_a_silent_gate_gives_way_to_direct_bytes_when_it_opens() -> None:
    class Gate(NetworkFilter):
        def on_new_connection(self, connection: Any) -> NetworkVerdict:
            return STOP

    gate, last = Gate(None), Taker()
    connection = Connection(gate, last)
    connection.runner.receive(b"one")
    connection.runner.resume(gate)
    assert last.seen == ["new", b"one"]
    connection.directly(b"two")
    assert last.seen == ["new", b"one", b"two"]


def test_held_bytes_go_on_in_order() -> None:
    gate, last = Noted(data=(STOP,)), Noted()
    connection = Connection(gate, last)
    for data in (b"one", b"two"):
        connection.runner.receive(data)
    connection.runner.on_end()
    assert last.seen == ["new"]
    connection.runner.resume(gate)
    assert last.seen == ["new", b"one", b"two", (b"", True)]


def test_what_is_held_is_bounded() -> None:
    gate, last = Noted(data=(STOP,)), Noted()
    connection = Connection(gate, last)
    connection.runner.receive(b"x" * (LIMIT - 1))
    assert connection.read_disabled == 0
    connection.runner.receive(b"x" * LIMIT)
    connection.runner.receive(b"x" * LIMIT)
    assert connection.read_disabled == 1
    connection.runner.resume(gate)
    assert connection.read_disabled == 0
    assert sum(len(data) for data in last.seen[1:]) == 3 * LIMIT - 1


def test_a_later_filter_may_hold_what_an_earlier_one_let_go() -> None:
    first, second, last = Noted(data=(STOP,)), Noted(data=(STOP,)), Noted()
    connection = Connection(first, second, last)
    connection.runner.receive(b"one")
    connection.runner.resume(first)
    assert (second.seen, last.seen) == (["new", b"one"], ["new"])
    connection.runner.resume(first)
    assert last.seen == ["new"]
    connection.runner.resume(second)
    assert last.seen == ["new", b"one"]


def test_writes_pass_last_to_first_and_may_be_stopped() -> None:
    first, second = Writes(CONTINUE), Writes(CONTINUE)
    connection = Connection(first, second)
    assert connection.runner.has_write_filters
    connection.runner.write(b"out", end=False)
    assert (first.seen, second.seen, bytes(connection.written)) == ([b"out"], [b"out"], b"out")
    assert connection.info.bytes_sent == 3
    second.verdict = STOP
    connection.runner.write(b"no", end=False)
    assert (first.seen, bytes(connection.written)) == ([b"out"], b"out")


class Taking(Noted):
    """Answers what the client gets in place of the data, or stops the end."""

    def __init__(self, answer: NetworkVerdict | bytes) -> None:
        super().__init__()
        self.answer = answer

    def on_write(self, connection: Any, data: bytes, end: bool) -> NetworkVerdict | bytes:
        self.seen.append((data, end))
        return self.answer


def test_the_end_reaches_every_write_filter_even_when_there_are_no_bytes() -> None:
    first, last = Taking(CONTINUE), Taking(b"")
    connection = Connection(first, last, Noted())
    assert connection.runner.write(b"", end=True)
    assert (b"", True) in last.seen
    assert (b"", True) in first.seen


def test_a_write_filter_that_stops_the_end_says_so() -> None:
    first, last = Taking(CONTINUE), Taking(STOP)
    connection = Connection(first, last, Noted())
    assert not connection.runner.write(b"x", end=True)
    assert (b"", True) not in first.seen
    assert connection.written == b""


def test_filters_that_were_never_reached_log_but_do_not_close() -> None:
    gate, last = Noted(new=STOP), Noted()
    connection = Connection(gate, last)
    connection.runner.destroy()
    connection.runner.log()
    assert (gate.seen, last.seen) == (["new", "close", "log"], ["log"])


def test_without_half_close_the_client_s_end_is_the_connection_s() -> None:
    last = Noted()
    last.handles_half_close = False  # type: ignore[misc]
    connection = Connection(last)
    connection.runner.on_end()
    assert not connection.is_open


def test_watermarks_reach_those_that_care() -> None:
    class Cares(NetworkFilter):
        marks = ""

        def on_high_watermark(self, connection: Any) -> None:
            self.marks += "high "

        def on_low_watermark(self, connection: Any) -> None:
            self.marks += "low "

    one = Cares(None)
    connection = Connection(Silent(None), one)
    connection.runner.on_watermark(True)
    connection.runner.on_watermark(False)
    assert one.marks == "high low "
