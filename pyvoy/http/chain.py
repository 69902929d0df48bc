"""The HTTP filter chain, compiled at load to per-event tuples.

`ChainPlan` is what a connection manager's filter list becomes: for each event the slots and plain functions of just
those filters that implement it, in the order of the direction.  While every filter continues, the stream runs these
tuples itself (see `stream.py`); from the first filter that stops on, the direction is run by a `HeldPath`.
Source: Envoy's FilterManager.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pyvoy.http.eager import Rest, begin
from pyvoy.http.http_filter import CONTINUE, STOP_AND_WATERMARK, HttpFilter, Verdict

if TYPE_CHECKING:
    from pyvoy.http.stream import HttpStream

Handler = Callable[..., Verdict]
Entries = tuple[tuple[int, Handler], ...]
Dress = Callable[[type[HttpFilter]], type[HttpFilter]]
"""Makes a class of a filter's class."""
Maker = tuple[Callable[[Any], HttpFilter], Any]
"""What makes a filter, and of which plan."""

VERDICT_EVENTS = (
    "request_headers",
    "request_data",
    "request_trailers",
    "response_headers",
    "response_data",
    "response_trailers",
)
"""The events that a filter decides on, those of the request first."""

_FIRST_EVENTS = {
    "request_headers": "request_headers",
    "response_headers": "response_headers",
    "response_informational": "informational",
    "on_local_reply": "local_reply",
    "on_log": "log",
}
"""The events of which one is the first that a filter gets to see of a stream, and where a chain has them."""


@dataclass(slots=True, frozen=True)
class FilterSpec:
    """One configured filter: its configured name, class, plan, and whether a route has to enable it.

    Where routes have filters of their own for this place (their plans of it have a `filter_class`), `in_place` makes of
    such a class what has to stand here."""

    name: str
    cls: type[HttpFilter]
    plan: Any
    disabled: bool = False
    in_place: Dress | None = None

    @staticmethod
    def of(name: str, factory: type[HttpFilter], plan: Any, *, disabled: bool = False) -> FilterSpec:
        """What a registered filter and the plan that it has built are in a chain: some choose the class by the plan."""
        cls = getattr(plan, "filter_class", None) or factory
        return FilterSpec(name, cls, plan, disabled, getattr(plan, "in_place", None))


@dataclass(slots=True, frozen=True)
class Settled:
    """What the filters of a stream have settled since it began, by slot: which of them have asked for their `on_demand`
    events, and where it is decided whether the filter is the route's own."""

    demanded: frozenset[int] = frozenset()
    decided: frozenset[int] = frozenset()


_NOTHING = Settled()


@dataclass(slots=True, frozen=True)
class Decided:
    """Who stands at a place for which routes have filters of their own: the chain from now on, how the route's filter
    is made (None: the chain's own stays), and the handlers of the events that may be a filter's first."""

    chain: ChainPlan
    maker: Maker | None
    handlers: Mapping[str, Handler]

    def enter(self, filter_: HttpFilter, filters: list[HttpFilter]) -> HttpFilter:
        """Put the route's filter in the place of the chain's, if there is one; gives who stands there."""
        if self.maker is None:
            return filter_
        make, plan = self.maker
        own = make(plan)
        own.slot = filter_.slot
        filters[own.slot] = own
        return own


def _asynchronous(method: Callable[..., Any], request: bool) -> Handler:
    """A plain handler for an `async def` one: run the coroutine; if it waits, hold the stream, let a task run the rest
    and go on with its verdict."""

    def start(filter_: HttpFilter, stream: HttpStream, *arguments: Any) -> Verdict:
        outcome = begin(method(filter_, stream, *arguments), stream.services.loop)
        if type(outcome) is Rest:
            stream.run_async(filter_, outcome.finish(), request=request)
            return STOP_AND_WATERMARK
        return CONTINUE if outcome is None else outcome

    return start


def _handler(cls: type[HttpFilter], event: str) -> Handler | None:
    method = getattr(cls, event, None)
    if method is not None and inspect.iscoroutinefunction(method):
        if event not in VERDICT_EVENTS:
            raise TypeError(f"{cls.__name__}.{event} decides nothing, so nobody would wait for it: it cannot be async")
        return _asynchronous(method, event.startswith("request"))
    return method


def _entries(specs: Iterable[tuple[int, FilterSpec]], event: str, settled: Settled) -> Entries:
    found: list[tuple[int, Handler | None]] = []
    for slot, spec in specs:
        if spec.in_place is not None and slot not in settled.decided and event in _FIRST_EVENTS:
            found.append((slot, _deciding(event)))
        elif slot in settled.demanded or event not in spec.cls.on_demand:
            found.append((slot, _handler(spec.cls, event)))
    return tuple((slot, handler) for slot, handler in found if handler is not None)


def _deciding(event: str) -> Handler:
    """Asks the stream's route for a filter of its own, and lets that have the event."""

    def decide(filter_: HttpFilter, stream: HttpStream, *arguments: Any) -> Any:
        filter_, handlers = stream.decide(filter_)
        handler = handlers.get(event)
        return CONTINUE if handler is None else handler(filter_, stream, *arguments)

    return decide


class ChainPlan:
    """The compiled chain; shared by all streams of a connection manager.

    `makers` gives one filter instance each; response tuples run last to first.
    """

    __slots__ = (
        "_chosen",
        "_decisions",
        "_demanding",
        "_light_makers",
        "_settled",
        "_shared",
        "_variants",
        "destroy",
        "informational",
        "light_destroy",
        "light_log",
        "light_request_data",
        "light_request_headers",
        "local_reply",
        "log",
        "makers",
        "names",
        "request_data",
        "request_headers",
        "request_trailers",
        "response_data",
        "response_headers",
        "response_trailers",
        "shows_known_requests",
        "shows_known_responses",
        "specs",
    )

    request_headers: Entries
    request_data: Entries
    request_trailers: Entries
    response_headers: Entries
    response_data: Entries
    response_trailers: Entries

    def __init__(
        self,
        specs: tuple[FilterSpec, ...],
        *,
        active: tuple[FilterSpec, ...] | None = None,
        settled: Settled = _NOTHING,
    ) -> None:
        """`active` is the subset that runs (a route may disable or enable filters); by default those not disabled."""
        self.specs = specs
        chosen = active if active is not None else tuple(spec for spec in specs if not spec.disabled)
        self.names = tuple(spec.name for spec in chosen)
        self.makers = tuple(_maker(spec) for spec in chosen)
        order = list(enumerate(chosen))
        for event in VERDICT_EVENTS:
            setattr(self, event, _entries(order if event.startswith("request") else reversed(order), event, settled))
        self.informational = _entries(reversed(order), "response_informational", settled)
        self.local_reply = _entries(reversed(order), "on_local_reply", settled)
        self.log = _entries(order, "on_log", settled)
        self.destroy = _entries(order, "on_destroy", settled)
        self._chosen = chosen
        self._settled = settled
        self._demanding: dict[int, ChainPlan] = {}
        self._decisions: dict[tuple[int, Any], Decided] = {}
        last = len(chosen) - 1
        self.light_request_headers = _before(last, self.request_headers)
        """Events of all filters but the last, for a stream that does without the router (see `light_stream`)."""
        self.light_request_data = _before(last, self.request_data)
        self.shows_known_requests = _first_knows_heads(chosen, self.light_request_headers)
        """The first filter that sees a head would rather have a `KnownHeaders`."""
        self.shows_known_responses = _first_knows_heads(chosen, self.response_headers)
        self._light_makers = tuple((slot, make, plan) for slot, (make, plan) in enumerate(self.makers[:-1]))
        self._shared: list[HttpFilter] | None = None
        """What `make_light` gives, where no filter is made for a stream."""
        if all(spec.cls.stateless for spec in chosen[:-1]):
            self._shared = self._light_filters()
        self.light_log = _before(last, self.log)
        self.light_destroy = _before(last, self.destroy)
        self._variants: dict[tuple[frozenset[str], frozenset[str]], ChainPlan] = {}

    def variant(self, disabled: frozenset[str], enabled: frozenset[str]) -> ChainPlan:
        """The chain of a route that disables or enables filters by name; compiled on first use, kept."""
        key = (disabled, enabled)
        plan = self._variants.get(key)
        if plan is None:
            active = tuple(
                spec for spec in self.specs if spec.name not in disabled and (not spec.disabled or spec.name in enabled)
            )
            plan = self._variants[key] = ChainPlan(self.specs, active=active)
        return plan

    def demanding(self, slot: int) -> ChainPlan:
        """This chain once the filter of that slot has asked for its `on_demand` events; compiled on first use, kept."""
        if slot in self._settled.demanded:
            return self
        plan = self._demanding.get(slot)
        if plan is None:
            settled = replace(self._settled, demanded=self._settled.demanded | {slot})
            plan = self._demanding[slot] = ChainPlan(self.specs, active=self._chosen, settled=settled)
        return plan

    def decided(self, slot: int, route_plan: Any) -> Decided:
        """This chain for a stream whose route has this plan for the filter of that slot, or None; compiled on first
        use, kept."""
        found = self._decisions.get((slot, route_plan))
        if found is None:
            is_filter = hasattr(route_plan, "filter_class")
            found = self._decide(slot, route_plan) if is_filter or route_plan is None else self.decided(slot, None)
            self._decisions[slot, route_plan] = found
        return found

    def _decide(self, slot: int, route_plan: Any) -> Decided:
        chosen, settled = self._chosen, self._settled
        configured = chosen[slot]
        demanded = settled.demanded
        if route_plan is not None:
            assert configured.in_place is not None
            own = replace(configured, cls=configured.in_place(route_plan.filter_class), plan=route_plan)
            chosen = (*chosen[:slot], own, *chosen[slot + 1 :])
            demanded -= {slot}
        chain = ChainPlan(self.specs, active=chosen, settled=Settled(demanded, settled.decided | {slot}))
        handlers = {event: dict(getattr(chain, place)).get(slot) for event, place in _FIRST_EVENTS.items()}
        return Decided(
            chain,
            None if route_plan is None else chain.makers[slot],
            {event: handler for event, handler in handlers.items() if handler is not None},
        )

    def make_filters(self) -> list[HttpFilter]:
        """The filter instances of one stream."""
        filters = [make(plan) for make, plan in self.makers]
        for slot, filter_ in enumerate(filters):
            filter_.slot = slot
        return filters

    def make_light(self) -> list[HttpFilter]:
        """The filter instances of one stream without the router."""
        if self._shared is not None:
            return self._shared.copy()
        return self._light_filters()

    def _light_filters(self) -> list[HttpFilter]:
        filters: list[HttpFilter] = []
        for slot, make, plan in self._light_makers:
            filter_ = make(plan)
            filter_.slot = slot
            filters.append(filter_)
        return filters

    def make_router(self) -> HttpFilter:
        """The last filter of one stream."""
        make, plan = self.makers[-1]
        router = make(plan)
        router.slot = len(self.makers) - 1
        return router


def _before(last: int, entries: Entries) -> Entries:
    return tuple((slot, handler) for slot, handler in entries if slot < last)


def _first_knows_heads(chosen: tuple[FilterSpec, ...], entries: Entries) -> bool:
    return bool(entries) and chosen[entries[0][0]].cls.knows_heads


def _maker(spec: FilterSpec) -> Maker:
    if not spec.cls.stateless:
        return spec.cls, spec.plan
    shared = spec.cls(spec.plan)
    return (lambda _: shared), None


NO_FILTERS = ChainPlan(())
"""What a stream is left with when its filters could not be made."""
