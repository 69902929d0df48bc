"""Looks at files and asks for a reload when one of them has changed: those of resources (see
`pyvoy.config.compile.discovery`), and in development mode (`pyvoy run --dev`) a filter's file, what that imports, and
the bootstrap.

The supervisor tries the configuration in a throw-away process: what cannot be loaded leaves the old one running, and
the log says why.  Where there is nothing to look at, nobody looks.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable

log = logging.getLogger("pyvoy.main")

LOOK_S = 0.1
"""How often the files are looked at; a change counts when it is one look old, so that half-written files rest first."""

State = tuple[int, int] | None


class FileWatch:
    """Looks at files and calls `changed` when one of them is another than when it was last told.

    `related` names the files that a changed one needs: a reload that fails because of one of them is tried again when
    that is mended, though nothing in force knows it."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        changed: Callable[[], None],
        related: Callable[[str], Iterable[str]] = lambda name: (),
        look_s: float = LOOK_S,
    ) -> None:
        self._loop = loop
        self._look_s = look_s
        self._changed = changed
        self._related = related
        self._known: dict[str, State] = {}
        self._moving: dict[str, State] = {}
        self._handle: asyncio.TimerHandle | None = None

    def watch(self, files: Iterable[str]) -> None:
        """These files, as they are now, are what is in force; a file that changed since it was last looked at stays
        to be told."""
        self._known = {name: self._known.get(name, state_of(name)) for name in files if name}
        if self._handle is None:
            self._handle = self._loop.call_later(self._look_s, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _look(self) -> None:
        self._handle = self._loop.call_later(self._look_s, self._look)
        now = {name: state_of(name) for name in self._known}
        changed = [name for name, state in now.items() if state != self._known[name] and state is not None]
        rested = [name for name in changed if self._moving.get(name) == now[name]]
        self._moving = {name: now[name] for name in changed}
        if changed and len(rested) == len(changed):
            self._known |= {name: now[name] for name in changed}
            for name in {other for one in changed for other in self._related(one)} - self._known.keys():
                self._known[name] = state_of(name)
            self._moving = {}
            log.info("changed: %s", ", ".join(changed))
            self._changed()


def state_of(name: str) -> State:
    """When a file was written and how long it is; None when it is not there (editors replace files)."""
    try:
        state = os.stat(name)
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size
