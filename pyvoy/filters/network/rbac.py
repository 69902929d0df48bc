"""RBAC of connections: those that the policies do not allow are closed when their first bytes have come.

Source: Envoy, network filter "Role Based Access Control" (statistics and close details observed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import network_filter, supports
from pyvoy.filters.common.rbac import Action, AnyEngine, engine_of
from pyvoy.network.facts import ConnectionFacts
from pyvoy.network.network_filter import CloseType, Connection, NetworkFilter, NetworkVerdict
from pyvoy.observe.details import RBAC_DENIED_PREFIX

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.network.timers import Timer
    from pyvoy.stats.counters import Counter

TYPE = "envoy.extensions.filters.network.rbac.v3.RBAC"

supports(
    TYPE, "rules matcher shadow_rules shadow_matcher shadow_rules_stat_prefix stat_prefix enforcement_type delay_deny"
)

_NAMESPACE = "envoy.filters.network.rbac"
_CONTINUOUS = 1


@dataclass(slots=True, frozen=True, eq=False)
class RbacPlan:
    """`continuous`: every piece of data is judged, not just the first.  `delay_s`: how long a refused one waits."""

    enforced: AnyEngine | None
    shadow: AnyEngine | None
    shadow_prefix: str
    continuous: bool
    delay_s: float
    allowed: Counter
    denied: Counter
    shadow_allowed: Counter
    shadow_denied: Counter


@network_filter(name="envoy.filters.network.rbac", type_url=TYPE, posture="robust_to_untrusted_downstream")
class Rbac(NetworkFilter):
    """One per connection: whether it was judged, and the timer of a late close."""

    __slots__ = ("_judged", "_plan", "_timer")

    @staticmethod
    def build(message: Any, context: Context) -> RbacPlan:
        """The plan of an RBAC message."""
        scope = context.root_scope.scope(f"{message.stat_prefix}.rbac")
        prefix = message.shadow_rules_stat_prefix
        shadow = scope.scope(prefix) if prefix else scope
        return RbacPlan(
            engine_of(message, context, "rules", "matcher", http=False),
            engine_of(message, context, "shadow_rules", "shadow_matcher", http=False),
            prefix,
            message.enforcement_type == _CONTINUOUS,
            context.duration_s(message, "delay_deny", 0.0) or 0.0,
            scope.counter("allowed"),
            scope.counter("denied"),
            shadow.counter("shadow_allowed"),
            shadow.counter("shadow_denied"),
        )

    def __init__(self, plan: RbacPlan) -> None:
        self._plan = plan
        self._judged = False
        self._timer: Timer | None = None

    def on_data(self, connection: Connection, data: bytes, end: bool) -> NetworkVerdict:
        """Judge the connection; hold what it sends while a late close is due."""
        plan = self._plan
        if self._timer is not None:
            return NetworkVerdict.STOP
        if self._judged and not plan.continuous:
            return NetworkVerdict.CONTINUE
        self._judged = True
        source = ConnectionFacts(connection.info)
        if plan.shadow is not None:
            self._judge_shadow(plan.shadow, source)
        if plan.enforced is None:
            return NetworkVerdict.CONTINUE
        policy = plan.enforced.match(source)
        if plan.enforced.action is Action.LOG:
            source.dynamic_metadata.setdefault("envoy.common", {})["access_log_hint"] = bool(policy)
        if plan.enforced.allows(policy):
            plan.allowed.inc()
            return NetworkVerdict.CONTINUE
        plan.denied.inc()
        self._refuse(connection, f"{RBAC_DENIED_PREFIX}[{policy or 'none'}]".replace(" ", "_"))
        return NetworkVerdict.STOP

    def _judge_shadow(self, engine: AnyEngine, source: ConnectionFacts) -> None:
        plan = self._plan
        policy = engine.match(source)
        allowed = engine.allows(policy)
        (plan.shadow_allowed if allowed else plan.shadow_denied).inc()
        metadata = source.dynamic_metadata.setdefault(_NAMESPACE, {})
        if policy:
            metadata[f"{plan.shadow_prefix}shadow_effective_policy_id"] = policy
        metadata[f"{plan.shadow_prefix}shadow_engine_result"] = "allowed" if allowed else "denied"

    def _refuse(self, connection: Connection, details: str) -> None:
        if not self._plan.delay_s:
            connection.close(CloseType.NO_FLUSH, details)
            return
        self._timer = connection.services.timers.call_later(
            self._plan.delay_s, lambda: connection.close(CloseType.NO_FLUSH, details)
        )

    def on_close(self, connection: Connection) -> None:
        """The connection is gone, by either side."""
        if self._timer is not None:
            self._timer.cancel()


_: type[NetworkFilter] = Rbac
