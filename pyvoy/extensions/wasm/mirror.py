"""The header map at hand in the companion's memory, and the journal of what the module did to it.

While a headers callback runs, the companion answers for that map (see `engine/companion.wat`, which has the layout).
It asks for the map when the module first reads a value, and gets it unasked where the callback before did.  What the
module changes is carried out on the proxy's own map when the callback has returned, or before anybody else looks at it.
"""

from __future__ import annotations

from itertools import chain
from struct import Struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyvoy.extensions.wasm.context import Context
    from pyvoy.http.headers import HeaderMap

ADD, REPLACE, REMOVE = 1, 2, 3

_STATE = Struct("<iIII")
_TEXT = Struct("<II")
_NUMBER = Struct("<I")
_RECORD = Struct("<III")
_NONE = b"\xff\xff\xff\xff"
_ZERO = bytes(4)
_NOT_TO_BE_HAD = (2).to_bytes(4, "little")
_WRITTEN = 3
_AT_TEXT = 16384
_JOURNAL = 131072
_MAX_PAIRS = 900
_MAX_KNOWN = 256


class HeaderMirror:
    """One for a VM.  `kind` is the type of the map at hand, -1 when there is none."""

    __slots__ = ("_asked", "_context", "_headers", "_known", "_view", "kind")

    def __init__(self, view: memoryview, *, is_old: bool) -> None:
        self._view = view
        self._headers: HeaderMap | None = None
        self._context: Context | None = None
        self.kind = -1
        self._asked = [False, False, False, False]
        """Whether the last callback with this type of map has read from it."""
        self._known: dict[bytes, tuple[tuple[int, bytes, bytes], ...]] = {}
        """What journals say that a module writes again and again."""
        _STATE.pack_into(view, 0, -1, 0, 0, 0)
        _NUMBER.pack_into(view, 16, is_old)

    def enter(self, context: Context, kind: int, headers: HeaderMap) -> None:
        """A headers callback begins."""
        self._context = context
        self._headers = headers
        self.kind = kind
        _STATE.pack_into(self._view, 0, kind, 0, 0, 0)
        if self._asked[kind]:
            self._write(headers)

    def leave(self) -> None:
        """The callback has ended, or the map must not be used any more: carry out the journal."""
        if self.kind >= 0:
            view = self._view
            view[0:4] = _NONE
            size = _NUMBER.unpack_from(view, 12)[0]
            if size:
                view[12:16] = _ZERO
                self._carry_out(size)
            self.kind = -1
            self._headers = self._context = None

    def sync(self) -> None:
        """Somebody else looks at the map."""
        size = _NUMBER.unpack_from(self._view, 12)[0]
        if size and self._headers is not None:
            self._view[12:16] = _ZERO
            self._view[4:8] = _ZERO  # entries of the table may lie in the journal
            self._carry_out(size)

    def stale(self) -> None:
        """Somebody else has changed the map."""
        self._view[4:8] = _ZERO

    def load(self) -> None:
        """The companion asks for the map."""
        headers = self._headers
        if headers is None:
            self._view[4:8] = _NOT_TO_BE_HAD
            return
        self._asked[self.kind] = True
        self.sync()
        self._write(headers)

    def _write(self, headers: HeaderMap) -> None:
        """Put the map into the companion's memory as text."""
        view = self._view
        pairs = headers.pairs
        items = headers.map.items() if pairs is None else pairs
        entries = len(items)
        data = b"\0".join(chain.from_iterable(items)) + b"\0"
        size = len(data)
        if not entries or entries > _MAX_PAIRS or size > _JOURNAL - _AT_TEXT:
            view[4:8] = _NOT_TO_BE_HAD
            return
        view[_AT_TEXT : _AT_TEXT + size] = data
        _TEXT.pack_into(view, 4, _WRITTEN, entries)
        _NUMBER.pack_into(view, 20, size)

    def _carry_out(self, size: int) -> None:
        """Do what the journal says."""
        headers, context = self._headers, self._context
        assert headers is not None
        assert context is not None
        data = self._view[_JOURNAL : _JOURNAL + size].tobytes()
        steps = self._known.get(data)
        if steps is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            steps = self._known[data] = tuple(_steps(data))
        for operation, name, value in steps:
            values = headers.map
            if headers.pairs is not None or (name in values and operation != REMOVE):
                change(headers, operation, name, value)
            elif operation != REMOVE:
                values[name] = value
            else:
                values.pop(name, None)
        headers.generation += 1
        context.changed(self.kind)


def _steps(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """The records of a journal: operation, name, value."""
    at = 0
    while at < len(data):
        operation, name_size, value_size = _RECORD.unpack_from(data, at)
        name_at = at + _RECORD.size
        value_at = name_at + name_size
        at = value_at + value_size
        yield operation, data[name_at:value_at], data[value_at:at]


def change(headers: HeaderMap, operation: int, name: bytes, value: bytes) -> None:
    """Add, replace or remove one name: what is replaced moves to the end, as in Envoy."""
    if operation == ADD:
        headers.add(name, value)
    elif operation == REMOVE:
        headers.remove(name)
    elif name not in headers.map:
        headers.add(name, value)
    elif name.startswith(b":"):
        _put_last_of_pseudo(headers, name, value)
    else:
        headers.remove(name)
        headers.add(name, value)


def _put_last_of_pseudo(headers: HeaderMap, name: bytes, value: bytes) -> None:
    """Replace a pseudo header: the end is for them where the ordinary ones begin."""
    headers.remove(name)
    values = headers.map
    pseudo = {key: values[key] for key in values if key.startswith(b":")}
    pseudo[name] = value
    headers.map = pseudo | values
    if headers.pairs is not None:
        headers.pairs = [*pseudo.items(), *(pair for pair in headers.pairs if pair[0] not in pseudo)]
