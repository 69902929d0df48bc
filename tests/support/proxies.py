"""Where the two contenders are: the real Envoy (the oracle) and pyvoy (the subject).

The variable PARITY_SUBJECT=envoy puts the real Envoy in pyvoy's place: the harness against itself.
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from pyvoy.bench.peers import envoy_program

FLAGS = (
    *("--file-flush-interval-msec", "50", "-l", "error", "--drain-time-s", "1"),
    *("--component-log-level", "wasm:info"),
)


@dataclass(frozen=True, slots=True)
class Proxy:
    """A way to start a proxy: its name and the command before `-c FILE`."""

    name: str
    command: tuple[str, ...]

    def serve(self, bootstrap: Path, concurrency: int = 1) -> list[str]:
        """The command line that serves `bootstrap`."""
        return [*self.command, "-c", str(bootstrap), "--concurrency", str(concurrency), *FLAGS, *self._alone()]

    def validate(self, bootstrap: Path) -> list[str]:
        """The command line that only checks `bootstrap`."""
        return [*self.command, "-c", str(bootstrap), "--mode", "validate", "-l", "error", *self._alone()]

    def _alone(self) -> tuple[str, ...]:
        return ("--disable-hot-restart",) if self.name == "envoy" else ()


def envoy() -> Proxy | None:
    """The real Envoy; None when it is not installed."""
    found = envoy_program()
    return Proxy("envoy", (found,)) if found else None


def pyvoy() -> Proxy:
    """pyvoy from this checkout."""
    return Proxy("pyvoy", (sys.executable, "-m", "pyvoy"))


def subject() -> Proxy:
    """What is compared with Envoy."""
    real = envoy()
    return real if os.environ.get("PARITY_SUBJECT") == "envoy" and real else pyvoy()
