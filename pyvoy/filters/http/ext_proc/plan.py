"""What an ExternalProcessor message and its per-route overrides become.

Source: Envoy, HTTP filter "External Processing", its FilterConfig and FilterConfigPerRoute.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvoy.filters.common.grpc_service import GrpcServer
    from pyvoy.filters.http.ext_proc.mutations import HeaderChanges
    from pyvoy.http.headers import Pair
    from pyvoy.stats.counters import Counter

NAME = "envoy.filters.http.ext_proc"


class Heads(IntEnum):
    """HeaderSendMode: for heads DEFAULT is SEND, for trailers SKIP."""

    DEFAULT = 0
    SEND = 1
    SKIP = 2


class Bodies(IntEnum):
    """BodySendMode."""

    NONE = 0
    STREAMED = 1
    BUFFERED = 2
    BUFFERED_PARTIAL = 3
    FULL_DUPLEX_STREAMED = 4


@dataclass(slots=True, frozen=True)
class Mode:
    """A ProcessingMode."""

    request_headers: Heads = Heads.DEFAULT
    response_headers: Heads = Heads.DEFAULT
    request_body: Bodies = Bodies.NONE
    response_body: Bodies = Bodies.NONE
    request_trailers: Heads = Heads.DEFAULT
    response_trailers: Heads = Heads.DEFAULT

    def overridden(self, other: Mode) -> Mode:
        """This mode after a `mode_override`: DEFAULT heads say nothing, bodies are always meant."""
        return Mode(
            other.request_headers or self.request_headers,
            other.response_headers or self.response_headers,
            other.request_body,
            other.response_body,
            other.request_trailers or self.request_trailers,
            other.response_trailers or self.response_trailers,
        )

    def without_request_headers(self) -> Mode:
        """What `allowed_override_modes` compares."""
        return replace(self, request_headers=Heads.DEFAULT)

    @property
    def is_duplex(self) -> bool:
        """Whether a body is FULL_DUPLEX_STREAMED."""
        return Bodies.FULL_DUPLEX_STREAMED in (self.request_body, self.response_body)


NOTHING = Mode(Heads.SKIP, Heads.SKIP)


class RouteCache(IntEnum):
    """RouteCacheAction."""

    DEFAULT = 0
    CLEAR = 1
    RETAIN = 2


Attributes = tuple[tuple[str, Callable[[Any], Any]], ...]
"""Attributes to tell, under the names that the configuration gives them."""


@dataclass(slots=True, frozen=True, eq=False)
class ProcPlan:
    """An ExternalProcessor message.  Namespaces are those of dynamic metadata."""

    server: GrpcServer
    mode: Mode
    fails_open: bool
    observes: bool
    override_allowed: bool
    override_modes: frozenset[Mode]
    immediate_allowed: bool
    eager_body: bool
    route_cache: RouteCache
    error_status: int
    message_timeout_s: float
    longest_timeout_s: float
    deferred_close_s: float
    request_attributes: Attributes
    response_attributes: Attributes
    allows_header: Callable[[bytes], bool] | None
    refuses_header: Callable[[bytes], bool] | None
    forwarding: tuple[str, ...]
    receiving: tuple[str, ...]
    changes: HeaderChanges
    counters: Mapping[str, Counter]
    by_route: dict[tuple[RoutePlan, ...], ProcPlan] = field(default_factory=dict)
    """This plan as routes change it, made on first use."""

    def on_route(self, plans: tuple[RoutePlan, ...]) -> ProcPlan:
        """This plan under the plans of a route, least specific first."""
        found = self.by_route.get(plans)
        if found is None:
            found = self
            for plan in plans:
                found = plan.applied(found)
            if plans[-1].disabled:
                found = replace(found, mode=NOTHING)
            self.by_route[plans] = found
        return found


@dataclass(slots=True, frozen=True, eq=False)
class RoutePlan:
    """An ExtProcPerRoute message; None: nothing is said."""

    disabled: bool
    mode: Mode | None
    server: GrpcServer | None
    metadata: tuple[Pair, ...]
    fails_open: bool | None
    forwarding: tuple[str, ...] | None
    receiving: tuple[str, ...] | None

    def applied(self, plan: ProcPlan) -> ProcPlan:
        """The filter's plan with what is said here."""
        server = self.server or plan.server
        if self.metadata:
            named = dict(server.metadata) | dict(self.metadata)
            server = replace(server, metadata=tuple(named.items()))
        return replace(
            plan,
            mode=plan.mode if self.mode is None or self.disabled else self.mode,
            server=server,
            fails_open=plan.fails_open if self.fails_open is None else self.fails_open,
            forwarding=plan.forwarding if self.forwarding is None else self.forwarding,
            receiving=plan.receiving if self.receiving is None else self.receiving,
        )
