"""Stateful session: a client whose request names the host that answered it before goes there again.

Source: Envoy, HTTP filter "Stateful session" (what is told and counted observed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter

_PACKAGE = "envoy.extensions.filters.http.stateful_session.v3"
TYPE = f"{_PACKAGE}.StatefulSession"
ROUTE_TYPE = f"{_PACKAGE}.StatefulSessionPerRoute"

supports(TYPE, "session_state strict stat_prefix")
supports(ROUTE_TYPE, "disabled stateful_session")


class SessionState(Protocol):
    """Where clients keep the address of their host."""

    def concerns(self, headers: HeaderMap) -> bool:
        """Whether a request has to do with such sessions at all."""

    def address(self, headers: HeaderMap, wall_s: float) -> str:
        """What a request names; empty for nothing, or nothing that holds."""

    def tell(self, headers: HeaderMap, address: str, wall_s: float) -> None:
        """Have the client of a response keep this address."""


@dataclass(slots=True, frozen=True, eq=False)
class Counters:
    """Below `http.<stat_prefix>.stateful_session.<stat_prefix>.`: requests that reached the host they named, another
    one (or had named none), none where that is strict; and those that have nothing to do with sessions."""

    routed: Counter
    failed_open: Counter
    failed_closed: Counter
    no_session: Counter


@dataclass(slots=True, frozen=True, eq=False)
class SessionPlan:
    """A StatefulSession message.  `state` None: nothing is done.  `strict`: without the host there is no answer."""

    state: SessionState | None
    strict: bool = False
    counters: Counters | None = None


_OFF = SessionPlan(None)


@http_filter(name="envoy.filters.http.stateful_session", type_url=TYPE, route_type_url=ROUTE_TYPE)
class StatefulSession(HttpFilter):
    """One per stream: what the request has named."""

    __slots__ = ("_address", "_plan", "_state")

    @staticmethod
    def build(message: Any, context: Context) -> SessionPlan:
        """The plan of a StatefulSession message."""
        return _plan(message, context)

    @staticmethod
    def build_route(message: Any, context: Context) -> SessionPlan:
        """The plan of a StatefulSessionPerRoute message."""
        return _OFF if message.disabled else _plan(message.stateful_session, context.at("stateful_session"))

    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self._state: SessionState | None = None
        self._address = ""

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Insist on the host that the request names."""
        plan = self._plan = stream.route_plan(self) or self._plan
        state = plan.state
        if state is None:
            return CONTINUE
        if not state.concerns(headers):
            if plan.counters is not None:
                plan.counters.no_session.inc()
            return CONTINUE
        self._state = state
        self._address = state.address(headers, stream.services.wall())
        if self._address:
            stream.upstream_override_host = (self._address, plan.strict)
        return CONTINUE

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Tell the client which host it was, if it is another one."""
        state, host = self._state, stream.info.upstream_host
        if state is None:
            return CONTINUE
        if host is None:
            # Without a cluster it was no host that was missing.
            if self._plan.strict and stream.info.upstream_cluster and self._plan.counters is not None:
                self._plan.counters.failed_closed.inc()
            return CONTINUE
        address = host.address.text
        if self._plan.counters is not None:
            counters = self._plan.counters
            (counters.routed if address == self._address else counters.failed_open).inc()
        if address != self._address:
            state.tell(headers, address, stream.services.wall())
        return CONTINUE


def _plan(message: Any, context: Context) -> SessionPlan:
    if not message.HasField("session_state"):
        return _OFF
    state = context.extension("session_state", message.session_state, "session_state")
    counters = None
    if message.stat_prefix:
        scope = context.scope.scope("stateful_session").scope(message.stat_prefix)
        counters = Counters(*(scope.counter(name) for name in Counters.__dataclass_fields__))
    return SessionPlan(state, message.strict, counters)


_: type[HttpFilter] = StatefulSession
