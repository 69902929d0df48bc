"""TokenBucket messages -> buckets shared by all workers; RuntimeFeatureFlag -> on or off.

Source: Envoy, envoy.type.v3.TokenBucket (one token a fill where nothing is said) and LocalRateLimiterImpl (the limit of
the fill interval).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports

if TYPE_CHECKING:
    from pyvoy.server.arena import TokenBucket

supports("envoy.type.v3.TokenBucket", "max_tokens tokens_per_fill fill_interval")
supports("envoy.config.core.v3.RuntimeFeatureFlag", "default_value runtime_key")

MIN_FILL_INTERVAL_S = 0.05


def token_bucket(message: Any, context: Context, name: str) -> TokenBucket:
    """The bucket of a TokenBucket message; `name` says which places share it, `context` is its place."""
    interval_s = context.duration_s(message, "fill_interval", None)
    if interval_s is None:
        interval_s = 1.0  # the field is required: the rules have reported it
    elif interval_s < MIN_FILL_INTERVAL_S:
        context.error("fill_interval", "local rate limit token bucket fill timer must be >= 50ms")
        interval_s = MIN_FILL_INTERVAL_S
    tokens_per_fill = context.wrapped(message, "tokens_per_fill", 1)
    return context.arena.token_bucket(name, message.max_tokens, tokens_per_fill, interval_s)


def feature_enabled(message: Any, field: str, context: Context) -> bool:
    """Whether a RuntimeFeatureFlag field switches its feature on; a field that is not set does."""
    if not message.HasField(field):
        return True
    flag = getattr(message, field)
    default = context.wrapped(flag, "default_value", True)
    return context.runtime.boolean(flag.runtime_key, bool(default))
