"""Access loggers: what the connection manager, TCP proxy and listeners call when a stream is logged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from pyvoy.observe.access_log.filters import Filter
from pyvoy.observe.access_log.format import Formatter


class AccessLog(Protocol):
    """One configured access log."""

    def log(self, source: Any) -> None:
        """Log a stream or TCP session."""


class LineLog:
    """Renders one line a stream and hands it to `write`."""

    __slots__ = ("_render", "_write")

    def __init__(self, render: Formatter, write: Callable[[bytes], None]) -> None:
        self._render = render
        self._write = write

    def log(self, source: Any) -> None:
        """Write the line of this source."""
        self._write(self._render(source))


class FilteredLog:
    """Logs only what its filter takes."""

    __slots__ = ("_inner", "_matches")

    def __init__(self, inner: AccessLog, matches: Filter) -> None:
        self._inner = inner
        self._matches = matches

    def log(self, source: Any) -> None:
        """Log the source if the filter takes it."""
        if self._matches(source):
            self._inner.log(source)


_: tuple[type[AccessLog], ...] = (LineLog, FilteredLog)
