"""The host API: what an extension may do that is no stream, once for Python, Lua and WebAssembly.

Calls to clusters, metrics, data and queues shared by all workers, timers, log, time.  What an extension does to its
stream is `pyvoy.http.http_filter.Stream`; what it may ask about it is `attributes.py` and `stream_facts.py`.
A host is made once per configured extension and worker, while the plan is built (`Host.of`).
Source: Proxy-Wasm's host functions; Envoy's Lua stream handle.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Set
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from pyvoy.extensions.grpc_call import GrpcResult, OnGrpcDone, begin, request_head
from pyvoy.extensions.grpc_stream import GrpcCallStream, GrpcEvents
from pyvoy.extensions.http_call import (
    DEFAULT_OPTIONS,
    Caller,
    CallMaker,
    CallOptions,
    CallRefused,
    CallResult,
    OnDone,
    RunningCall,
)
from pyvoy.http.headers import HeaderMap
from pyvoy.server.local_store import ABSENT
from pyvoy.server.logs import LEVELS

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.network.timers import Timer
    from pyvoy.server.arena import Arena
    from pyvoy.server.services import Services
    from pyvoy.stats.counters import Counter, Gauge
    from pyvoy.stats.histograms import Histogram
    from pyvoy.stats.store import Scope

EMPTY = b""
STREAM_OPTIONS = CallOptions(timeout_s=None)
_Result = TypeVar("_Result")


class NotRunning(CallRefused):
    """Asked for while the configuration is only tried: there is no loop and no cluster yet."""


class HostTimer:
    """A call that is due, once or again and again (`period_s`), until it is cancelled."""

    __slots__ = ("_callback", "_host", "_period_s", "_timer")

    def __init__(self, host: Host, delay_s: float, callback: Callable[[], None], period_s: float | None) -> None:
        self._host = host
        self._callback = callback
        self._period_s = period_s
        self._timer: Timer | None = None
        self._arm(delay_s)

    def _arm(self, delay_s: float) -> None:
        self._timer = self._host._arm(self, delay_s)

    def fire(self) -> None:
        """It is due."""
        self._host._timers.discard(self)
        if self._period_s is not None:
            self._arm(self._period_s)
        self._callback()

    def cancel(self) -> None:
        """No more calls."""
        self._host._timers.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class Host:
    """What one configured extension may do in one worker.

    `scope` is where its metrics are, `logger` where it logs.  While a configuration is only tried there are no
    services: then calls raise NotRunning and timers never fire; metrics, log and shared data work."""

    __slots__ = ("_arena", "_closed", "_timers", "caller", "closing", "clusters", "logger", "scope", "services")

    def __init__(self, scope: Scope, arena: Arena, logger: logging.Logger, services: Services | None) -> None:
        self.scope = scope
        self.logger = logger
        self.services = services
        self._arena = arena
        self.caller: CallMaker | None = None
        """Who makes the calls; by default the worker's clusters, from the first call on."""
        self.clusters: Set[str] = frozenset()
        """Names of the clusters of the configuration that is being built."""
        self._timers: set[HostTimer] = set()
        self._closed = False
        self.closing: set[Callable[[], None]] = set()
        """What has to be done when the configuration is replaced."""

    @classmethod
    def of(cls, context: Context, scope: Scope, component: str) -> Host:
        """The host of an extension that is being built; closed when the configuration is replaced.

        `component` is the logger: python, lua, wasm."""
        env = context.env
        host = cls(scope, env.arena, logging.getLogger(f"pyvoy.{component}"), env.services)
        host.caller = env.caller
        host.clusters = env.clusters
        env.retire.append(host.close)
        return host

    def close(self) -> None:
        """The configuration is replaced: timers end, and calls that belong to no stream.  Streams that still run keep
        what else they use."""
        self._closed = True
        self.cancel_timers()
        closing, self.closing = self.closing, set()
        for end in closing:
            end()

    def cancel_timers(self) -> None:
        """End all timers; new ones may begin."""
        for timer in list(self._timers):
            timer.cancel()

    # ---- calls to clusters ----

    def http_call(
        self,
        cluster: str,
        headers: HeaderMap,
        body: bytes,
        on_done: OnDone,
        *,
        trailers: HeaderMap | None = None,
        options: CallOptions = DEFAULT_OPTIONS,
    ) -> RunningCall:
        """Begin a call; `on_done` hears of its end in a later turn of the loop, unless it is cancelled.

        `headers` need `:method`, `:path` and `:authority` and belong to the call from here on.
        Raises UnknownCluster, CallRefused, NotRunning."""
        return self._make_calls().call(cluster, headers, body, trailers, options, on_done)

    def has_cluster(self, name: str) -> bool:
        """Whether there is a cluster of that name, or will be as soon as the configuration is in force."""
        return name in self.clusters or (self.services is not None and self.services.clusters.get(name) is not None)

    def _make_calls(self) -> CallMaker:
        if self.caller is None:
            if self.services is None:
                raise NotRunning("there are no calls while the configuration is loaded")
            self.caller = Caller(self.services)
        return self.caller

    async def fetch(
        self,
        cluster: str,
        headers: HeaderMap,
        body: bytes = EMPTY,
        *,
        trailers: HeaderMap | None = None,
        options: CallOptions = DEFAULT_OPTIONS,
    ) -> CallResult:
        """The same, to be awaited; cancelled with the task that waits.  A failure is in the result, not raised."""
        return await self._wait(
            lambda on_done: self.http_call(cluster, headers, body, on_done, trailers=trailers, options=options)
        )

    def grpc_call(
        self,
        cluster: str,
        service: str,
        method: str,
        request: bytes,
        on_done: OnGrpcDone,
        *,
        metadata: HeaderMap | None = None,
        authority: str = "",
        options: CallOptions = DEFAULT_OPTIONS,
    ) -> RunningCall:
        """Begin a unary gRPC call of `/service/method`; `request` is the serialized message, `service` its full name.

        `on_done` hears of its end as `http_call`'s does.  Values of `metadata` whose names end in `-bin` are sent as
        base64.  The time-out is told to the upstream, too.  Raises UnknownCluster, CallRefused, NotRunning."""
        return begin(
            self._make_calls(),
            cluster,
            service,
            method,
            request,
            on_done,
            metadata=metadata,
            authority=authority,
            options=options,
        )

    async def fetch_grpc(
        self,
        cluster: str,
        service: str,
        method: str,
        request: bytes,
        *,
        metadata: HeaderMap | None = None,
        authority: str = "",
        options: CallOptions = DEFAULT_OPTIONS,
    ) -> GrpcResult:
        """The same, to be awaited; cancelled with the task that waits.  A failure is in the result, not raised."""
        return await self._wait(
            lambda on_done: self.grpc_call(
                cluster, service, method, request, on_done, metadata=metadata, authority=authority, options=options
            )
        )

    def grpc_stream(
        self,
        cluster: str,
        service: str,
        method: str,
        events: GrpcEvents,
        *,
        metadata: HeaderMap | None = None,
        authority: str = "",
        options: CallOptions = STREAM_OPTIONS,
    ) -> GrpcCallStream:
        """Begin a gRPC call of any kind: `events` hears its messages in later turns of the loop, and last its status.

        The caller ends it (`cancel`) when it does not want it any more.  The time-out is one of the whole call; no
        message may be larger than `max_response_bytes`.  Raises UnknownCluster, CallRefused, NotRunning."""
        name = (authority or cluster).encode("latin-1")
        head = request_head(service, method, name, metadata, options.timeout_s)
        call = GrpcCallStream(events, options.max_response_bytes)
        call.begin(self._make_calls(), cluster, head, replace(options, content_length=False))
        return call

    async def _wait(self, start: Callable[[Callable[[_Result], None]], RunningCall]) -> _Result:
        """Begin a call and wait for what comes of it."""
        if self.services is None:
            raise NotRunning("there are no calls while the configuration is loaded")
        future: asyncio.Future[_Result] = self.services.loop.create_future()

        def on_done(result: _Result) -> None:
            if not future.done():
                future.set_result(result)

        call = start(on_done)
        try:
            return await future
        finally:
            call.cancel()

    # ---- metrics ----

    def counter(self, name: str) -> Counter:
        """The counter of that name in the extension's scope; asking twice gives the same."""
        return self.scope.counter(name)

    def gauge(self, name: str) -> Gauge:
        """The gauge of that name; its value is the sum over all workers."""
        return self.scope.gauge(name)

    def histogram(self, name: str, unit: str = "ms") -> Histogram:
        """The histogram of that name; unit is unspecified, bytes, us, ms or percent."""
        return self.scope.histogram(name, unit)

    # ---- shared by all workers ----

    def shared_data(self, namespace: str) -> SharedData:
        """Values by key that all workers and all extensions of this namespace see."""
        return SharedData(self._arena, namespace)

    def shared_queue(self, namespace: str, name: str) -> SharedQueue:
        """The queue of that name in the namespace."""
        return SharedQueue(self._arena, self.services, f"{namespace}\0{name}".encode())

    # ---- time ----

    def call_later(self, delay_s: float, callback: Callable[[], None]) -> HostTimer:
        """Run `callback` once after `delay_s` seconds, unless the configuration is replaced or the timer cancelled.

        What the callback raises costs nobody else anything."""
        return HostTimer(self, delay_s, callback, None)

    def every(self, period_s: float, callback: Callable[[], None]) -> HostTimer:
        """Run `callback` every `period_s` seconds."""
        return HostTimer(self, period_s, callback, period_s)

    def _arm(self, timer: HostTimer, delay_s: float) -> Timer | None:
        if self.services is None or self._closed:
            return None
        self._timers.add(timer)
        return self.services.timers.call_later(delay_s, timer.fire)

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch."""
        import time

        return time.time_ns() if self.services is None else int(self.services.wall() * 1e9)

    # ---- log ----

    def log(self, level: str, text: str) -> None:
        """Write a line; levels are trace, debug, info, warning (warn), error, critical."""
        number = LEVELS.get(level) or _level_number(level)
        if self.logger.isEnabledFor(number):
            self.logger.log(number, "%s", text)


def _level_number(level: str) -> int:
    found = LEVELS.get(level.lower()) if isinstance(level, str) else None
    if found is None:
        raise ValueError(f"there is no log level {level!r}: trace, debug, info, warning, error, critical")
    return found


def _raw(what: str, value: object) -> bytes:
    """Bytes, or a text as UTF-8.  Raises TypeError for what is neither."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytearray | memoryview):
        return bytes(value)
    raise TypeError(f"{what} is bytes or a text, not {value!r}")


class SharedData:
    """Values of one namespace.  A value's number changes with it, for compare-and-swap.

    Keys and values may be texts, which are kept as UTF-8; what is got is bytes."""

    __slots__ = ("_arena", "_prefix")

    def __init__(self, arena: Arena, namespace: str) -> None:
        self._arena = arena
        self._prefix = namespace.encode() + b"\0"

    def get(self, key: bytes | str) -> tuple[bytes, int] | None:
        """The value and its number, None when there is none."""
        return self._arena.store.get(self._prefix + _raw("a key", key))

    def set(self, key: bytes | str, value: bytes | str, number: int = 0) -> bool:
        """Put a value; with a number only if it still has that, with ABSENT only if there is none; else False.

        Raises StoreFull."""
        return self._arena.store.set(self._prefix + _raw("a key", key), _raw("a value", value), number)

    def delete(self, key: bytes | str, number: int = 0) -> bool:
        """Forget a value; False when there was none, or it has another number."""
        return self._arena.store.delete(self._prefix + _raw("a key", key), number)

    def update(self, key: bytes | str, change: Callable[[bytes | None], bytes | str]) -> bytes:
        """Replace a value (None: there is none) by what `change` makes of it, again if another worker was quicker;
        the new value."""
        while True:
            found = self.get(key)
            value = _raw("a value", change(None if found is None else found[0]))
            if self.set(key, value, ABSENT if found is None else found[1]):
                return value


class SharedQueue:
    """A queue of bytes, first in first out, over all workers; each item is taken by one."""

    __slots__ = ("_arena", "_name", "_services")

    def __init__(self, arena: Arena, services: Services | None, name: bytes) -> None:
        self._arena = arena
        self._services = services
        self._name = name

    def push(self, item: bytes | str) -> None:
        """Put an item at the end, a text as UTF-8.  Raises StoreFull."""
        self._arena.store.push(self._name, _raw("an item", item))

    def pop(self) -> bytes | None:
        """Take the first item; None when the queue is empty."""
        return self._arena.store.pop(self._name)

    def __len__(self) -> int:
        return self._arena.store.length(self._name)

    def watch(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Have `callback` run in this worker when there may be an item; returns what takes that back."""
        if self._services is None:
            return lambda: None
        return self._arena.store.watch(self._name, self._services.loop, callback)
