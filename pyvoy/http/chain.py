"""The HTTP filter chain, compiled at load to per-event tuples.

`ChainPlan` is what a connection manager's filter list becomes: for each event the slots and plain functions of just
those filters that implement it, in the order of the direction.  While every filter continues, the stream runs these
tuples itself (see `stream.py`); from the first filter that stops on, the direction is run by a `HeldPath`.
Source: Envoy's FilterManager.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.http.eager import Rest, begin
from pyvoy.http.http_filter import CONTINUE, STOP_AND_WATERMARK, HttpFilter, Verdict

if TYPE_CHECKING:
    from pyvoy.http.stream import HttpStream

Handler = Callable[..., Verdict]
Entries = tuple[tuple[int, Handler], ...]

VERDICT_EVENTS = (
    "request_headers",
    "request_data",
    "request_trailers",
    "response_headers",
    "response_data",
    "response_trailers",
)
"""The events that a filter decides on, those of the request first."""


@dataclass(slots=True, frozen=True)
class FilterSpec:
    """One configured filter: its configured name, class, plan, and whether a route has to enable it."""

    name: str
    cls: type[HttpFilter]
    plan: Any
    disabled: bool = False


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


def _entries(specs: Iterable[tuple[int, FilterSpec]], event: str, demanded: frozenset[int]) -> Entries:
    found = [
        (slot, _handler(spec.cls, event)) for slot, spec in specs if slot in demanded or event not in spec.cls.on_demand
    ]
    return tuple((slot, handler) for slot, handler in found if handler is not None)


class ChainPlan:
    """The compiled chain; shared by all streams of a connection manager.

    `makers` gives one filter instance each; response tuples run last to first.
    """

    __slots__ = (
        "_chosen",
        "_demanded",
        "_demanding",
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
        demanded: frozenset[int] = frozenset(),
    ) -> None:
        """`active` is the subset that runs (a route may disable or enable filters); by default those not disabled.
        `demanded` are the slots of filters that have asked for their `on_demand` events."""
        self.specs = specs
        chosen = active if active is not None else tuple(spec for spec in specs if not spec.disabled)
        self.names = tuple(spec.name for spec in chosen)
        self.makers = tuple(_maker(spec) for spec in chosen)
        order = list(enumerate(chosen))
        for event in VERDICT_EVENTS:
            setattr(self, event, _entries(order if event.startswith("request") else reversed(order), event, demanded))
        self.informational = _entries(reversed(order), "response_informational", demanded)
        self.local_reply = _entries(reversed(order), "on_local_reply", demanded)
        self.log = _entries(order, "on_log", demanded)
        self.destroy = _entries(order, "on_destroy", demanded)
        self._chosen = chosen
        self._demanded = demanded
        self._demanding: dict[int, ChainPlan] = {}
        last = len(chosen) - 1
        self.light_request_headers = _before(last, self.request_headers)
        """Events of all filters but the last, for a stream that does without the router (see `light_stream`)."""
        self.light_request_data = _before(last, self.request_data)
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
        if slot in self._demanded:
            return self
        plan = self._demanding.get(slot)
        if plan is None:
            plan = ChainPlan(self.specs, active=self._chosen, demanded=self._demanded | {slot})
            self._demanding[slot] = plan
        return plan

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
        filters = [make(plan) for make, plan in self.makers[:-1]]
        for slot, filter_ in enumerate(filters):
            filter_.slot = slot
        return filters

    def make_router(self) -> HttpFilter:
        """The last filter of one stream."""
        make, plan = self.makers[-1]
        router = make(plan)
        router.slot = len(self.makers) - 1
        return router


def _before(last: int, entries: Entries) -> Entries:
    return tuple((slot, handler) for slot, handler in entries if slot < last)


def _maker(spec: FilterSpec) -> tuple[Callable[[Any], HttpFilter], Any]:
    if not spec.cls.stateless:
        return spec.cls, spec.plan
    shared = spec.cls(spec.plan)
    return (lambda _: shared), None


NO_FILTERS = ChainPlan(())
"""What a stream is left with when its filters could not be made."""
