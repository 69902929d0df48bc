"""What all processes of one proxy share: store files of the statistics and the arena.  Made before the first fork.

The supervisor makes it and folds what a dead child leaves behind; a child opens its own part; main reads all parts.
"""

from __future__ import annotations

from pyvoy.server.arena import Arena, create_arena
from pyvoy.stats.merge import View
from pyvoy.stats.proxy_files import ProxyFiles
from pyvoy.stats.store import Store


class SharedState:
    """Slot 0 is main, worker k has slot k + 1."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self.files = ProxyFiles(workers)
        self.arena = create_arena(workers)

    def open_store(self, slot: int) -> Store:
        """In a child: its own statistics, to which nobody else writes."""
        return Store(self.files.main if slot == 0 else self.files.workers[slot - 1])

    def attach_arena(self, slot: int) -> Arena:
        """In a child: the arena, with this child's share."""
        self.arena.attach(self._share(slot))
        return self.arena

    def _share(self, slot: int) -> int:
        return slot - 1 if slot else self.workers

    def view(self) -> View:
        """In main: the statistics of all processes."""
        return self.files.view()

    def child_died(self, slot: int) -> None:
        """In the supervisor: keep the counters of a dead child and clear the rest for its successor."""
        self.arena.worker_died(self._share(slot))
        if slot == 0:
            self.files.main_died()
        else:
            self.files.worker_died(slot - 1)
