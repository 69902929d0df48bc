"""Start a server as a child process, wait until it is ready, and stop it by its own pid, also after a failure.

The child dies with its parent (PR_SET_PDEATHSIG), so that an aborted run leaves nothing behind.
"""

import ctypes
import http.client
import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class StartError(RuntimeError):
    """The process ended, or was not ready in time; the text carries the end of its log."""


class Server:
    """A running child: `pid`, `log` (path of its stderr and stdout), `stop()`; `cpus` are the cores it may use."""

    def __init__(
        self, command: Sequence[str], log: Path, env: dict[str, str] | None = None, cpus: set[int] | None = None
    ) -> None:
        self.command = list(command)
        self.log = log
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                env={**os.environ, **(env or {})},
                preexec_fn=lambda: _prepare_child(cpus),  # noqa: PLW1509 - no threads run here
            )
        self.pid = self.process.pid

    def wait_ready(self, ready: Callable[[], bool], timeout_s: float = 20.0, every_s: float = 0.02) -> None:
        """Poll `ready` until it is true.  Raises StartError when the process ends or the time is over."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            status = self.process.poll()
            if status is not None:
                raise StartError(f"{self.command[0]} ended with status {status}\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise StartError(f"{self.command[0]} not ready after {timeout_s} s\n{self.log_tail()}")
            time.sleep(every_s)

    def log_tail(self, size: int = 4000) -> str:
        """The last `size` characters of what the process printed."""
        return self.log.read_text(errors="replace")[-size:]

    def stop(self, timeout_s: float = 8.0) -> int:
        """SIGTERM, then SIGKILL to the child and its descendants.  Returns the exit status."""
        family = descendants(self.pid)
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout_s)
        if self.process.poll() is None:
            for pid in [*family, self.pid]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return self.process.wait()


@contextmanager
def running(command: Sequence[str], log: Path, ready: Callable[[], bool], timeout_s: float = 20.0) -> Iterator[Server]:
    """A server that is ready inside the block and gone after it."""
    server = Server(command, log)
    try:
        server.wait_ready(ready, timeout_s)
        yield server
    finally:
        server.stop()


def descendants(pid: int) -> list[int]:
    """All children, grandchildren ... of `pid` that live now."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError, IndexError, ValueError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found: list[int] = []
    queue = [pid]
    while queue:
        for child in children.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


def http_get(port: int, path: str, timeout_s: float = 5.0, method: str = "GET") -> str:
    """Body of an admin page; raises OSError when the server does not answer 200."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    with urllib.request.urlopen(request, timeout=timeout_s) as answer:
        body: bytes = answer.read()
    return body.decode()


def admin_ready(port: int) -> Callable[[], bool]:
    """A readiness check: the admin endpoint on `port` says LIVE."""

    def ready() -> bool:
        try:
            return http_get(port, "/ready", 1.0).startswith("LIVE")
        except (OSError, urllib.error.URLError, ValueError):
            return False

    return ready


def accepts(port: int) -> Callable[[], bool]:
    """A readiness check: something accepts connections on `port`."""

    def ready() -> bool:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            return False
        return True

    return ready


def answers(port: int, path: str, timeout_s: float = 1.0) -> Callable[[], bool]:
    """A readiness check: whatever is asked for on `port`, there is an answer; a socket alone may accept before."""

    def ready() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout_s)
        try:
            connection.request("GET", path)
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return True

    return ready


def _prepare_child(cpus: set[int] | None) -> None:
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if cpus:
        os.sched_setaffinity(0, cpus)
