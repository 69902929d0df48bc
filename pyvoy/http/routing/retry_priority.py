"""Retries that avoid the priorities of hosts that were tried (envoy.retry_priorities.previous_priorities).

Every `frequency` attempts the priorities tried so far are left out of the load; when none is left with hosts that are
up, all count again.  Source of behaviour: Envoy, PreviousPrioritiesRetryPriority.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyvoy.upstream.balancing.load import PriorityLoad, load_without

if TYPE_CHECKING:
    from pyvoy.upstream.endpoint import Host, PrioritySet


class PreviousPriorities:
    """The memory of one request."""

    __slots__ = ("_excluded", "_frequency", "_known", "_load", "_tried")

    def __init__(self, frequency: int, tried: list[Host]) -> None:
        """`tried` is the request's list of hosts, which grows with every attempt."""
        self._frequency = frequency
        self._tried = tried
        self._known = 0
        """How many of the tried hosts no longer count."""
        self._excluded: set[int] = set()
        self._load: PriorityLoad | None = None

    def load(self, sets: PrioritySet, original: PriorityLoad, place: Callable[[Host], int | None]) -> PriorityLoad:
        """The load for the next attempt."""
        tried = self._tried[self._known :]
        if len(tried) < self._frequency:
            return original
        if len(tried) % self._frequency == 0:
            self._excluded.update(found for host in tried if (found := place(host)) is not None)
            self._load = load_without(sets, original, self._excluded)
            if self._load is None:
                self._excluded.clear()
                self._known = len(self._tried)
                self._load = load_without(sets, original, self._excluded)
        return self._load or original
