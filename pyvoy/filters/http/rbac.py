"""RBAC: requests that the policies do not allow are answered 403.

Shadow rules are evaluated first and only counted and noted in dynamic metadata.
Source: Envoy, HTTP filter "Role Based Access Control" (names of statistics and metadata observed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.filters.common.rbac import Action, AnyEngine, engine_of
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, HttpFilter, Stream, Verdict
from pyvoy.observe.details import RBAC_DENIED_PREFIX

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

TYPE = "envoy.extensions.filters.http.rbac.v3.RBAC"
ROUTE_TYPE = "envoy.extensions.filters.http.rbac.v3.RBACPerRoute"

supports(
    TYPE, "rules matcher rules_stat_prefix shadow_rules shadow_matcher shadow_rules_stat_prefix track_per_rule_stats"
)
supports(ROUTE_TYPE, "rbac")

_NAMESPACE = "envoy.filters.http.rbac"


@dataclass(slots=True, frozen=True, eq=False)
class Rules:
    """An engine with what it counts and the names under which it leaves metadata.

    `per_policy` gives the (allowed, denied) counters of each policy, when they are wanted."""

    engine: AnyEngine
    allowed: Counter
    denied: Counter
    per_policy: dict[str, tuple[Counter, Counter]]
    policy_key: str
    result_key: str
    details: dict[str, str]

    def judge(self, stream: Stream) -> tuple[bool, str]:
        """Evaluate, count and note the result: whether the request may pass, and the policy that matched ("": none)."""
        policy = self.engine.match(stream)
        allowed = self.engine.allows(policy)
        (self.allowed if allowed else self.denied).inc()
        metadata = stream.info.dynamic_metadata.setdefault(_NAMESPACE, {})
        if policy:
            metadata[self.policy_key] = policy
            counters = self.per_policy.get(policy)
            if counters is not None:
                counters[0 if allowed else 1].inc()
        metadata[self.result_key] = "allowed" if allowed else "denied"
        return allowed, policy


@dataclass(slots=True, frozen=True, eq=False)
class RbacPlan:
    """Both sets of rules; None where there are none."""

    enforced: Rules | None
    shadow: Rules | None


@http_filter(
    name="envoy.filters.http.rbac", type_url=TYPE, route_type_url=ROUTE_TYPE, posture="robust_to_untrusted_downstream"
)
class Rbac(HttpFilter):
    """Keeps nothing of a stream."""

    __slots__ = ("_plan",)

    @staticmethod
    def build(message: Any, context: Context) -> RbacPlan:
        """The plan of an RBAC message."""
        scope = context.scope.scope("rbac")
        enforced = _Names(scope, message.rules_stat_prefix, "enforced", "")
        shadow = _Names(scope, message.shadow_rules_stat_prefix, "shadow", "shadow_")
        track = message.track_per_rule_stats
        return RbacPlan(
            enforced.rules(engine_of(message, context, "rules", "matcher", http=True), track),
            shadow.rules(engine_of(message, context, "shadow_rules", "shadow_matcher", http=True), track),
        )

    @staticmethod
    def build_route(message: Any, context: Context) -> RbacPlan:
        """The plan of an RBACPerRoute message; an empty one switches the filter off."""
        return Rbac.build(message.rbac, context.at("rbac")) if message.HasField("rbac") else RbacPlan(None, None)

    def __init__(self, plan: RbacPlan) -> None:
        self._plan = plan

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Judge the request."""
        plan = stream.route_plan(self) or self._plan
        if plan.shadow is not None:
            plan.shadow.judge(stream)
        rules = plan.enforced
        if rules is None:
            return CONTINUE
        allowed, policy = rules.judge(stream)
        if rules.engine.action is Action.LOG:
            stream.info.dynamic_metadata.setdefault("envoy.common", {})["access_log_hint"] = bool(policy)
        if allowed:
            return CONTINUE
        stream.send_local_reply(403, b"RBAC: access denied", details=rules.details[policy])
        return STOP


class _Names:
    """The names of one set of rules; its counters exist even when there are no rules, as in Envoy."""

    def __init__(self, scope: Scope, prefix: str, kind: str, stem: str) -> None:
        self._scope = scope.scope(prefix) if prefix else scope
        self._prefix = prefix
        self._kind = kind
        self._stem = stem
        self._allowed = self._scope.counter(f"{stem}allowed")
        self._denied = self._scope.counter(f"{stem}denied")

    def rules(self, engine: AnyEngine | None, track: bool) -> Rules | None:
        """The rules that an engine decides on."""
        if engine is None:
            return None
        names = engine.names
        return Rules(
            engine,
            self._allowed,
            self._denied,
            {name: self._counters(name) for name in names} if track else {},
            f"{self._prefix}{self._kind}_effective_policy_id",
            f"{self._prefix}{self._kind}_engine_result",
            {name: f"{RBAC_DENIED_PREFIX}[{name or 'none'}]".replace(" ", "_") for name in ["", *names]},
        )

    def _counters(self, policy: str) -> tuple[Counter, Counter]:
        scope = self._scope.scope(f"policy.{policy}")
        return scope.counter(f"{self._stem}allowed"), scope.counter(f"{self._stem}denied")


_: type[HttpFilter] = Rbac
