"""How long HTTP filters take: histograms of the filters' own time, for a sample of the requests; off unless asked for.

A connection manager that is sampled has three chains of the same filters: the plain one, the same with a countdown, and
one with timed classes.  The countdown ends by putting the timed chain in front of the next request, which puts the
countdown back.  While sampling is off the manager has its plain chain alone, and nothing here is ever called.

Own time is what passes between entering and leaving a filter's callbacks for head, data and trailers, and each step of
its coroutines between two waits; what another timed filter does inside is that one's.  A stream's times are added up by
direction and recorded when it is over.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Coroutine, Generator, Mapping
from math import log
from random import Random
from typing import TYPE_CHECKING, Any

from pyvoy.http.chain import VERDICT_EVENTS, ChainPlan, FilterSpec
from pyvoy.http.timed_filter import OBSERVER, Method, wrapped, wrapped_spec

if TYPE_CHECKING:
    from pyvoy.http.http_filter import HttpFilter
    from pyvoy.http.manager_plan import ManagerPlan
    from pyvoy.stats.store import Scope

KEY = "pyvoy.filter_timing"
"""The runtime key: the fraction of requests that is timed."""
SCOPE = "filter_time"
SIDES = ("request", "response")

Fraction = tuple[int, int]
"""Numerator and denominator."""
Took = list[int]
"""Nanoseconds so far of one filter and stream: for the request, for the response; -1 where it was never called."""
OFF: Fraction = (0, 100)


class Stopwatch:
    """Times calls, and leaves out what it times inside of them.  One for each loop."""

    __slots__ = ("_clock_ns", "_inside_ns")

    def __init__(self, clock_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self._clock_ns = clock_ns
        self._inside_ns = 0

    def run(self, took: Took, side: int, call: Method, *arguments: Any) -> Any:
        """Call, and add its own time to one side."""
        outside_ns, self._inside_ns = self._inside_ns, 0
        began_ns = self._clock_ns()
        try:
            return call(*arguments)
        finally:
            whole_ns = self._clock_ns() - began_ns
            took[side] = max(0, took[side]) + whole_ns - self._inside_ns
            self._inside_ns = outside_ns + whole_ns


class _Steps(Coroutine[Any, Any, Any]):
    """A coroutine whose steps are timed; its waits are not."""

    __slots__ = ("_coroutine", "_side", "_took", "_watch")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], watch: Stopwatch, took: Took, side: int) -> None:
        self._coroutine = coroutine
        self._watch = watch
        self._took = took
        self._side = side

    def send(self, value: Any) -> Any:
        return self._watch.run(self._took, self._side, self._coroutine.send, value)

    def throw(self, *error: Any) -> Any:
        return self._watch.run(self._took, self._side, self._coroutine.throw, *error)

    def close(self) -> None:
        self._coroutine.close()

    def __next__(self) -> Any:
        return self.send(None)

    def __iter__(self) -> _Steps:
        return self

    def __await__(self) -> Generator[Any, Any, Any]:
        return self  # it has a generator's methods, which is what `await` needs


class SamplingChain(ChainPlan):
    """A chain that says when a stream takes it."""

    __slots__ = ("_on_use",)

    def __init__(self, specs: tuple[FilterSpec, ...], on_use: Callable[[], None]) -> None:
        super().__init__(specs)
        self._on_use = on_use

    def variant(self, disabled: frozenset[str], enabled: frozenset[str]) -> ChainPlan:
        """The chain of a route, which does not say it again."""
        self._on_use()
        return super().variant(disabled, enabled)

    def make_filters(self) -> list[HttpFilter]:
        """The filter instances of one stream."""
        self._on_use()
        return super().make_filters()

    def make_light(self) -> list[HttpFilter]:
        """The same without the router."""
        self._on_use()
        return super().make_light()


class FilterTiming:
    """The sampling of one worker: which connection managers there are, and what fraction the admin has asked for."""

    def __init__(self, random: Random, clock_ns: Callable[[], int] = time.perf_counter_ns) -> None:
        self._random = random
        self._watch = Stopwatch(clock_ns)
        self._sampled: list[_Sampled] = []
        self._override: Fraction | None = None

    def add(self, plan: ManagerPlan, scope: Scope, configured: Fraction) -> Callable[[], None]:
        """A connection manager; `scope` is that of its statistics, `configured` holds while the admin says nothing.
        Returns what takes it out again."""
        sampled = _Sampled(plan, scope, configured, self._random, self._watch)
        self._sampled.append(sampled)
        sampled.set(self._override or configured)
        return lambda: self._sampled.remove(sampled)

    def override(self, fraction: Fraction | None) -> None:
        """What the admin has asked for: from the next requests on; None for what the configuration says."""
        self._override = fraction
        for sampled in self._sampled:
            sampled.set(fraction or sampled.configured)


class _Sampled:
    """One connection manager's chains."""

    def __init__(self, plan: ManagerPlan, scope: Scope, configured: Fraction, random: Random, watch: Stopwatch) -> None:
        self.configured = configured
        self._plan = plan
        self._plain = plan.chain
        self._scope = scope.scope(SCOPE)
        self._random = random
        self._watch = watch
        self._probability = 0.0
        self._left = 0
        """How many requests go untimed before the next that is timed."""
        self._counting: ChainPlan | None = None
        self._timed: ChainPlan | None = None

    def set(self, fraction: Fraction) -> None:
        """Time this fraction of the requests."""
        numerator, denominator = fraction
        self._probability = min(1.0, numerator / denominator)
        if not self._probability:
            self._plan.chain = self._plain
            return
        if self._timed is None:
            specs = self._plain.specs
            self._counting = SamplingChain(specs, self._count)
            self._timed = SamplingChain(tuple(self._timed_spec(spec) for spec in specs), self._choose)
        self._choose()

    def _choose(self) -> None:
        """A timed request has begun (or sampling has): choose the next one, each with the same probability."""
        if self._probability >= 1.0:
            self._left = 0
        else:
            self._left = int(log(1.0 - self._random.random()) / log(1.0 - self._probability))
        self._next()

    def _count(self) -> None:
        """A request goes untimed."""
        self._left -= 1
        self._next()

    def _next(self) -> None:
        chain = self._counting if self._left > 0 else self._timed
        if chain is not None and self._probability:
            self._plan.chain = chain

    def _timed_spec(self, spec: FilterSpec) -> FilterSpec:
        """The router is not timed, since most requests go around it; nor is what only observes for a trace."""
        if spec.cls.terminal or spec.name.startswith(OBSERVER):
            return spec
        scope = self._scope.scope(spec.name)
        return wrapped_spec(spec, lambda cls: timed(cls, self._watch, _records(cls, scope)))


def _records(cls: type[HttpFilter], scope: Scope) -> dict[str, Callable[[int], None]]:
    """The histograms of the directions that a filter has a part in."""
    return {
        side: scope.histogram(f"{side}_ns", "unspecified").record
        for side in SIDES
        if any(event.startswith(side) and getattr(cls, event, None) is not None for event in VERDICT_EVENTS)
    }


def timed(cls: type[HttpFilter], watch: Stopwatch, records: Mapping[str, Callable[[int], None]]) -> type[HttpFilter]:
    """A class whose own time goes to `records`, by "request" and "response", in nanoseconds, when a stream is over."""
    recorded = tuple((SIDES.index(side), record) for side, record in records.items())
    destroy = getattr(cls, "on_destroy", None)

    def on_destroy(self: Any, stream: Any) -> None:
        took = _took(self)
        for side, record in recorded:
            if took[side] >= 0:
                record(took[side])
        if destroy is not None:
            destroy(self, stream)

    def own_call(self: Any, call: Method, *arguments: Any, request: bool) -> Any:
        return watch.run(_took(self), not request, call, *arguments)

    def own_coroutine(self: Any, coroutine: Coroutine[Any, Any, Any], *, request: bool) -> Coroutine[Any, Any, Any]:
        return _Steps(coroutine, watch, _took(self), not request)

    return wrapped(
        cls,
        lambda method, event: _timed(method, watch, SIDES.index(event.partition("_")[0])),
        on_destroy=on_destroy,
        on_demand=cls.on_demand - {"on_destroy"},
        own_call=own_call,
        own_coroutine=own_coroutine,
    )


def _took(filter_: Any) -> Took:
    """What a filter has taken on its stream so far.  It is kept on the filter, so that a filter which puts a copy of
    itself in its place goes on with the same sum."""
    try:
        took: Took = filter_.own_ns
    except AttributeError:
        took = filter_.own_ns = [-1, -1]
    return took


def _timed(method: Method, watch: Stopwatch, side: int) -> Method:
    if inspect.iscoroutinefunction(method):

        async def waiting(self: Any, stream: Any, *arguments: Any) -> Any:
            return await _Steps(method(self, stream, *arguments), watch, _took(self), side)

        return waiting

    def run(self: Any, stream: Any, *arguments: Any) -> Any:
        return watch.run(_took(self), side, method, self, stream, *arguments)

    return run
