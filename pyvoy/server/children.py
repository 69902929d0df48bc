"""Child processes of the supervisor: forking, what a fresh child must put right, and when a dead one comes back.

Source of the rules: ARCHITECTURE, "Three roles of process"; the back-off is pyvoy's own.
"""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pyvoy.server.control import Channel

log = logging.getLogger("pyvoy.main")

_PR_SET_PDEATHSIG = 1
_PR_SET_NAME = 15
QUICK_DEATH_S = 5.0
"""A child that lived shorter than this died in a crash loop."""
LONGEST_DELAY_S = 10.0

FATAL = 70
"""Exit status of a child that ended by an exception nobody expected (EX_SOFTWARE)."""


@dataclass(slots=True)
class Child:
    """One running child.  `name` is for the log, `slot` numbers it, `ready` is set by its own word."""

    name: str
    role: str
    index: int
    slot: int
    pid: int
    channel: Channel
    started_s: float
    ready: bool = False
    version: int = 0


def restart_delay_s(lived_s: float, quick_deaths: int) -> float:
    """How long to wait before a dead child is forked again; `quick_deaths` counts those in a row before this one.

    The first death costs nothing, whatever came before it a long time ago."""
    if lived_s >= QUICK_DEATH_S or quick_deaths == 0:
        return 0.0
    return float(min(LONGEST_DELAY_S, 0.1 * 2 ** min(quick_deaths - 1, 10)))


def describe_status(status: int) -> str:
    """A wait status for people."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        try:
            return f"was killed by {signal.Signals(number).name}"
        except ValueError:
            return f"was killed by signal {number}"
    return f"exited with status {os.WEXITSTATUS(status)}"


def fork(body: Callable[[], int], name: str, inherited: Iterable[Channel]) -> int:
    """Run `body` in a child and return its pid; the child ends with the status that `body` returns.

    `inherited` are the supervisor's ends of other children's channels, which the child closes: a channel must see its
    end when the supervisor dies."""
    sys.stdout.flush()
    sys.stderr.flush()
    parent = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    status = FATAL
    try:
        _put_right(parent, name)
        for channel in inherited:
            channel.close()
        status = body()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # the wall of the process: whatever it was, the parent must see a status and the log a reason
        log.critical("%s ended by an exception", name, exc_info=True)
    finally:
        _flush_and_exit(status)
    return 0


def _put_right(parent: int, name: str) -> None:
    libc = ctypes.CDLL(None)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_PR_SET_NAME, name.encode()[:15], 0, 0, 0)
    if os.getppid() != parent:
        os._exit(0)
    signal.set_wakeup_fd(-1)
    # A terminal or a service manager signals the whole group: the supervisor alone decides what that means.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def _flush_and_exit(status: int) -> None:
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(status)
