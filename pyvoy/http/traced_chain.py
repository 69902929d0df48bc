"""A filter chain that can be traced: an observer before, between and behind its filters, and timed callbacks.

Made at load when tracing is on (`pyvoy run --trace`); without it chains are what they always are.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

from pyvoy.http.chain import FilterSpec
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Verdict
from pyvoy.http.timed_filter import OBSERVER, wrapped, wrapped_spec
from pyvoy.observe.filter_trace import HEADER, Trace, identity_of

Sink = Callable[[dict[str, Any]], None]

PER_SECOND = 50
"""How many requests of a worker are traced in a second; further ones that ask are served without."""


def traced(specs: tuple[FilterSpec, ...], sink: Sink) -> tuple[FilterSpec, ...]:
    """The same chain with observers; `sink` gets each finished trace as plain values.

    The router is timed like any filter; nothing is behind it."""
    names = tuple(spec.name for spec in specs)
    found: list[FilterSpec] = []
    for index, spec in enumerate(specs):
        base: type[Observer] = _first_observer(names, sink) if not index else Observer
        cls = type(f"Observer{index}", (base,), {"index": index})
        found.append(FilterSpec(f"{OBSERVER}.{index}", cls, None))
        found.append(wrapped_spec(spec, partial(timed, index=index)))
    return tuple(found)


class Observer(HttpFilter):
    """Notes what passes its place."""

    index: ClassVar[int] = 0

    def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        if stream.trace is not None:
            _head(stream, stream.trace.request[self.index], headers, end)
        return CONTINUE

    def request_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        if stream.trace is not None:
            stream.trace.request[self.index].add(data, end)
        return CONTINUE

    def request_trailers(self, stream: Any, trailers: HeaderMap) -> Verdict:
        if stream.trace is not None:
            stream.trace.request[self.index].trailers = list(trailers.items())
        return CONTINUE

    def response_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
        if stream.trace is not None:
            _head(stream, stream.trace.response[self.index], headers, end)
        return CONTINUE

    def response_data(self, stream: Any, data: bytes, end: bool) -> Verdict:
        if stream.trace is not None:
            stream.trace.response[self.index].add(data, end)
        return CONTINUE

    def response_trailers(self, stream: Any, trailers: HeaderMap) -> Verdict:
        if stream.trace is not None:
            stream.trace.response[self.index].trailers = list(trailers.items())
        return CONTINUE


def _head(stream: Any, passed: Any, headers: HeaderMap, end: bool) -> None:
    passed.headers = list(headers.items())
    passed.at_us = stream.trace.now_us(stream.services.clock())
    passed.ended = end


class _Rate:
    """No client can have more than so many requests of a second traced."""

    __slots__ = ("_count", "_second")

    def __init__(self) -> None:
        self._second = 0
        self._count = 0

    def allows(self, now_s: float) -> bool:
        """Whether one more may be traced."""
        if int(now_s) != self._second:
            self._second, self._count = int(now_s), 0
        self._count += 1
        return self._count <= PER_SECOND


def _first_observer(names: tuple[str, ...], sink: Sink) -> type[Observer]:
    """The observer next to the client: begins the traces and ends them."""
    rate = _Rate()

    class First(Observer):
        def request_headers(self, stream: Any, headers: HeaderMap, end: bool) -> Verdict:
            if HEADER in headers.map:
                if rate.allows(stream.info.start_s):
                    stream.trace = Trace(identity_of(headers), names, stream.info.start_s)
                headers.remove(HEADER)
            return super().request_headers(stream, headers, end)

        def on_log(self, stream: Any) -> None:
            if stream.trace is not None:
                sink(stream.trace.json(stream, stream.services.clock()))
                stream.trace = None

    return First


def timed(cls: type[HttpFilter], index: int) -> type[HttpFilter]:
    """A class whose callbacks are timed on streams that are traced."""
    return wrapped(cls, lambda method, event: _timed(method, event, index))


def _timed(method: Callable[..., Any], event: str, index: int) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(method):

        async def waiting(self: Any, stream: Any, *arguments: Any) -> Any:
            trace = stream.trace
            if trace is None:
                return await method(self, stream, *arguments)
            began_us = trace.now_us(stream.services.clock())
            verdict = await method(self, stream, *arguments)
            took_us = trace.now_us(stream.services.clock()) - began_us
            trace.step(index, event, began_us, float(took_us), f"{_decision(stream, verdict)}, with waiting")
            return verdict

        return waiting

    def run(self: Any, stream: Any, *arguments: Any) -> Any:
        trace = stream.trace
        if trace is None:
            return method(self, stream, *arguments)
        trace.begin()
        began_us = trace.now_us(stream.services.clock())
        began_ns = time.perf_counter_ns()
        verdict = None
        try:
            verdict = method(self, stream, *arguments)
            return verdict
        finally:
            cost_us = (time.perf_counter_ns() - began_ns) / 1000
            trace.step(index, event, began_us, cost_us, _decision(stream, verdict))

    return run


def _decision(stream: Any, verdict: Any) -> str:
    """What a callback has decided, in a word or two."""
    ending = stream.ending
    if ending is not None:
        kind, reply = ending
        return f"{kind} {reply.status or ''} {reply.details}".replace("  ", " ").strip()
    if verdict is None:
        return "failed"
    return "goes on" if verdict is CONTINUE else f"holds ({verdict.name})"
