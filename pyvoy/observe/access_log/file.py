"""Files that access logs write to: lines are queued by the event loop and written by one thread.

A slow or full disk never stops the loop: the queue is bounded, and what does not fit is dropped and counted.  Written
after 64 KiB, after the flush interval, and at the end.  Two workers (or two generations of a configuration) append to
one file, each with whole lines.  Source: Envoy's AccessLogFileImpl and its `filesystem.` counters; --file-flush-*.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.stats.counters import Counter, Gauge
    from pyvoy.stats.store import Scope

log = logging.getLogger("pyvoy.file")

FLUSH_INTERVAL_S = 10.0
FLUSH_BYTES = 64 * 1024
QUEUE_LIMIT_BYTES = 8 * 1024 * 1024
"""What may wait for one file; Envoy has no bound here."""

_WRITE_BYTES = 1024 * 1024
_CLOSE_TIMEOUT_S = 5.0
_STANDARD = {"/dev/stdout": 1, "/dev/stderr": 2}
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class FileStats:
    """Envoy's `filesystem.` counters.  The loop owns `write_buffered`, the thread the others but `write_failed`."""

    __slots__ = (
        "flushed_by_timer",
        "reopen_failed",
        "write_buffered",
        "write_completed",
        "write_failed",
        "write_total_buffered",
    )
    flushed_by_timer: Counter
    reopen_failed: Counter
    write_buffered: Counter
    write_completed: Counter
    write_failed: Counter
    write_total_buffered: Gauge

    def __init__(self, root: Scope) -> None:
        scope = root.scope("filesystem")
        for name in self.__slots__[:-1]:
            setattr(self, name, scope.counter(name))
        self.write_total_buffered = scope.gauge("write_total_buffered")


class LogFile:
    """One file.  `write` belongs to the event loop, `flush` to the thread; the queue between them is a deque, whose
    ends are safe to use from both."""

    __slots__ = ("_failures", "_fd", "_files", "_produced", "_queue", "_reopen", "_stats", "_taken", "path")

    def __init__(self, files: LogFiles, path: str, stats: FileStats) -> None:
        """Raises OSError when the file cannot be opened for appending."""
        self.path = path
        self._files = files
        self._stats = stats
        self._queue: deque[bytes] = deque()
        self._produced = 0
        self._taken = 0
        self._failures = 0
        self._reopen = False
        self._fd = _open(path)

    def write(self, line: bytes) -> None:
        """Queue a line; never blocks."""
        files = self._files
        size = len(line)
        waiting = self._produced - self._taken + size
        if waiting > files.queue_limit_bytes:
            with files.failure_lock:
                self._stats.write_failed.inc()
            return
        self._produced += size
        self._queue.append(line)
        self._stats.write_buffered.inc()
        if not files.running:
            files.start()
        if waiting >= files.flush_bytes:
            files.wake.set()

    def reopen(self) -> None:
        """Open the path anew before the next write (log rotation)."""
        self._reopen = True

    def flush(self, *, by_timer: bool = False) -> None:
        """Write what waits."""
        if self._reopen:
            self._reopen = False
            self._open_again()
        queue = self._queue
        if by_timer and queue:
            self._stats.flushed_by_timer.inc()
        while queue:
            lines = []
            size = 0
            while queue and size < _WRITE_BYTES:
                line = queue.popleft()
                lines.append(line)
                size += len(line)
            self._write_out(b"".join(lines))
            self._taken += size
        self._stats.write_total_buffered.set(self._produced - self._taken)

    def _write_out(self, data: bytes) -> None:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fd, view) :]
        except OSError as error:
            with self._files.failure_lock:
                self._stats.write_failed.inc()
            if self._failures == 0:
                log.error("cannot write to %s: %s; the lines are lost", self.path, error.strerror)
            self._failures += 1
            return
        self._failures = 0
        self._stats.write_completed.inc()

    def _open_again(self) -> None:
        if self.path in _STANDARD:
            return
        try:
            fd = _open(self.path)
        except OSError as error:
            self._stats.reopen_failed.inc()
            log.error("cannot reopen %s: %s; the old file stays in use", self.path, error.strerror)
            return
        os.close(self._fd)
        self._fd = fd


class LogFiles:
    """All log files of one process, by path, and the thread that writes them (it starts with the first line)."""

    def __init__(self) -> None:
        self.wake = threading.Event()
        self.failure_lock = threading.Lock()
        self.running = False
        self.flush_interval_s = FLUSH_INTERVAL_S
        self.flush_bytes = FLUSH_BYTES
        self.queue_limit_bytes = QUEUE_LIMIT_BYTES
        self._files: dict[str, LogFile] = {}
        self._thread: threading.Thread | None = None
        self._ending = False
        self._flushing = threading.Lock()

    def configure(self, flush_interval_s: float, flush_bytes: int) -> None:
        """Set when lines are written: --file-flush-interval-msec and --file-flush-min-size-kb."""
        self.flush_interval_s = flush_interval_s
        self.flush_bytes = flush_bytes

    def open(self, path: str, root_scope: Scope) -> LogFile:
        """The file of a path, shared by all loggers that name it.  Raises OSError."""
        found = self._files.get(path)
        if found is None:
            found = self._files[path] = LogFile(self, path, FileStats(root_scope))
        return found

    def reopen(self) -> None:
        """Open every path anew, after a rotation."""
        for file in list(self._files.values()):
            file.reopen()
        self.wake.set()

    def flush(self, *, by_timer: bool = False) -> None:
        """Write what waits in all files."""
        with self._flushing:
            for file in list(self._files.values()):
                file.flush(by_timer=by_timer)

    def start(self) -> None:
        """Start the writing thread."""
        self.running = True
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="access_log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write everything out and stop the thread; waits at most five seconds for a stuck disk."""
        thread = self._thread
        if thread is not None:
            self._ending = True
            self.wake.set()
            thread.join(_CLOSE_TIMEOUT_S)
            self._thread = None
            self.running = False
        else:
            self.flush()

    def _run(self) -> None:
        while not self._ending:
            by_timer = not self.wake.wait(self.flush_interval_s)
            self.wake.clear()
            self.flush(by_timer=by_timer)
        self.flush()


def _open(path: str) -> int:
    standard = _STANDARD.get(path)
    return standard if standard is not None else os.open(path, _FLAGS, 0o644)


LOG_FILES = LogFiles()
"""The log files of this process.  Like the registry it is one for the process: descriptors and rotation signals are.

Opened while plans are built, which every worker does after its fork; the supervisor opens none."""
