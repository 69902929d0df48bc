"""Trying a configuration in a throw-away process, so that neither its errors nor its leftovers touch the proxy.

The supervisor starts a check, goes on, and gets the outcome as a frame: the serialized bootstrap with the sockets it
needs, or the lines of what is wrong.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from pyvoy.server import children
from pyvoy.server.application import Application, Checked, CheckFailed
from pyvoy.server.control import Channel, ChannelClosed, Message
from pyvoy.server.options import Options
from pyvoy.server.sockets import ListenSpec

log = logging.getLogger("pyvoy.config")

LIMIT_S = 60.0
"""A check that takes longer is given up."""


@dataclass(slots=True)
class Check:
    """A check that runs: poll `channel`, then ask `outcome`."""

    pid: int
    channel: Channel
    started_s: float

    @classmethod
    def start(cls, application: Application, options: Options, inherited: Iterable[Channel]) -> Check:
        """Fork the process that checks."""
        ours, theirs = Channel.pair()
        pid = children.fork(lambda: _run(application, options, theirs), "pyvoy-check", [*inherited, ours])
        theirs.close()
        return cls(pid, ours, time.monotonic())

    def outcome(self) -> Checked | None:
        """The result, None if there is none yet.  Raises CheckFailed, also when the process died without a word."""
        try:
            messages = self.channel.receive()
        except ChannelClosed:
            raise CheckFailed(["the check of the configuration ended without a result"]) from None
        return read_outcome(messages[0]) if messages else None

    @property
    def is_overdue(self) -> bool:
        """True when the check has used up its time."""
        return time.monotonic() - self.started_s > LIMIT_S

    def stop(self) -> None:
        """Forget the check; a process that still runs is killed."""
        self.channel.close()
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)


def read_outcome(message: Message) -> Checked:
    """The result in a frame.  Raises CheckFailed."""
    if message.kind != "checked":
        raise CheckFailed(list(message.fields["lines"]))
    specs = [ListenSpec.from_json(spec) for spec in message.fields["specs"]]
    subscriptions = [(scope, path) for scope, path in message.fields["subscriptions"]]
    return Checked(message.blob, specs, list(message.fields["warnings"]), subscriptions)


def _run(application: Application, options: Options, channel: Channel) -> int:
    channel.sock.setblocking(True)
    try:
        checked = application.check(options)
    except CheckFailed as error:
        channel.send("failed", {"lines": error.lines})
        return 1
    fields = {
        "specs": [spec.to_json() for spec in checked.specs],
        "warnings": checked.warnings,
        "subscriptions": checked.subscriptions,
    }
    channel.send("checked", fields, checked.blob)
    return 0
