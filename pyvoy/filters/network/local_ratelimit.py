"""Local rate limit of connections: each takes a token, and is closed when there is none.

Filters with the same `share_key` and the same figures take from one bucket; all workers share each bucket.
Source: Envoy, network filter "Local rate limit" (stats and response flag observed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import network_filter, supports
from pyvoy.network.network_filter import CloseType, Connection, NetworkFilter, NetworkVerdict
from pyvoy.observe.details import Flag

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.server.arena import TokenBucket
    from pyvoy.stats.counters import Counter

TYPE = "envoy.extensions.filters.network.local_ratelimit.v3.LocalRateLimit"

supports(TYPE, "stat_prefix token_bucket runtime_enabled share_key")


@dataclass(slots=True, frozen=True)
class LocalRateLimitPlan:
    """`bucket` is None where runtime switches the filter off."""

    bucket: TokenBucket | None
    rate_limited: Counter


@network_filter(name="envoy.filters.network.local_ratelimit", type_url=TYPE, posture="robust_to_untrusted_downstream")
class LocalRateLimit(NetworkFilter):
    """One per connection."""

    __slots__ = ("plan",)

    @staticmethod
    def build(message: Any, context: Context) -> LocalRateLimitPlan:
        """The plan of a LocalRateLimit message."""
        from pyvoy.config.compile.token_bucket import feature_enabled, token_bucket

        name = (
            f"local_rate_limit share {message.share_key}" if message.share_key else f"local_rate_limit {context.path}"
        )
        bucket = token_bucket(message.token_bucket, context.at("token_bucket"), name)
        scope = context.root_scope.scope(f"local_rate_limit.{message.stat_prefix}")
        enabled = feature_enabled(message, "runtime_enabled", context)
        return LocalRateLimitPlan(bucket if enabled else None, scope.counter("rate_limited"))

    def __init__(self, plan: LocalRateLimitPlan) -> None:
        self.plan = plan

    def on_new_connection(self, connection: Connection) -> NetworkVerdict:
        """Take a token or refuse the connection."""
        bucket = self.plan.bucket
        if bucket is None or bucket.consume():
            return NetworkVerdict.CONTINUE
        self.plan.rate_limited.inc()
        connection.info.response_flags |= Flag.UPSTREAM_RETRY_LIMIT_EXCEEDED
        connection.close(CloseType.NO_FLUSH)
        return NetworkVerdict.STOP


_: type[NetworkFilter] = LocalRateLimit
