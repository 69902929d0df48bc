"""A lock between processes on one byte of a file: an fcntl byte-range lock.

The kernel frees it when its holder dies."""

from __future__ import annotations

import fcntl
import os
import struct

_FLOCK = struct.Struct("hhqqi")


class ByteLock:
    """A lock between processes on one byte of a file; not between threads, and not to be nested."""

    __slots__ = ("_acquire", "_fd", "_release")

    def __init__(self, fd: int, offset: int) -> None:
        self._fd = fd
        self._acquire = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, offset, 1, 0)
        self._release = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, offset, 1, 0)

    def __enter__(self) -> None:
        fcntl.fcntl(self._fd, fcntl.F_SETLKW, self._acquire)

    def __exit__(self, *_: object) -> None:
        fcntl.fcntl(self._fd, fcntl.F_SETLK, self._release)
