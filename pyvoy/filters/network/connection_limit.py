"""Connection limit: at most so many connections at a time in this filter, over all workers.

A connection over the limit is closed at once or, to slow down a flood, after `delay`; until then the later filters see
nothing of it, and little is read from it: enough to notice when the client leaves.
Source: Envoy, network filter "Connection limit" (stats observed on Envoy 1.40; a filter that runtime switched off does
not take its connections from the gauge there, as it never added them).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import network_filter, supports
from pyvoy.network.network_filter import CloseType, Connection, NetworkFilter, NetworkVerdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.network.timers import Timer
    from pyvoy.server.arena import SharedGauge
    from pyvoy.stats.counters import Counter, Gauge

TYPE = "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit"

REFUSED_READ_BYTES = 64 * 1024
"""So much is read from a refused connection before reading stops."""

supports(TYPE, "stat_prefix max_connections delay runtime_enabled")


@dataclass(slots=True, frozen=True)
class ConnectionLimitPlan:
    """`connections` counts over all workers; `delay_s` 0 closes at once."""

    connections: SharedGauge
    max_connections: int
    delay_s: float
    enabled: bool
    active_connections: Gauge
    limited_connections: Counter


@network_filter(name="envoy.filters.network.connection_limit", type_url=TYPE, posture="robust_to_untrusted_downstream")
class ConnectionLimit(NetworkFilter):
    """One per connection; owns the delay of its refusal."""

    __slots__ = ("counted", "plan", "refused", "refused_bytes", "timer")

    @staticmethod
    def build(message: Any, context: Context) -> ConnectionLimitPlan:
        """The plan of a ConnectionLimit message."""
        from pyvoy.config.compile.token_bucket import feature_enabled

        scope = context.root_scope.scope(f"connection_limit.{message.stat_prefix}")
        return ConnectionLimitPlan(
            context.arena.resource(f"connection_limit {context.path}"),
            context.require(message, "max_connections", at_least=1),
            context.duration_s(message, "delay", 0.0) or 0.0,
            feature_enabled(message, "runtime_enabled", context),
            scope.gauge("active_connections"),
            scope.counter("limited_connections"),
        )

    def __init__(self, plan: ConnectionLimitPlan) -> None:
        self.plan = plan
        self.counted = False
        self.refused = False
        self.refused_bytes = 0
        self.timer: Timer | None = None

    def on_new_connection(self, connection: Connection) -> NetworkVerdict:
        """Count the connection, and refuse it when there are too many."""
        plan = self.plan
        if not plan.enabled:
            return NetworkVerdict.CONTINUE
        self.counted = True
        plan.active_connections.inc()
        if plan.connections.inc_within(plan.max_connections):
            return NetworkVerdict.CONTINUE
        plan.connections.inc()  # a refused connection counts until it is closed
        plan.limited_connections.inc()
        self.refused = True
        if plan.delay_s:
            self.timer = connection.services.timers.call_later(
                plan.delay_s, lambda: connection.close(CloseType.NO_FLUSH)
            )
        else:
            connection.close(CloseType.NO_FLUSH)
        return NetworkVerdict.STOP

    def on_data(self, connection: Connection, data: bytes, end: bool) -> NetworkVerdict:
        """Pass on, or keep the bytes of a refused connection from the later filters."""
        if not self.refused:
            return NetworkVerdict.CONTINUE
        if end:
            connection.close(CloseType.NO_FLUSH)
        elif self.refused_bytes < REFUSED_READ_BYTES:
            self.refused_bytes += len(data)
            if self.refused_bytes >= REFUSED_READ_BYTES:
                connection.read_disable(True)
        return NetworkVerdict.STOP

    def on_close(self, connection: Connection) -> None:
        """One less."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        if self.counted:
            self.counted = False
            self.plan.connections.dec()
            self.plan.active_connections.dec()


_: type[NetworkFilter] = ConnectionLimit
