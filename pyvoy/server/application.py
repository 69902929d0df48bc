"""What the supervisor runs, and what a child finds when it starts: the seam between processes and what they do.

The supervisor knows nothing of listeners, filters or Envoy's messages: an Application checks a configuration in a
throw-away process and plays the two roles.  Tests pass an application of a few lines.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import Any, Protocol

from pyvoy.server.control import Channel
from pyvoy.server.options import Options
from pyvoy.server.shared import SharedState
from pyvoy.server.sockets import ListenSpec
from pyvoy.server.watchdog import Beats

MAIN = "main"
WORKER = "worker"


@dataclass(slots=True)
class Checked:
    """A configuration that can be used: its serialized bootstrap, the sockets it needs, warnings as lines of text.

    `loaded` is what the application made of it in this process, for children to inherit; None after a reload.
    `subscriptions` are the files of resources that went into it, as (prefix of the statistics, path)."""

    blob: bytes
    specs: list[ListenSpec]
    warnings: list[str] = field(default_factory=list)
    subscriptions: list[tuple[str, str]] = field(default_factory=list)
    loaded: Any = None


class CheckFailed(Exception):
    """A configuration that cannot be used; `lines` says everything that is wrong with it."""

    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        super().__init__("\n".join(lines))


@dataclass(slots=True)
class ChildContext:
    """What a child inherits.  `slot` numbers all children (main 0, worker k is k + 1), `index` the workers.

    `sockets` are this worker's by key, `socket_keys` the keys of each listener in the order of its addresses, and
    `addresses` the real addresses in the same order."""

    options: Options
    role: str
    index: int
    slot: int
    channel: Channel
    checked: Checked
    version: int
    shared: SharedState
    beats: Beats
    sockets: dict[str, socket.socket]
    socket_keys: dict[str, list[str]]
    admin_socket: socket.socket | None
    addresses: dict[str, list[str]]
    started_wall_s: float


class Application(Protocol):
    """What runs in the processes."""

    def preload(self) -> None:
        """Import what every child needs, in the supervisor, so that it is shared and a fork is quick."""

    def load(self, options: Options) -> Checked:
        """Read the first configuration, in the supervisor: no plan is built, no extension runs.  Raises CheckFailed."""

    def check(self, options: Options) -> Checked:
        """Read the configuration and build its plans, in a process that ends afterwards.  Raises CheckFailed."""

    def main(self, context: ChildContext) -> int:
        """Be the main process until told to exit; the exit status."""

    def worker(self, context: ChildContext) -> int:
        """Be a worker until told to exit; the exit status."""
