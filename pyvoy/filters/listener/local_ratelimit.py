"""Local rate limit of accepted sockets: each takes a token, and is closed at once when there is none.

It stands before TLS and the filter chain match, so a refused connection costs next to nothing.
Source: Envoy, listener filter "Local rate limit" (stats observed on Envoy 1.40).  Reads no bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import listener_filter, supports
from pyvoy.network.listener_filter import Accepted, ListenerFilter, ListenerVerdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.server.arena import TokenBucket
    from pyvoy.stats.counters import Counter

TYPE = "envoy.extensions.filters.listener.local_ratelimit.v3.LocalRateLimit"

supports(TYPE, "stat_prefix token_bucket runtime_enabled")


@dataclass(slots=True, frozen=True)
class LocalRateLimitPlan:
    """`bucket` is None where runtime switches the filter off."""

    bucket: TokenBucket | None
    rate_limited: Counter


@listener_filter(name="envoy.filters.listener.local_ratelimit", type_url=TYPE, posture="robust_to_untrusted_downstream")
class LocalRateLimit(ListenerFilter):
    """One per connection."""

    __slots__ = ("plan",)

    @staticmethod
    def build(message: Any, context: Context) -> LocalRateLimitPlan:
        """The plan of a LocalRateLimit message."""
        from pyvoy.config.compile.token_bucket import feature_enabled, token_bucket

        name = f"listener_local_ratelimit {context.path}"
        bucket = token_bucket(message.token_bucket, context.at("token_bucket"), name)
        scope = context.root_scope.scope(f"listener_local_ratelimit.{message.stat_prefix}")
        enabled = feature_enabled(message, "runtime_enabled", context)
        return LocalRateLimitPlan(bucket if enabled else None, scope.counter("rate_limited"))

    def __init__(self, plan: LocalRateLimitPlan) -> None:
        self.plan = plan

    def on_accept(self, accepted: Accepted) -> ListenerVerdict:
        """Take a token or refuse the connection."""
        bucket = self.plan.bucket
        if bucket is None or bucket.consume():
            return ListenerVerdict.CONTINUE
        self.plan.rate_limited.inc()
        return ListenerVerdict.CLOSE


_: type[ListenerFilter] = LocalRateLimit
