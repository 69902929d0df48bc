"""Levels and token buckets of a proxy with several workers: shared memory, made before the fork.

A level is a row of single-writer cells, summed on read.  What is read and written as one step stands under an fcntl
byte-range lock, which the kernel frees when its holder dies.  Names are added at run time under a lock of their own;
when they run out, the rest is kept per worker and counted in `overflowed`.
"""

from __future__ import annotations

import mmap
import os
import weakref

from pyvoy.server.byte_lock import ByteLock
from pyvoy.server.local_arena import (
    Clock,
    LocalGauge,
    LocalTokenBucket,
    after_taking,
    fill_rate,
    held_tokens,
    wait_s,
)
from pyvoy.server.shared_store import SharedStore
from pyvoy.stats.layout import Entry, encode, records

_RESOURCE, _BUCKET = 1, 2
_HEADER_BYTES = 64
_NAMES_BYTES = 1 << 22
_MAX_NAMES = 1 << 16
_NAMES_LOCK = 0


class WorkerGauge:
    """A level in shared memory; `cells[index]` is this worker's share, `shares` are all."""

    __slots__ = ("_lock", "cells", "index", "shares")

    def __init__(self, cells: memoryview, shares: memoryview, index: int, lock: ByteLock) -> None:
        self.cells = cells
        self.shares = shares
        self.index = index
        self._lock = lock

    def inc(self) -> None:
        """Add one to this worker's share."""
        self.cells[self.index] += 1

    def dec(self) -> None:
        """Take one from this worker's share."""
        self.cells[self.index] -= 1

    def total(self) -> int:
        """The level over all workers."""
        return sum(self.shares)

    def inc_within(self, limit: int) -> bool:
        """Add one if the level is below the limit, under the lock."""
        with self._lock:
            if sum(self.shares) >= limit:
                return False
            self.cells[self.index] += 1
            return True


class WorkerTokenBucket:
    """A bucket in shared memory: see LocalTokenBucket for its one number."""

    __slots__ = ("_clock", "_fill_rate", "_index", "_lock", "_times", "max_tokens")

    def __init__(
        self, times: memoryview[float], index: int, lock: ByteLock, *, max_tokens: int, rate: float, clock: Clock
    ) -> None:
        self._times = times
        self._index = index
        self._lock = lock
        self.max_tokens = max_tokens
        self._fill_rate = rate
        self._clock = clock

    def consume(self, n: int = 1) -> bool:
        """Take n tokens, or none and False."""
        times, index = self._times, self._index
        with self._lock:
            since = after_taking(times[index], self._clock(), n, self.max_tokens, self._fill_rate)
            if since is None:
                return False
            times[index] = since
            return True

    def remaining(self) -> int:
        """Whole tokens that are there."""
        return int(held_tokens(self._times[self._index], self._clock(), self.max_tokens, self._fill_rate))

    def next_fill_s(self) -> float:
        """Seconds until there is a token."""
        held = held_tokens(self._times[self._index], self._clock(), self.max_tokens, self._fill_rate)
        return wait_s(held, self._fill_rate)


class SharedArena:
    """Shared memory: header, directory of names, then a row of cells for each name.

    A row has one cell for each worker and one for the main process; a bucket uses the first as a float.
    """

    def __init__(self, workers: int, clock: Clock) -> None:
        self.overflowed = 0
        self._clock = clock
        self._slots = workers + 1
        self._slot = workers
        rows_offset = _HEADER_BYTES + _NAMES_BYTES
        size = rows_offset + 8 * self._slots * _MAX_NAMES
        self._fd = os.memfd_create("pyvoy-arena", os.MFD_CLOEXEC)
        weakref.finalize(self, os.close, self._fd)
        os.ftruncate(self._fd, size)
        view = memoryview(mmap.mmap(self._fd, size))
        self._header = view[:_HEADER_BYTES].cast("q")  # directory bytes in use, rows in use
        self._names = view[_HEADER_BYTES:rows_offset]
        self._cells = view[rows_offset:].cast("q")
        self._times = view[rows_offset:].cast("d")
        self._names_lock = ByteLock(self._fd, _NAMES_LOCK)
        self._rows: dict[tuple[int, str], int] = {}
        self._names_read = 0
        self._resources: dict[str, WorkerGauge | LocalGauge] = {}
        self._buckets: dict[str, WorkerTokenBucket | LocalTokenBucket] = {}
        self.store = SharedStore(self._slots)

    def attach(self, worker_index: int) -> None:
        """Which share is this process' own: the worker's number, or the number of workers in the main process."""
        if not 0 <= worker_index < self._slots:
            raise ValueError(f"no worker {worker_index}")
        self._slot = worker_index
        self.store.attach(worker_index)
        self._resources.clear()
        self._buckets.clear()

    def resource(self, name: str) -> WorkerGauge | LocalGauge:
        """The level of that name."""
        found = self._resources.get(name)
        if found is None:
            row = self._row(_RESOURCE, name, None)
            found = self._resources[name] = LocalGauge() if row is None else self._gauge(row)
        return found

    def token_bucket(
        self, name: str, max_tokens: int, tokens_per_fill: int, fill_interval_s: float
    ) -> WorkerTokenBucket | LocalTokenBucket:
        """The bucket of that name; other figures than before make a new, full bucket."""
        rate = fill_rate(tokens_per_fill, fill_interval_s)
        key = f"{name}\0{max_tokens}\0{rate}"
        found = self._buckets.get(key)
        if found is None:
            row = self._row(_BUCKET, key, self._clock() - max_tokens / rate)
            if row is None:
                found = LocalTokenBucket(max_tokens, rate, self._clock)
            else:
                lock, index = ByteLock(self._fd, 1 + row), row * self._slots
                found = WorkerTokenBucket(self._times, index, lock, max_tokens=max_tokens, rate=rate, clock=self._clock)
            self._buckets[key] = found
        return found

    def worker_died(self, worker_index: int) -> None:
        """Take the dead worker's shares off all levels."""
        with self._names_lock:
            self._read_names()
        for (kind, _), row in self._rows.items():
            if kind == _RESOURCE:
                self._cells[row * self._slots + worker_index] = 0

    def _gauge(self, row: int) -> WorkerGauge:
        first = row * self._slots
        shares = self._cells[first : first + self._slots]
        return WorkerGauge(self._cells, shares, first + self._slot, ByteLock(self._fd, 1 + row))

    def _row(self, kind: int, name: str, start: float | None) -> int | None:
        """The row of a name, made if need be with `start` in its first cell; None if there is no room."""
        with self._names_lock:
            self._read_names()
            found = self._rows.get((kind, name))
            if found is not None:
                return found
            used, row = self._header[0], self._header[1]
            record = encode(Entry(name, kind, 0, row))
            if row == _MAX_NAMES or used + len(record) > _NAMES_BYTES:
                self.overflowed += 1
                return None
            if start is not None:
                self._times[row * self._slots] = start
            self._names[used : used + len(record)] = record
            self._header[1] = row + 1
            self._header[0] = used + len(record)  # last: before this the name does not exist
            return row

    def _read_names(self) -> None:
        used = self._header[0]
        for _, _, entry in records(bytes(self._names[self._names_read : used])):
            self._rows[entry.kind, entry.name] = entry.index
        self._names_read = used
