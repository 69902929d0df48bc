"""What a script or a module does to the headers of one message: additions, replacements and removals in their order.

Scripts and modules tell of them in one piece of bytes, mostly the same for message after message: whoever reads those
keeps the changes by them, and `known_heads` what they lead to.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyvoy.http.headers import COALESCED, HeaderMap, is_valid_header

ADD, REPLACE, REMOVE = 1, 2, 3

Step = tuple[int, bytes, bytes]
"""Operation, name (in lower case), value."""


class HeaderChanges:
    """The steps of one callback.  `of_status` says that `:status` is among the names, `suspect` that one of them makes
    a header that no request may carry."""

    __slots__ = ("_added", "_dropped", "_joined", "_pairs", "_simple", "_steps", "of_status", "suspect")

    def __init__(self, steps: Iterable[Step]) -> None:
        self._steps = tuple(steps)
        names = [name for _, name, _ in self._steps]
        self.of_status = b":status" in names
        self.suspect = any(
            operation != REMOVE and not is_valid_header(name, value) for operation, name, value in self._steps
        )
        self._simple = len(set(names)) == len(names) and not any(name.startswith(b":") for name in names)
        """Each name occurs once, and no pseudo header could leave its place: the order of the steps is without meaning
        but for the order of what they leave at the end of the map, `_pairs`."""
        self._dropped = frozenset(name for operation, name, _ in self._steps if operation != ADD)
        self._added = frozenset(name for operation, name, _ in self._steps if operation == ADD)
        self._joined = self._added & COALESCED
        self._pairs = [(name, value) for operation, name, value in self._steps if operation != REMOVE]

    def apply(self, headers: HeaderMap) -> None:
        """Make the changes."""
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


def change(headers: HeaderMap, operation: int, name: bytes, value: bytes) -> None:
    """Add, replace or remove one name."""
    if operation == ADD:
        headers.add(name, value)
    elif operation == REMOVE:
        headers.remove(name)
    else:
        headers.replace(name, value)
