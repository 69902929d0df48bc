"""Spans on their way to a collector: sent together when there are some, or after a while.

Source: Envoy's ZipkinReporter and OpenTelemetry tracer, with their runtime keys and defaults.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.extensions.host import Host, HostTimer
    from pyvoy.stats.counters import Counter
    from pyvoy.tracing.span import Span

FLUSH_INTERVAL_MS = 5000
MIN_FLUSH_SPANS = 5


class Batch:
    """Owned by a tracer; nothing runs while no span waits.  Raises nothing: `send` deals with failures."""

    def __init__(
        self,
        host: Host,
        send: Callable[[list[Span]], None],
        *,
        interval_s: float,
        at_least: int,
        timer_flushed: Counter,
    ) -> None:
        self._host = host
        self._send = send
        self._interval_s = interval_s
        self._at_least = at_least
        self._timer_flushed = timer_flushed
        self._spans: list[Span] = []
        self._timer: HostTimer | None = None
        host.closing.add(self._close)

    def add(self, span: Span) -> None:
        """Send it soon."""
        self._spans.append(span)
        if len(self._spans) >= self._at_least:
            self.flush()
        elif self._timer is None:
            self._timer = self._host.call_later(self._interval_s, self._due)

    def _due(self) -> None:
        self._timer = None
        self._timer_flushed.inc()
        self.flush()

    def _close(self) -> None:
        """The configuration is replaced, and with it the timers: what its last streams say is sent at once."""
        self._at_least = 1
        self.flush()

    def flush(self) -> None:
        """Send what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        spans, self._spans = self._spans, []
        if spans:
            self._send(spans)
