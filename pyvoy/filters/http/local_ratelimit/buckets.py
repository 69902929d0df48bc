"""The token buckets of one limiter: a default one, and one for each configured descriptor.

A limiter belongs to the proxy (its buckets lie in the arena that all workers share) or to one connection.
Source: Envoy's LocalRateLimiterImpl::requestAllowed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyvoy.filters.common.descriptors import Descriptor

if TYPE_CHECKING:
    from pyvoy.server.arena import Arena, TokenBucket


@dataclass(slots=True, frozen=True)
class Figures:
    """A TokenBucket message: how many tokens there are at most, and how many come in each interval."""

    max_tokens: int
    tokens_per_fill: int
    fill_interval_s: float

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens_per_fill / self.fill_interval_s

    def bucket(self, arena: Arena, name: str) -> TokenBucket:
        """The bucket of that name with these figures."""
        return arena.token_bucket(name, self.max_tokens, self.tokens_per_fill, self.fill_interval_s)


@dataclass(slots=True, frozen=True)
class LimiterPlan:
    """What limiters are made of; `always_default`: a request that a descriptor's bucket lets pass takes from the
    default bucket too."""

    name: str
    default: Figures | None
    descriptors: Mapping[Descriptor, Figures]
    always_default: bool


class Limiter:
    """Buckets that requests take from."""

    __slots__ = ("_always_default", "_default", "_descriptors")

    def __init__(self, plan: LimiterPlan, arena: Arena) -> None:
        self._always_default = plan.always_default
        self._default = plan.default.bucket(arena, plan.name) if plan.default is not None else None
        self._descriptors = {
            descriptor: (figures.rate, figures.bucket(arena, f"{plan.name} {descriptor!r}"))
            for descriptor, figures in plan.descriptors.items()
        }

    def take(self, descriptors: Sequence[Descriptor]) -> tuple[bool, TokenBucket | None]:
        """Whether a request with these descriptors may pass, and the bucket that speaks for it.

        Of several matching buckets the slowest is asked first."""
        found = [entry for descriptor in descriptors if (entry := self._descriptors.get(descriptor)) is not None]
        if len(found) > 1:
            found.sort(key=_rate)
        for _, bucket in found:
            if not bucket.consume():
                return False, bucket
        first = found[0][1] if found else None
        default = self._default
        if default is None or (found and not self._always_default):
            return True, first
        if not default.consume():
            return False, default
        return True, first or default


def _rate(entry: tuple[float, TokenBucket]) -> float:
    return entry[0]
