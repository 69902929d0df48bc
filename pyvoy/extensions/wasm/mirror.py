"""The header map at hand in the companion's memory, and the journal of what the module did to it.

While a headers callback runs, the companion answers for that map (see `engine/companion.wat`, which has the layout).
It asks for the map when the module first reads a value, and gets it unasked where the callback before did.  What the
module changes is carried out on the proxy's own map when the callback has returned, or before anybody else looks at it.
"""

from __future__ import annotations

from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING

from pyvoy.http.headers import COALESCED

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyvoy.extensions.wasm.context import Context
    from pyvoy.http.headers import HeaderMap

ADD, REPLACE, REMOVE = 1, 2, 3

Step = tuple[int, bytes, bytes]
"""Operation, name, value."""

_RECORD = Struct("<III")
_KIND, _TABLE, _ENTRIES, _JOURNAL_BYTES, _IS_OLD, _TEXT_BYTES = range(6)
"""The words at the beginning of the companion's memory."""
_NO_KIND = 0xFFFFFFFF
_TO_BE_ASKED_FOR, _NOT_TO_BE_HAD, _WRITTEN = 0, 2, 3
_AT_TEXT = 16384
_JOURNAL = 131072
_MAX_PAIRS = 900
_MAX_KNOWN = 256


class Journal:
    """What a callback did to the map at hand, as a module does it again and again.  `of_status` says that `:status` is
    among the names."""

    __slots__ = ("_added", "_dropped", "_joined", "_pairs", "_simple", "_steps", "of_status")

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = tuple(steps)
        names = [name for _, name, _ in self._steps]
        self.of_status = b":status" in names
        self._simple = len(set(names)) == len(names) and not any(name.startswith(b":") for name in names)
        """Each name occurs once, and no pseudo header could leave its place: the order of the steps is without meaning
        but for the order of what they leave at the end of the map, `_pairs`."""
        self._dropped = frozenset(name for operation, name, _ in self._steps if operation != ADD)
        self._added = frozenset(name for operation, name, _ in self._steps if operation == ADD)
        self._joined = self._added & COALESCED
        self._pairs = [(name, value) for operation, name, value in self._steps if operation != REMOVE]

    def carry_out(self, headers: HeaderMap) -> None:
        """Do it to a map."""
        values, pairs = headers.map, headers.pairs
        if not self._simple or not self._joined.isdisjoint(values):
            for operation, name, value in self._steps:
                change(headers, operation, name, value)
            return
        headers.generation += 1
        if pairs is None and self._added.isdisjoint(values):
            for name in self._dropped:
                values.pop(name, None)
            values.update(self._pairs)
            return
        dropped = self._dropped
        pairs = [pair for pair in (values.items() if pairs is None else pairs) if pair[0] not in dropped]
        pairs += self._pairs
        for name in dropped:
            values.pop(name, None)
        for name, value in self._pairs:
            values.setdefault(name, value)
        headers.pairs = pairs if len(pairs) > len(values) else None


class HeaderMirror:
    """One for a VM.  `kind` is the type of the map at hand, -1 when there is none."""

    __slots__ = ("_asked", "_context", "_headers", "_known", "_state", "_view", "kind")

    def __init__(self, view: memoryview, *, is_old: bool) -> None:
        self._view = view
        self._state = view.cast("I")
        self._headers: HeaderMap | None = None
        self._context: Context | None = None
        self.kind = -1
        self._asked = [False, False, False, False]
        """Whether the last callback with this type of map has read from it."""
        self._known: dict[bytes, Journal] = {}
        state = self._state
        state[_KIND] = _NO_KIND
        state[_IS_OLD] = is_old

    def enter(self, context: Context, kind: int, headers: HeaderMap) -> None:
        """A headers callback begins."""
        self._context = context
        self._headers = headers
        self.kind = kind
        state = self._state
        state[_KIND] = kind
        state[_JOURNAL_BYTES] = 0
        if self._asked[kind]:
            self._write(headers)
        else:
            state[_TABLE] = _TO_BE_ASKED_FOR

    def finish(self) -> Journal | None:
        """The callback has ended: carry out its journal, which the caller tells whom it concerns."""
        if self.kind < 0:
            return None
        self.kind = -1
        state = self._state
        state[_KIND] = _NO_KIND
        size = state[_JOURNAL_BYTES]
        headers, self._headers = self._headers, None
        return self._carry_out(headers, size) if size and headers is not None else None

    def leave(self) -> None:
        """The map must not be used any more, the callback still runs or has failed."""
        kind, context = self.kind, self._context
        if self.finish() is not None and context is not None:
            context.changed(kind)

    def sync(self) -> None:
        """Somebody else looks at the map."""
        state = self._state
        size = state[_JOURNAL_BYTES]
        headers, context = self._headers, self._context
        if size and headers is not None and context is not None:
            state[_JOURNAL_BYTES] = 0
            state[_TABLE] = _TO_BE_ASKED_FOR  # entries of the table may lie in the journal
            self._carry_out(headers, size)
            context.changed(self.kind)

    def stale(self) -> None:
        """Somebody else has changed the map."""
        self._state[_TABLE] = _TO_BE_ASKED_FOR

    def load(self) -> None:
        """The companion asks for the map."""
        headers = self._headers
        if headers is None:
            self._state[_TABLE] = _NOT_TO_BE_HAD
            return
        self._asked[self.kind] = True
        self.sync()
        self._write(headers)

    def _write(self, headers: HeaderMap) -> None:
        """Put the map into the companion's memory as text."""
        pairs = headers.pairs
        if pairs is None:
            values = headers.map
            entries = len(values)
            words = [b""] * (2 * entries + 1)
            words[:-1:2] = values
            words[1::2] = values.values()
        else:
            entries = len(pairs)
            words = [*chain.from_iterable(pairs), b""]
        data = b"\0".join(words)
        size = len(data)
        if not entries or entries > _MAX_PAIRS or size > _JOURNAL - _AT_TEXT:
            self._state[_TABLE] = _NOT_TO_BE_HAD
            return
        state = self._state
        self._view[_AT_TEXT : _AT_TEXT + size] = data
        state[_TABLE] = _WRITTEN
        state[_ENTRIES] = entries
        state[_TEXT_BYTES] = size

    def _carry_out(self, headers: HeaderMap, size: int) -> Journal:
        """Do what the journal says."""
        data = self._view[_JOURNAL : _JOURNAL + size].tobytes()
        journal = self._known.get(data)
        if journal is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            journal = self._known[data] = Journal(_steps(data))
        journal.carry_out(headers)
        return journal


def _steps(data: bytes) -> Iterator[Step]:
    """The records of a journal."""
    at = 0
    while at < len(data):
        operation, name_size, value_size = _RECORD.unpack_from(data, at)
        name_at = at + _RECORD.size
        value_at = name_at + name_size
        at = value_at + value_size
        yield operation, data[name_at:value_at], data[value_at:at]


def change(headers: HeaderMap, operation: int, name: bytes, value: bytes) -> None:
    """Add, replace or remove one name."""
    if operation == ADD:
        headers.add(name, value)
    elif operation == REMOVE:
        headers.remove(name)
    else:
        headers.replace(name, value)
