"""The header map at hand in the companion's memory, and the journal of what the module did to it.

While a headers callback runs, the companion answers for that map (see `engine/companion.wat`, which has the layout).
It asks for the map when the module first reads a value, and gets it unasked where the callback before did.  What the
module changes is carried out on the proxy's own map when the callback has returned, or before anybody else looks at it.
"""

from __future__ import annotations

from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING

from pyvoy.http.header_changes import HeaderChanges, Step
from pyvoy.http.known_heads import KnownHeaders, make_changes

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyvoy.extensions.wasm.context import Context
    from pyvoy.http.headers import HeaderMap
    from pyvoy.http.known_heads import KnownHead

_RECORD = Struct("<III")
_STATE = Struct("<5I")
_OLD, _KIND, _TABLE, _ENTRIES, _JOURNAL_BYTES, _TEXT_BYTES = range(4090, 4096)
"""The words before the text in the companion's memory."""
_NO_KIND = 0xFFFFFFFF
_TO_BE_ASKED_FOR, _NOT_TO_BE_HAD, _WRITTEN = 0, 2, 3
_AT_TEXT = 16384
_AT_STATE = _AT_TEXT - _STATE.size
_JOURNAL = 131072
_MAX_PAIRS = 900
_MAX_KNOWN = 256


UNCHANGED, FOLLOWED, CHANGED, STATUS_CHANGED = range(4)
"""What a callback did to its map: nothing, what is known and steers nothing, anything else, the latter with `:status`
among it."""


class HeaderMirror:
    """One for a VM.  `headers` is the map at hand, None when there is none."""

    __slots__ = ("_asked", "_context", "_kind", "_known", "_state", "_view", "headers")

    def __init__(self, view: memoryview, *, is_old: bool) -> None:
        self._view = view
        self._state = view.cast("I")
        self.headers: HeaderMap | None = None
        self._context: Context | None = None
        self._kind = 0
        self._asked = [False, False, False, False]
        """Whether the last callback with this type of map has read from it."""
        self._known: dict[bytes, HeaderChanges] = {}
        state = self._state
        state[_KIND] = _NO_KIND
        state[_OLD] = is_old

    def enter(self, context: Context, kind: int, headers: HeaderMap) -> None:
        """A headers callback begins."""
        self._context = context
        self.headers = headers
        self._kind = kind
        asked = self._asked[kind]
        if asked and type(headers) is KnownHeaders:
            head = headers.head
            value = headers.value
            begin = head.shown.get(len(value)) or self._show(head, kind, len(value))
            if begin:
                text = b"%b%b%b" % (begin, value, head.shown_end)
                self._view[_AT_STATE : _AT_STATE + len(text)] = text
                return
        state = self._state
        state[_KIND] = kind
        state[_JOURNAL_BYTES] = 0
        state[_TABLE] = _TO_BE_ASKED_FOR
        if asked:
            self._write(headers)

    def _show(self, head: KnownHead, kind: int, size: int) -> bytes:
        """The beginning of what `enter` writes for this head when the value that varies has that size, kept with it;
        b"" when the head is too large."""
        before, behind = head.text()
        entries = head.count
        text_bytes = len(before) + size + len(behind)
        if entries > _MAX_PAIRS or text_bytes > _JOURNAL - _AT_TEXT:
            return b""
        begin = head.shown[size] = _STATE.pack(kind, _WRITTEN, entries, 0, text_bytes) + before
        head.shown_end = behind
        return begin

    def finish(self) -> int:
        """The callback has ended: carry out its journal.  Gives what it did; the caller tells whom it concerns."""
        headers = self.headers
        if headers is None:
            return UNCHANGED
        self.headers = None
        state = self._state
        state[_KIND] = _NO_KIND
        size = state[_JOURNAL_BYTES]
        if not size:
            return UNCHANGED
        journal = self._view[_JOURNAL : _JOURNAL + size].tobytes()
        if type(headers) is KnownHeaders:
            head = headers.head.led.get(journal)
            if head is not None:
                headers.head = head
                return FOLLOWED
        return self._carry_out(headers, journal)

    def leave(self) -> None:
        """The map must not be used any more, the callback still runs or has failed."""
        if self.finish() and self._context is not None:
            self._context.changed(self._kind)

    def sync(self) -> None:
        """Somebody else looks at the map."""
        state = self._state
        size = state[_JOURNAL_BYTES]
        headers, context = self.headers, self._context
        if size and headers is not None and context is not None:
            state[_JOURNAL_BYTES] = 0
            state[_TABLE] = _TO_BE_ASKED_FOR  # entries of the table may lie in the journal
            self._carry_out(headers, self._view[_JOURNAL : _JOURNAL + size].tobytes())
            context.changed(self._kind)

    def stale(self) -> None:
        """Somebody else has changed the map."""
        self._state[_TABLE] = _TO_BE_ASKED_FOR

    def load(self) -> None:
        """The companion asks for the map."""
        headers = self.headers
        if headers is None:
            self._state[_TABLE] = _NOT_TO_BE_HAD
            return
        self._asked[self._kind] = True
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

    def _carry_out(self, headers: HeaderMap, journal: bytes) -> int:
        """Do what the journal says."""
        changes = self._known.get(journal)
        if changes is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            changes = self._known[journal] = HeaderChanges(_steps(journal))
        make_changes(headers, journal, changes)
        return STATUS_CHANGED if changes.of_status else CHANGED


def _steps(data: bytes) -> Iterator[Step]:
    """The records of a journal."""
    at = 0
    while at < len(data):
        operation, name_size, value_size = _RECORD.unpack_from(data, at)
        name_at = at + _RECORD.size
        value_at = name_at + name_size
        at = value_at + value_size
        yield operation, data[name_at:value_at], data[value_at:at]
