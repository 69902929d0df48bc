"""The event loop of a child: uvloop, the channel to the supervisor, the heartbeat.  Roles add handlers for frames.

The loop is made here, after the fork.  A closed channel means that the supervisor is gone: the child ends at once.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Callable
from typing import Any

import uvloop

from pyvoy.observe.access_log.file import LOG_FILES
from pyvoy.server import logs
from pyvoy.server.application import ChildContext
from pyvoy.server.control import ChannelClosed, Message
from pyvoy.server.watchdog import Heart

log = logging.getLogger("pyvoy.main")

Handler = Callable[[Message], None]


class ChildLoop:
    """One child's loop.  `handlers` maps the kind of a frame to what is done with it."""

    def __init__(self, context: ChildContext, late: Callable[[float], None]) -> None:
        """`late(seconds)` hears of every stall of the loop."""
        self.context = context
        self.loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self.handlers: dict[str, Handler] = {"reopen_logs": self._reopen_logs, "logging": self._set_level}
        self._heart = Heart(self.loop, context.beats, context.slot, late)
        self._status = 0

    def run(self, start: Callable[[], None]) -> int:
        """Run until `exit`; `start` is called first, inside the loop.  Returns the exit status."""
        asyncio.set_event_loop(self.loop)
        self.context.channel.on_backlog = self._wait_writable
        self.loop.add_reader(self.context.channel.fileno(), self._on_readable)
        self.loop.call_soon(self._start, start)
        self.loop.run_forever()
        return self._status

    def _start(self, start: Callable[[], None]) -> None:
        self._heart.start()
        try:
            start()
        except Exception:  # the wall of the worker: a child that cannot start says why and ends
            log.critical("cannot start", exc_info=True)
            self.exit(1)

    def ready(self) -> None:
        """Tell the supervisor that this child does its work now."""
        gc.collect()
        gc.enable()
        gc.freeze()  # plans live until the next reload: the collector need not look at them
        self._heart.stop()  # the last beat is as old as the configuration took to load, which from now on is a stall
        self._heart.start()
        self.send("ready")

    def send(self, kind: str, fields: dict[str, Any] | None = None, blob: bytes = b"") -> None:
        """A frame to the supervisor."""
        try:
            self.context.channel.send(kind, fields, blob)
        except ChannelClosed:
            self.exit(1)

    def exit(self, status: int) -> None:
        """End the child after the current callback."""
        self._status = status
        self.loop.stop()

    def _on_readable(self) -> None:
        try:
            messages = self.context.channel.receive()
        except ChannelClosed:
            self.exit(1)
            return
        for message in messages:
            handler = self.handlers.get(message.kind)
            if handler is None:
                log.debug("no handler for control frame %s", message.kind)
            else:
                handler(message)

    def _wait_writable(self) -> None:
        self.loop.add_writer(self.context.channel.fileno(), self._on_writable)

    def _on_writable(self) -> None:
        self.loop.remove_writer(self.context.channel.fileno())
        try:
            self.context.channel.flush()
        except ChannelClosed:
            self.exit(1)

    def _reopen_logs(self, message: Message) -> None:
        LOG_FILES.reopen()
        try:
            logs.reopen()
        except logs.LogError as error:
            log.error("%s", error)

    def _set_level(self, message: Message) -> None:
        logs.set_component(message.fields["component"], message.fields["level"])
