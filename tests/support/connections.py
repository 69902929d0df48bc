"""Stand-ins for what listener filters and network filters see of a connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pyvoy.network.address import Address
from pyvoy.network.listener_filter import ListenerVerdict
from pyvoy.network.network_filter import CloseType
from pyvoy.observe.stream_info import ConnectionInfo


def connection_info() -> ConnectionInfo:
    """A plain connection from 192.0.2.7:5000 to 10.0.0.1:443."""
    info = ConnectionInfo()
    info.remote = info.direct_remote = Address("192.0.2.7", 5000)
    info.local = info.direct_local = Address("10.0.0.1", 443)
    return info


class FakeAccepted:
    """An accepted connection with its first bytes; `sock` is what `socket()` gives."""

    def __init__(self, sock: Any = None) -> None:
        self.info = connection_info()
        self.buffer = bytearray()
        self.services: Any = None
        self._socket = sock

    def drain(self, count: int) -> None:
        """Drop a prefix."""
        del self.buffer[:count]

    def socket(self) -> Any:
        """The socket given."""
        return self._socket

    def run(self, filter_: Any, *pieces: bytes, end: bool = False) -> ListenerVerdict:
        """What the filter says once it has decided, or after the last piece."""
        verdict: ListenerVerdict = filter_.on_accept(self)
        for index, piece in enumerate(pieces):
            if verdict is not ListenerVerdict.MORE:
                self.buffer += piece
                continue
            self.buffer += piece
            verdict = filter_.on_data(self, end and index == len(pieces) - 1)
        return verdict


def bytewise(data: bytes) -> Iterator[bytes]:
    """The bytes one by one."""
    return (data[at : at + 1] for at in range(len(data)))


class FakeTimer:
    """A timer that `FakeTimers` holds."""

    def __init__(self, delay_s: float, callback: Callable[[], None]) -> None:
        self.delay_s = delay_s
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        """Take it back."""
        self.cancelled = True


class FakeTimers:
    """Timers that fire when the test says so."""

    def __init__(self) -> None:
        self.timers: list[FakeTimer] = []

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> FakeTimer:
        """Note the timer."""
        timer = FakeTimer(delay_s, callback)
        self.timers.append(timer)
        return timer

    def fire(self) -> None:
        """Fire all that were not cancelled."""
        pending, self.timers = self.timers, []
        for timer in pending:
            if not timer.cancelled:
                timer.callback()


class FakeServices:
    """Only the timers."""

    def __init__(self) -> None:
        self.timers = FakeTimers()


class FakeConnection:
    """A downstream connection that writes down what is done to it."""

    def __init__(self) -> None:
        self.info = connection_info()
        self.services: Any = FakeServices()
        self.written = bytearray()
        self.ended = False
        self.closed: CloseType | None = None
        self.close_details = ""
        self.read_disabled = 0
        self.resumed: list[Any] = []

    def write(self, data: bytes) -> None:
        """Note the bytes."""
        if self.is_open:
            self.written += data

    def write_end(self) -> None:
        """Note the half-close."""
        self.ended = True

    def close(self, kind: CloseType = CloseType.FLUSH, details: str = "") -> None:
        """Note the first close."""
        if self.closed is None:
            self.closed, self.close_details = kind, details

    def read_disable(self, disable: bool) -> None:
        """Count."""
        self.read_disabled += 1 if disable else -1

    def hold_back(self, hold: bool) -> None:
        """Count."""
        self.read_disable(hold)

    def continue_reading(self, filter_: Any) -> None:
        """Note the filter."""
        self.resumed.append(filter_)

    @property
    def is_open(self) -> bool:
        """True until it is closed."""
        return self.closed is None
