"""What a connection's filters make of one message head, again and again, with the bytes that it becomes.

Filters mostly do the same to every message: the head that they leave is compared with those they have left before, and
its bytes are there already.  One header (the service time of a response, the id of a request) differs from message to
message; the bytes are cut where its value stands.  Pure.
"""

from __future__ import annotations

from pyvoy.http.headers import HeaderMap
from pyvoy.http.known_heads import MARK

_MOST = 4
_PATIENCE = 32
"""Heads that never come again are given up after so many."""


class ChangedHead:
    """A head as filters left it: the bytes `before` and `behind` the value of the header that varies."""

    __slots__ = ("_at", "_names", "_pairs", "_values", "before", "behind")

    def __init__(self, headers: HeaderMap, varying: bytes, encoded: bytes) -> None:
        """`headers`, which this object owns from now on, and `encoded` have MARK as the value of `varying`."""
        self._values = headers.map
        self._names = list(headers.map)
        self._pairs = headers.pairs
        self._at = 0 if headers.pairs is None else headers.pairs.index((varying, MARK))
        self.before, _, self.behind = encoded.partition(MARK)

    def is_of(self, headers: HeaderMap, varying: bytes, value: bytes) -> bool:
        """Whether these headers, whose `varying` has that value, are this head: same values in the same order."""
        mine, pairs = self._values, self._pairs
        mine[varying] = value
        if pairs is not None:
            pairs[self._at] = (varying, value)
        return mine == headers.map and pairs == headers.pairs and self._names == list(headers.map)


class ChangedHeads:
    """The heads that filters leave of one that is remembered."""

    __slots__ = ("_candidate", "_kept", "_patience", "_varying")

    def __init__(self, varying: bytes) -> None:
        """`varying` names the header whose value is different each time."""
        self._varying = varying
        self._kept: list[ChangedHead] = []
        self._candidate: HeaderMap | None = None
        self._patience = _PATIENCE

    def find(self, headers: HeaderMap) -> ChangedHead | None:
        """The remembered head that these headers are."""
        varying = self._varying
        value = headers.map.get(varying)
        if value is not None:
            for head in self._kept:
                if head.is_of(headers, varying, value):
                    return head
        return None

    def missed(self, headers: HeaderMap) -> HeaderMap | None:
        """These headers were not found.  A copy with MARK in place of what varies, if they are worth keeping: they came
        twice on end."""
        varying = self._varying
        if not self._patience or varying not in headers.map:
            return None
        self._patience -= 1
        again = self._candidate
        copy = headers.copy()
        copy.set(varying, MARK)
        self._candidate = copy
        if copy != again or len(self._kept) >= _MOST:
            return None
        self._candidate = None
        self._patience = _PATIENCE
        return copy

    def keep(self, headers: HeaderMap, encoded: bytes) -> None:
        """Remember what `missed` has given, and what it becomes."""
        self._kept.append(ChangedHead(headers, self._varying, encoded))
