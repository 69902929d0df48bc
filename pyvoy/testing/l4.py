"""The contracts of network filters and listener filters as checks, on connections without sockets.

Each conversation is the same bytes in one, several and one-byte pieces, then a half-close or a close at every step, or
silence.  Demanded each time: verdicts are verdicts, nothing raises, on_close comes once and nothing after it, gauges
are back, no task, timer or paused reading is left, and how bytes are cut changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

from pyvoy.network.filter_runner import FilterRunner
from pyvoy.network.listener_filter import ListenerFilter, ListenerVerdict
from pyvoy.network.network_filter import CloseType, NetworkFilter, NetworkVerdict
from pyvoy.testing.configuring import Configuration, is_registered
from pyvoy.testing.fakes import FakeConnection, FakeServices
from pyvoy.testing.recorder import Record

_SILENCE_S = 3600.0
_SAMPLE = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
_EVENTS = ("on_new_connection", "on_data", "on_write", "on_high_watermark", "on_low_watermark", "on_close")


def pieces_of(data: bytes) -> dict[str, list[bytes]]:
    """The same bytes cut in different ways."""
    half = len(data) // 2
    return {
        "one piece": [data],
        "two pieces": [data[:half], data[half:]],
        "one-byte pieces": [data[at : at + 1] for at in range(len(data))],
    }


# ---- network filters ----


class _Terminal(NetworkFilter):
    """The filter behind: takes what arrives and answers the end of the client."""

    terminal = True
    handles_half_close = True

    def __init__(self, plan: bytearray) -> None:
        self._taken = plan

    def on_data(self, connection: Any, data: bytes, end: bool) -> NetworkVerdict:
        """Keep the bytes; after the end say good-bye."""
        self._taken += data
        if end:
            connection.write(b"bye")
            connection.close(CloseType.FLUSH)
        return NetworkVerdict.CONTINUE


class FilteredConnection(FakeConnection):
    """A connection with a filter runner, as far as runners and filters use it."""

    _closing = False

    def start(self, makers: Sequence[tuple[Any, Any]]) -> None:
        """Make the filters and tell them of the connection."""
        self._runner = FilterRunner(cast("Any", self), cast("Any", SimpleNamespace(filters=tuple(makers))))
        self.runner: Any = self._runner
        self._receive: Any = None
        self._runner.start()

    def write(self, data: bytes) -> None:
        """Through the write filters."""
        if self._runner.has_write_filters:
            self._runner.write(data, end=False)
        else:
            self.written += data

    def write_end(self) -> None:
        """Half-close, behind what filters hold."""
        if not self._runner.has_write_filters or self._runner.write(b"", end=True):
            self._runner.when_written(super().write_end)
        else:
            self.end_is_stopped = True

    def close(self, kind: CloseType = CloseType.FLUSH, details: str = "") -> None:
        """An orderly end waits for what filters hold."""
        orderly = kind in (CloseType.FLUSH, CloseType.FLUSH_AND_DELAY)
        if orderly and not self._closing:
            self._closing = True
            self._runner.when_written(lambda: FakeConnection.close(self, kind, details))
        elif not orderly:
            self._closing = True
            super().close(kind, details)

    @property
    def is_open(self) -> bool:
        """False once the connection is closing or closed."""
        return not self._closing

    def continue_reading(self, filter_: Any) -> None:
        """A filter lets go."""
        if self.runner is not None:
            self._runner.resume(filter_)

    def receive(self, data: bytes, *, end: bool = False) -> None:
        """Bytes from the client, or its half-close."""
        if self.closed is not None or self.runner is None:
            return
        if end:
            self._runner.on_end()
        elif self._receive is not None:
            self._receive(data)
        else:
            self._runner.receive(data)

    def lose(self) -> None:
        """The connection is gone."""
        if self.runner is not None:
            self.runner = None
            self.closed = self.closed or CloseType.NO_FLUSH
            self._runner.destroy()


def check_network_filter(cls: type[NetworkFilter], config: Any = "", *, data: bytes = _SAMPLE) -> None:
    """Hold every conversation with a network filter; raises AssertionError with the one that went wrong.

    `config` is YAML of the registered class, or the plan of a class that is not; `data` what the client sends."""
    outcomes = {_network(cls, config, pieces, len(pieces), "half-close") for pieces in pieces_of(data).values()}
    assert len(outcomes) == 1, f"{cls.__name__}: the outcome depends on how bytes are cut: {outcomes}"
    pieces = pieces_of(data)["two pieces"]
    for at in range(len(pieces) + 1):
        for end in ("half-close", "close", "silence", "slow client"):
            _network(cls, config, pieces, at, end)


def _network(cls: type[NetworkFilter], config: Any, pieces: list[bytes], at: int, end: str) -> tuple[bytes, bytes]:
    """One conversation, ended at piece `at`; returns what reached the filter behind and what the client got."""
    fakes = FakeServices()
    calls: list[str] = []
    taken = bytearray()
    configuration = Configuration(fakes.scope, fakes.arena, services=fakes.services)
    registered = is_registered(cls, "network_filter")
    plan = configuration.network_filter(cls, config) if registered else config
    cls = getattr(plan, "filter_class", cls)
    before = fakes.gauges()
    makers = [(_watched(cls, calls), plan)]
    if not cls.terminal:
        makers.append((_Terminal, taken))
    connection = FilteredConnection(fakes.services, Record())
    try:
        fakes.loop.happen(connection.start, makers)
        for piece in pieces[:at]:
            fakes.loop.happen(connection.receive, piece)
        _end_network(connection, fakes, end)
        assert calls.count("on_close") == ("on_close" in calls), "on_close came twice"
        _check_left(fakes, before)
        assert not connection.read_disabled, "reading stays paused"
    except AssertionError as error:
        raise AssertionError(f"{cls.__name__}: {len(pieces)} pieces, {end} at {at}: {error}; calls: {calls}") from error
    return bytes(taken), bytes(connection.written)


def _end_network(connection: FilteredConnection, fakes: FakeServices, end: str) -> None:
    if end == "half-close":
        connection.receive(b"", end=True)
    elif end == "silence":
        fakes.loop.advance(_SILENCE_S)
    elif end == "slow client" and connection.runner is not None:
        connection.runner.on_watermark(True)
        connection.runner.on_watermark(False)
    fakes.loop.settle()
    connection.lose()
    fakes.loop.settle()


def _watched(cls: type[NetworkFilter], calls: list[str]) -> type[NetworkFilter]:
    """The class with every call written down."""
    members: dict[str, Any] = {}
    for event in _EVENTS:
        method = getattr(cls, event, None)
        if method is not None:
            members[event] = _watch(event, method, calls)
    return type(cls.__name__, (cls,), members)


def _watch(event: str, method: Any, calls: list[str]) -> Any:
    def call(self: Any, *arguments: Any) -> Any:
        assert "on_close" not in calls, f"{event} after on_close"
        calls.append(event)
        result = method(self, *arguments)
        if event in ("on_new_connection", "on_data", "on_write"):
            expected = NetworkVerdict if event == "on_new_connection" else (NetworkVerdict, bytes)
            assert isinstance(result, expected), f"{event} answered {result!r}, not a NetworkVerdict"
        return result

    return call


# ---- listener filters ----


class FakeAccepted:
    """An accepted connection before its chain is chosen: what a listener filter sees."""

    def __init__(self, fakes: FakeServices) -> None:
        self.services = fakes.services
        self.info = FakeConnection(fakes.services, Record()).info
        self.buffer = bytearray()

    def drain(self, count: int) -> None:
        """Drop a prefix."""
        assert count <= len(self.buffer), "more was dropped than had come"
        del self.buffer[:count]

    def socket(self) -> Any:
        """There is none."""
        return SimpleNamespace(getsockopt=lambda *_: b"", fileno=lambda: -1)


def check_listener_filter(cls: type[ListenerFilter], config: Any = "", *, data: bytes = _SAMPLE) -> None:
    """Hold every conversation with a listener filter; raises AssertionError with the one that went wrong."""
    outcomes = {_listener(cls, config, pieces, len(pieces)) for pieces in pieces_of(data).values()}
    assert len(outcomes) == 1, f"{cls.__name__}: the outcome depends on how bytes are cut: {outcomes}"
    for pieces in pieces_of(data).values():
        for at in range(len(pieces) + 1):
            _listener(cls, config, pieces, at)


def _listener(cls: type[ListenerFilter], config: Any, pieces: list[bytes], at: int) -> tuple[Any, ...]:
    """One connection whose client sends some pieces and closes; returns the verdict and what was found out."""
    fakes = FakeServices()
    configuration = Configuration(fakes.scope, fakes.arena, services=fakes.services)
    registered = is_registered(cls, "listener_filter")
    plan = configuration.listener_filter(cls, config) if registered else config
    before = fakes.gauges()
    accepted = FakeAccepted(fakes)
    filter_: Any = cls(plan)
    verdict = _ask(filter_, "on_accept", accepted)
    for piece in pieces[:at]:
        accepted.buffer += piece
        if verdict is ListenerVerdict.MORE:
            verdict = _ask(filter_, "on_data", accepted, False)
    if verdict is ListenerVerdict.MORE:
        verdict = _ask(filter_, "on_data", accepted, True)
    if verdict is ListenerVerdict.MORE and hasattr(filter_, "on_close"):
        filter_.on_close(accepted)
    fakes.loop.settle()
    _check_left(fakes, before)
    info = accepted.info
    return verdict, bytes(accepted.buffer), info.transport_protocol, info.application_protocols, info.remote.text


def _ask(filter_: Any, event: str, *arguments: Any) -> ListenerVerdict:
    method = getattr(filter_, event, None)
    verdict = method(*arguments) if method is not None else ListenerVerdict.CONTINUE
    assert isinstance(verdict, ListenerVerdict), f"{event} answered {verdict!r}, not a ListenerVerdict"
    return verdict


def _check_left(fakes: FakeServices, before: dict[str, int]) -> None:
    assert not fakes.loop.failures, f"a task failed: {fakes.loop.failures}"
    assert not fakes.services.tasks, f"tasks are left: {fakes.services.tasks}"
    assert not fakes.timers.pending, "timers are left"
    changed = {name: value for name, value in fakes.gauges().items() if value != before.get(name, 0)}
    assert not changed, f"gauges are not back: {changed}"
