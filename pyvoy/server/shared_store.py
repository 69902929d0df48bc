"""Values and queues that extensions share over all workers: a region of shared memory under one lock.

Two halves, one in use.  A half is a log: a value that changes is written anew behind the rest and its name then points
there by one word, so that a process killed at any point leaves a whole value behind.  A half that is full is copied,
without what nobody names any more, into the other one, which is put in use by its last word.
Names are a chain that each process reads up to where it has read before.  Queues are values with numbered keys.
Source of behaviour: Proxy-Wasm, shared data and shared queues.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import struct
import weakref
from collections.abc import Callable

from pyvoy.server.byte_lock import ByteLock
from pyvoy.server.local_store import ABSENT, LIMIT_BYTES, StoreFull

_HALF_WORDS = 2 << 20  # 16 MiB
_LIVE_WORDS = LIMIT_BYTES // 8  # three quarters: a copy always frees a quarter of the half
_ACTIVE, _EPOCH, _NUMBER = 0, 1, 2
_GLOBAL_WORDS = 8
# A half: words in use, offset of the last name, words that are live; then entries.
_USED, _LAST_NAME, _LIVE = 0, 1, 2
_HALF_HEADER = 4
# A name: offset of the name before it, offset of its value (0: none), length, bytes.  A value: number, length, bytes.
_NAME_HEAD, _VALUE_HEAD = 3, 2
_ENDS = struct.Struct("<qq")
_PLACE = struct.Struct(">Q")
_MASK = struct.Struct("<Q")


class SharedStore:
    """Made before the fork; one lock for everything.  Owns a memory file and an eventfd for each process."""

    def __init__(self, slots: int) -> None:
        size = 8 * (_GLOBAL_WORDS + 2 * _HALF_WORDS)
        self._fd = os.memfd_create("pyvoy-shared-data", os.MFD_CLOEXEC)
        os.ftruncate(self._fd, size)
        self._bytes = memoryview(mmap.mmap(self._fd, size))
        self._words = self._bytes.cast("q")
        self._lock = ByteLock(self._fd, 0)
        self._bells = [os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) for _ in range(slots)]
        for fd in (self._fd, *self._bells):
            weakref.finalize(self, os.close, fd)
        self._slot = slots - 1
        self._epoch = -1
        self._base = 0
        self._names: dict[bytes, int] = {}
        self._names_read = 0
        self._watchers: dict[bytes, list[Callable[[], None]]] = {}
        for half in (0, 1):
            self._words[_GLOBAL_WORDS + half * _HALF_WORDS + _USED] = _HALF_HEADER

    def attach(self, slot: int) -> None:
        """In a child: which bell is its own."""
        self._slot = slot

    # ---- values ----

    def get(self, key: bytes) -> tuple[bytes, int] | None:
        """The value and its number, None when there is none."""
        with self._lock:
            self._sync()
            return self._get(b"v" + key)

    def set(self, key: bytes, value: bytes, number: int = 0) -> bool:
        """Put a value; with a number only if it still has that, with ABSENT only if there is none.

        Raises StoreFull."""
        key = b"v" + key
        with self._lock:
            self._sync()
            if number and not self._has(key, number):
                return False
            self._set(key, value)
            return True

    def delete(self, key: bytes, number: int = 0) -> bool:
        """Forget a value; with a number other than 0 only if the value still has it."""
        key = b"v" + key
        with self._lock:
            self._sync()
            old = self._get(key)
            if old is None or (number and old[1] != number):
                return False
            self._delete(key)
            return True

    # ---- queues ----

    def push(self, queue: bytes, item: bytes) -> None:
        """Put an item at the end of a queue and wake who watches it.  Raises StoreFull."""
        with self._lock:
            self._sync()
            first, end = self._ends(queue)
            self._set(_item(queue, end), item)
            self._set(b"e" + queue, _ENDS.pack(first, end + 1))
            watchers = self._mask(queue)
        for slot, bell in enumerate(self._bells):
            if watchers >> slot & 1:
                os.eventfd_write(bell, 1)

    def pop(self, queue: bytes) -> bytes | None:
        """The first item of a queue, None when it is empty."""
        with self._lock:
            self._sync()
            first, end = self._ends(queue)
            if first == end:
                return None
            key = _item(queue, first)
            found = self._get(key)
            self._set(b"e" + queue, _ENDS.pack(first + 1, end))
            self._delete(key)
            return b"" if found is None else found[0]

    def length(self, queue: bytes) -> int:
        """How many items a queue has."""
        with self._lock:
            self._sync()
            first, end = self._ends(queue)
            return end - first

    def watch(self, queue: bytes, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` run in this worker when the queue has got an item; returns what takes that back."""
        if not self._watchers:
            loop.add_reader(self._bells[self._slot], self._on_bell)
        watchers = self._watchers.setdefault(queue, [])
        watchers.append(callback)
        with self._lock:
            self._sync()
            self._set(b"w" + queue, _MASK.pack(self._mask(queue) | 1 << self._slot))
        if self.length(queue):
            loop.call_soon(callback)
        return lambda: watchers.remove(callback) if callback in watchers else None

    def _on_bell(self) -> None:
        os.eventfd_read(self._bells[self._slot])
        for queue, callbacks in list(self._watchers.items()):
            if callbacks and self.length(queue):
                for callback in list(callbacks):
                    callback()

    def _ends(self, queue: bytes) -> tuple[int, int]:
        """Numbers of the first item and of the next one to come."""
        found = self._get(b"e" + queue)
        return (0, 0) if found is None else _ENDS.unpack(found[0])

    def _mask(self, queue: bytes) -> int:
        found = self._get(b"w" + queue)
        mask: int = 0 if found is None else _MASK.unpack(found[0])[0]
        return mask

    # ---- the log; all under the lock ----

    def _sync(self) -> None:
        """Take over what other processes have done."""
        words = self._words
        if words[_EPOCH] != self._epoch:
            self._epoch = words[_EPOCH]
            self._base = _GLOBAL_WORDS + words[_ACTIVE] * _HALF_WORDS
            self._names.clear()
            self._names_read = 0
        name = last = words[self._base + _LAST_NAME]
        while name != self._names_read:
            at = self._base + name
            self._names[self._read(at + _NAME_HEAD, words[at + 2])] = name
            name = words[at]
        self._names_read = last

    def _read(self, at: int, length: int) -> bytes:
        return bytes(self._bytes[at * 8 : at * 8 + length])

    def _get(self, key: bytes) -> tuple[bytes, int] | None:
        name = self._names.get(key)
        if name is None:
            return None
        value = self._words[self._base + name + 1]
        if not value:
            return None
        at = self._base + value
        return self._read(at + _VALUE_HEAD, self._words[at + 1]), self._words[at]

    def _has(self, key: bytes, number: int) -> bool:
        found = self._get(key)
        return number == (ABSENT if found is None else found[1])

    def _set(self, key: bytes, value: bytes) -> None:
        old = self._get(key)
        more = _size(_VALUE_HEAD, value) + (_size(_NAME_HEAD, key) if old is None else 0)
        grows = more - (0 if old is None else _size(_VALUE_HEAD, old[0]))
        if self._words[self._base + _LIVE] + grows > _LIVE_WORDS:
            raise StoreFull("the shared data of this proxy is full")
        if self._words[self._base + _USED] + more > _HALF_WORDS:
            self._copy_live()
        words = self._words
        words[_NUMBER] += 1
        place = self._append((words[_NUMBER], len(value)), value)
        name = self._names.get(key)
        if name is None:
            last = words[self._base + _LAST_NAME]
            name = self._append((last, place, len(key)), key)
            self._names[key] = self._names_read = words[self._base + _LAST_NAME] = name
        else:
            words[self._base + name + 1] = place
        words[self._base + _LIVE] += grows

    def _delete(self, key: bytes) -> None:
        old = self._get(key)
        if old is not None:
            self._words[self._base + self._names[key] + 1] = 0
            self._words[self._base + _LIVE] -= _size(_VALUE_HEAD, old[0]) + _size(_NAME_HEAD, key)

    def _append(self, head: tuple[int, ...], data: bytes) -> int:
        """Write an entry behind the rest; its offset in the half."""
        words = self._words
        used = words[self._base + _USED]
        at = self._base + used
        for word in head:
            words[at] = word
            at += 1
        self._bytes[at * 8 : at * 8 + len(data)] = data
        words[self._base + _USED] = used + _size(len(head), data)
        return used

    def _copy_live(self) -> None:
        """Go over to the other half with everything that has a value."""
        words = self._words
        live = [(key, found) for key in self._names if (found := self._get(key)) is not None]
        active = 1 - words[_ACTIVE]
        self._base = base = _GLOBAL_WORDS + active * _HALF_WORDS
        words[base + _USED] = _HALF_HEADER
        words[base + _LAST_NAME] = 0
        self._names = {}
        for key, (value, number) in live:
            place = self._append((number, len(value)), value)
            self._names[key] = words[base + _LAST_NAME] = self._append((words[base + _LAST_NAME], place, len(key)), key)
        words[base + _LIVE] = words[base + _USED] - _HALF_HEADER
        self._names_read = words[base + _LAST_NAME]
        words[_ACTIVE] = active
        words[_EPOCH] += 1
        self._epoch = words[_EPOCH]


def _size(head_words: int, data: bytes) -> int:
    """Words of an entry."""
    return head_words + (len(data) + 7) // 8


def _item(queue: bytes, number: int) -> bytes:
    return b"i" + _PLACE.pack(number) + queue
