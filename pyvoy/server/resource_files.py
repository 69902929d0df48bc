"""The files of resources that the configuration in force came from: looked at, and counted as Envoy counts updates.

Source: Envoy's filesystem subscriptions (SubscriptionStats; names as in 1.40).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from pyvoy.server.file_watch import FileWatch, State, state_of

if TYPE_CHECKING:
    from pyvoy.stats.store import Scope

LOOK_S = 0.5
"""How often the files are looked at."""
_COUNTERS = ("update_attempt", "update_success", "update_failure", "update_rejected")
_RELOADING = ("cluster_manager.cds", "http.")
"""Whose updates Envoy also counts as reloads of a configuration."""


class ResourceFiles:
    """Owner: main.  `changed` is called when a file is another than the one in force."""

    def __init__(self, root: Scope, loop: asyncio.AbstractEventLoop, changed: Callable[[], None]) -> None:
        self._root = root
        self._watch = FileWatch(loop, changed, look_s=LOOK_S)
        self._known: dict[tuple[str, str], State] = {}
        for scope in ("cluster_manager.cds", "listener_manager.lds"):
            self._declare(scope)

    def adopted(self, subscriptions: list[tuple[str, str]]) -> None:
        """A configuration with these (prefix, file) is in force: count those that are new to it."""
        before, self._known = self._known, {each: state_of(each[1]) for each in subscriptions}
        for each, state in self._known.items():
            scope = each[0]
            self._declare(scope)
            if each not in before or before[each] != state:
                self._count(scope, "update_attempt", "update_success")
                if scope.startswith(_RELOADING):
                    self._count(scope, "config_reload")
        if subscriptions:
            self._watch.watch([path for _, path in subscriptions])
        else:
            self._watch.stop()

    def failed(self) -> None:
        """A configuration cannot be used: those files that have changed are to blame."""
        for each, state in self._known.items():
            now = state_of(each[1])
            if now != state:
                self._known[each] = now
                self._count(each[0], "update_attempt", "update_failure")

    def _declare(self, scope: str) -> None:
        for name in _COUNTERS:
            self._root.scope(scope).counter(name)

    def _count(self, scope: str, *names: str) -> None:
        for name in names:
            self._root.scope(scope).counter(name).inc()
