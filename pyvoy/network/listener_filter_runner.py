"""The listener filters of one connection: each looks at the first bytes in its turn, within a time limit.

The bytes stay in the connection's buffer.  Source: Envoy's ActiveTcpSocket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.network.listener_filter import ListenerFilter, ListenerVerdict
from pyvoy.network.timers import Timer

if TYPE_CHECKING:
    from pyvoy.network.connection import DownstreamConnection
    from pyvoy.network.listener import ListenerPlan, ListenerStats

_MORE, _CLOSE = ListenerVerdict.MORE, ListenerVerdict.CLOSE


class ListenerFilterRunner:
    """Runs the filters until all have seen enough (`on_done`) or one refuses the connection (`on_refused`).

    Its connection lets go of it with either, or when it is lost."""

    __slots__ = ("_connection", "_filters", "_index", "_on_done", "_on_refused", "_plan", "_stats", "_timer")

    def __init__(
        self,
        connection: DownstreamConnection,
        plan: ListenerPlan,
        stats: ListenerStats,
        on_done: Callable[[], None],
        on_refused: Callable[[], None],
    ) -> None:
        self._connection = connection
        self._plan = plan
        self._stats = stats
        self._on_done = on_done
        self._on_refused = on_refused
        self._filters: list[ListenerFilter] = [make(filter_plan) for make, filter_plan in plan.listener_filters]
        self._index = 0
        self._timer: Timer | None = None

    def start(self) -> None:
        """Tell the first filter of the connection."""
        timeout_s = self._plan.listener_filters_timeout_s
        if timeout_s:
            self._timer = self._connection.services.timers.call_later(timeout_s, self._timed_out)
        self._stats.downstream_pre_cx_active.inc()
        self._run(started=False)

    def receive(self, data: bytes) -> None:
        """Bytes from the client."""
        self._connection.buffer += data
        self._run(started=True)

    def on_end(self) -> None:
        """The client has half-closed."""
        self._run(started=True)

    def on_lost(self, *, by_error: bool) -> None:
        """The connection is gone while a filter waits."""
        if by_error:
            self._stats.downstream_listener_filter_error.inc()
        self._give_up()

    def _run(self, *, started: bool) -> None:
        """Go on from the filter that waits; a filter just reached gets on_accept first."""
        connection = self._connection
        while self._index < len(self._filters):
            filter_: Any = self._filters[self._index]
            ended = connection.ended_by_peer
            verdict = _MORE if started else filter_.on_accept(connection)
            if verdict is _MORE and (connection.buffer or ended):
                verdict = filter_.on_data(connection, ended)
            if verdict is _MORE:
                if ended:
                    self._stats.downstream_listener_filter_remote_close.inc()
                    self._refuse()
                return
            if verdict is _CLOSE:
                self._refuse()
                return
            self._index += 1
            started = False
        self._stop()
        self._on_done()

    def _timed_out(self) -> None:
        self._timer = None
        self._stats.downstream_pre_cx_timeout.inc()
        if self._plan.continue_on_listener_filters_timeout:
            self._stop()
            self._on_done()
        else:
            self._refuse()

    def _refuse(self) -> None:
        self._give_up()
        self._on_refused()

    def _give_up(self) -> None:
        """The connection ends; the filter that waits hears of it."""
        waiting: Any = self._filters[self._index]
        self._stop()
        if hasattr(waiting, "on_close"):
            waiting.on_close(self._connection)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._stats.downstream_pre_cx_active.dec()
