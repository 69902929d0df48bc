"""A worker: one event loop that carries traffic.  What carries it is the data plane; this file is its process.

Frames it understands: `sockets` and `config` (a new configuration), `finish` (drain and exit), and those of the data
plane: `drain`, `close_listeners`, `health`, `dns`, `checked`, `filter_timing`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from pyvoy.server.application import Checked, CheckFailed, ChildContext
from pyvoy.server.child_loop import ChildLoop
from pyvoy.server.control import Message
from pyvoy.server.drain import Drainable, drain_and_wait
from pyvoy.server.watchdog import MEGAMISS_S

log = logging.getLogger("pyvoy.main")


class DataPlane(Drainable, Protocol):
    """Listeners, clusters and filter chains of one worker."""

    async def apply(self, checked: Checked, sockets: dict[str, list[socket.socket]]) -> None:
        """Build a configuration and put it in place of the one before; `sockets` are by listener.

        Raises CheckFailed, having changed nothing."""

    def on_message(self, message: Message) -> None:
        """A frame from main."""

    def on_stall(self, late_s: float, *, mega: bool) -> None:
        """The loop was late by so many seconds."""

    async def close(self) -> None:
        """Write out what is buffered (logs); nothing is carried any more."""


class Worker:
    """The process around a data plane."""

    def __init__(self, context: ChildContext, make_plane: Callable[[ChildContext, ChildLoop], DataPlane]) -> None:
        self._context = context
        self._child = ChildLoop(context, self._on_late)
        self._sockets = dict(context.sockets)
        self._plane = make_plane(context, self._child)
        self._tasks: set[asyncio.Task[None]] = set()
        self._order = asyncio.Lock()
        self._child.handlers |= {
            "sockets": self._on_sockets,
            "config": self._on_config,
            "finish": self._on_finish,
        }
        for kind in ("drain", "close_listeners", "health", "dns", "checked", "filter_timing"):
            self._child.handlers[kind] = self._plane.on_message

    def run(self) -> int:
        """Work until told to exit.  Returns the exit status."""
        return self._child.run(lambda: self._spawn(self._start()))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = self._child.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.critical("the worker failed", exc_info=task.exception())
            self._child.exit(1)

    async def _start(self) -> None:
        async with self._order:
            try:
                await self._apply_first()
            except CheckFailed as error:
                self._child.send("refused", {"lines": error.lines})
                self._child.exit(1)
                return
        self._child.ready()

    async def _apply_first(self) -> None:
        await self._plane.apply(self._context.checked, self._by_listener(self._context.socket_keys))

    def _by_listener(self, keys: dict[str, list[str]]) -> dict[str, list[socket.socket]]:
        return {listener: [self._sockets[key] for key in wanted] for listener, wanted in keys.items()}

    # --- frames

    def _on_sockets(self, message: Message) -> None:
        for key, fd in zip(message.fields["keys"], message.fds, strict=True):
            self._sockets[key] = socket.socket(fileno=fd)
            self._sockets[key].setblocking(False)

    def _on_config(self, message: Message) -> None:
        self._spawn(self._apply(message))

    async def _apply(self, message: Message) -> None:
        keys = message.fields["keys"]
        error = ""
        async with self._order:
            try:
                await self._plane.apply(Checked(message.blob, []), self._by_listener(keys))
            except Exception as failure:  # the wall of the worker: the configuration before stays in force
                log.critical("cannot apply configuration %d", message.fields["version"], exc_info=True)
                error = f"{type(failure).__name__}: {failure}"
            else:
                wanted = {key for names in keys.values() for key in names}
                for key in [key for key in self._sockets if key not in wanted]:
                    self._sockets.pop(key).close()
        self._child.send("applied", {"version": message.fields["version"], "error": error})

    def _on_finish(self, message: Message) -> None:
        self._spawn(self._finish(float(message.fields["time_s"])))

    async def _finish(self, time_s: float) -> None:
        async with self._order:
            cut = await drain_and_wait(self._plane, time_s, time.monotonic)
            if cut:
                log.warning("worker %d: %d connections cut after %g s of draining", self._context.index, cut, time_s)
            await self._plane.close()
        self._child.exit(0)

    def _on_late(self, late_s: float) -> None:
        self._plane.on_stall(late_s, mega=late_s >= MEGAMISS_S)
