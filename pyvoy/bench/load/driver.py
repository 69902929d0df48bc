"""When to send what: the open loop of a fixed rate and the closed one, and the books on what came of it.  No I/O.

Slots (a connection, or a stream of one) ask the driver when they are free; a clock is handed in.  In the open loop a
request is due at its time whether or not a slot is free: it waits for one, and its latency counts from its time.  So a
target that stalls is charged for all requests that fell due meanwhile (no coordinated omission).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Protocol

from pyvoy.bench.load.latencies import Latencies
from pyvoy.bench.load.result import TIMEOUT


class Slot(Protocol):
    """What can have one request under way."""

    def send(self, due_s: float, now_s: float) -> None:
        """Send a request; ends with one call of the driver's `answered` or `failed`."""


@dataclass(frozen=True, slots=True)
class Window:
    """When a driver sends, by the clock's seconds: from `begin_s` on, counted from `count_s` on, until `end_s` or
    until `limit` requests that count.  `interval_s` apart from each other; 0: whenever a slot is free."""

    begin_s: float
    count_s: float
    end_s: float = inf
    limit: int = 0
    interval_s: float = 0.0


class Books:
    """What came of the requests that count."""

    __slots__ = ("errors", "in_time", "lag", "last_s", "latency", "sent", "service", "statuses")

    def __init__(self) -> None:
        self.sent = 0
        self.in_time = 0
        """Answers before the window's end."""
        self.statuses: Counter[int] = Counter()
        self.errors: Counter[str] = Counter()
        self.latency = Latencies()
        """From when the request was due."""
        self.service = Latencies()
        """From when it was sent."""
        self.lag = Latencies()
        """Between the two while a slot was free: the generator's own lateness."""
        self.last_s = 0.0
        """When the last answer came."""


class Driver:
    """Decides for one process' slots.  `on_done` is called once, when nothing is due, under way or will be."""

    __slots__ = ("_clock", "_idle", "_next", "_on_done", "_running", "_timeout_s", "books", "window")

    def __init__(
        self, window: Window, timeout_s: float, clock: Callable[[], float], on_done: Callable[[], None]
    ) -> None:
        self.window = window
        self.books = Books()
        self._clock = clock
        self._timeout_s = timeout_s
        self._on_done = on_done
        self._idle: deque[Slot] = deque()
        self._next = 0
        """The number of the next request of the open loop."""
        self._running = 0

    # ---- slots ----

    def free(self, slot: Slot) -> None:
        """A slot has nothing to do."""
        now_s = self._clock()
        window = self.window
        if window.interval_s:
            due_s = self._due_s()
            if due_s <= now_s:
                self._send(slot, due_s, now_s)
                return
        elif window.begin_s <= now_s and self._more(now_s):
            self._send(slot, now_s, now_s)
            return
        self._idle.append(slot)
        self._check_done(now_s)

    def answered(self, due_s: float, sent_s: float, status: int) -> None:
        """A slot has its answer; `free` follows when it can send again."""
        self._running -= 1
        window = self.window
        if due_s < window.count_s:
            return
        now_s = self._clock()
        books = self.books
        books.statuses[status] += 1
        books.latency.record_us(round((now_s - due_s) * 1e6))
        if window.interval_s:
            books.service.record_us(round((now_s - sent_s) * 1e6))
        books.last_s = now_s
        books.in_time += now_s <= window.end_s

    def failed(self, due_s: float, kind: str) -> None:
        """A slot will get no answer; `free` follows."""
        self._running -= 1
        if due_s >= self.window.count_s:
            self.books.errors[kind] += 1

    # ---- time ----

    def tick(self) -> None:
        """Send what is due to slots that are free."""
        now_s = self._clock()
        window = self.window
        while self._idle:
            due_s = self._due_s() if window.interval_s else now_s
            if due_s > now_s or not (window.interval_s or self._more(now_s)):
                break
            if window.interval_s and due_s >= window.count_s:
                self.books.lag.record_us(round((now_s - due_s) * 1e6))
            self._send(self._idle.popleft(), due_s, now_s)
        self._check_done(now_s)

    def sweep(self) -> None:
        """Give up what has been due for longer than the time-out and found no slot; call this now and then."""
        now_s = self._clock()
        while self.window.interval_s and self._due_s() < now_s - self._timeout_s:
            due_s = self._due_s()
            self._next += 1
            if due_s >= self.window.count_s:
                self.books.sent += 1
                self.books.errors[TIMEOUT] += 1
        self._check_done(now_s)

    def _due_s(self) -> float:
        """When the next request of the open loop is due; never (infinity) when there is none."""
        window = self.window
        due_s = window.begin_s + self._next * window.interval_s
        return due_s if due_s < window.end_s and not self._full() else inf

    def _full(self) -> bool:
        return bool(self.window.limit) and self.books.sent >= self.window.limit

    def _more(self, now_s: float) -> bool:
        """Whether the closed loop goes on."""
        return now_s < self.window.end_s and not self._full()

    def _send(self, slot: Slot, due_s: float, now_s: float) -> None:
        self._next += 1
        self._running += 1
        if due_s >= self.window.count_s:
            self.books.sent += 1
        slot.send(due_s, now_s)

    def _check_done(self, now_s: float) -> None:
        if self._running:
            return
        if self._due_s() == inf if self.window.interval_s else not self._more(now_s):
            self._on_done()
