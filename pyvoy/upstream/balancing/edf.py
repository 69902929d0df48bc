"""Earliest deadline first: the scheduler behind every weighted choice.

Each entry has a deadline of 1/weight after its last pick; the earliest is picked next, so that over time each entry
gets its share and picks are spread evenly.  Ties go to the entry that was added first.
Source of behaviour: Envoy, Upstream::EdfScheduler.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Entry = TypeVar("Entry")


class EdfScheduler(Generic[Entry]):
    """A heap of (deadline, order, entry).  `weight_of` is asked at every pick, because weights may move."""

    __slots__ = ("_heap", "_order", "_weight_of")

    def __init__(self, entries: Sequence[Entry], weight_of: Callable[[Entry], float], picks: int = 0) -> None:
        """`picks` starts as if so many picks had been made already, so that not every worker begins with the same host.

        Raises ZeroDivisionError for an entry of weight 0; leave such entries out.
        """
        self._weight_of = weight_of
        weights = [weight_of(entry) for entry in entries]
        total = sum(weights) or 1.0
        done = [int(weight * picks / total) for weight in weights]
        self._heap = [
            ((count + 1) / weight, order, entry)
            for order, (entry, weight, count) in enumerate(zip(entries, weights, done, strict=True))
        ]
        self._order = len(self._heap)
        heapq.heapify(self._heap)
        for _ in range(picks - sum(done)):
            self.pick()

    def pick(self) -> Entry | None:
        """The entry whose turn it is; None without entries."""
        heap = self._heap
        if not heap:
            return None
        deadline, _, entry = heap[0]
        self._order = order = self._order + 1
        heapq.heapreplace(heap, (deadline + 1.0 / self._weight_of(entry), order, entry))
        return entry
