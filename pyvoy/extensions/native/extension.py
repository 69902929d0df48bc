"""What every Python filter has, whatever it filters: its configuration, metrics, calls, shared data, timers, log.

`self.host` is the host API below; the methods here are the same with text where people want text.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pyvoy.extensions.http_call import CallOptions
from pyvoy.extensions.native.answers import Answer, CallFailed, GrpcAnswer, metadata_fields
from pyvoy.extensions.native.grpc_stream import GrpcStream
from pyvoy.extensions.native.headers import HeaderInput, checked, pairs
from pyvoy.extensions.native.messages import as_bytes
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.extensions.failure import Failures
    from pyvoy.extensions.host import Host, HostTimer, SharedData, SharedQueue
    from pyvoy.stats.counters import Counter, Gauge
    from pyvoy.stats.histograms import Histogram


class Extension:
    """The common part of all Python filters.  Class attributes are set when the configuration is loaded:

    `config`: the configuration; annotate it with a dataclass to have it checked at load, at its place in the file.
    `host`: the host API (see pyvoy.extensions.host).
    """

    __slots__ = ()

    host: ClassVar[Host]
    failures: ClassVar[Failures]
    config: Any

    @classmethod
    def on_load(cls) -> None:
        """Called once in each worker when the configuration is loaded: metrics to make, timers to start."""

    # ---- metrics ----

    @classmethod
    def counter(cls, name: str) -> Counter:
        """The counter of that name below the filter's own statistics; `inc(n)`."""
        return cls.host.counter(name)

    @classmethod
    def gauge(cls, name: str) -> Gauge:
        """The gauge of that name; `inc()`, `dec()`, `add(n)`, `set(n)`; its value is the sum over all workers."""
        return cls.host.gauge(name)

    @classmethod
    def histogram(cls, name: str, unit: str = "ms") -> Histogram:
        """The histogram of that name; `record(value)`; unit is unspecified, bytes, us, ms or percent."""
        return cls.host.histogram(name, unit)

    # ---- shared by all workers ----

    @classmethod
    def shared_data(cls, namespace: str) -> SharedData:
        """Values that all workers see: `get`, `set` with compare-and-swap, `delete`, `update`."""
        return cls.host.shared_data(namespace)

    @classmethod
    def shared_queue(cls, namespace: str, name: str) -> SharedQueue:
        """A queue of bytes over all workers: `push`, `pop`, `watch`."""
        return cls.host.shared_queue(namespace, name)

    # ---- time, tasks, log ----

    @classmethod
    def call_later(cls, delay_s: float, callback: Callable[[], None]) -> HostTimer:
        """Run `callback` once after so many seconds."""
        return cls.host.call_later(delay_s, cls._watched(callback))

    @classmethod
    def every(cls, period_s: float, callback: Callable[[], None]) -> HostTimer:
        """Run `callback` again and again until the configuration is replaced."""
        return cls.host.every(period_s, cls._watched(callback))

    @classmethod
    def _watched(cls, callback: Callable[[], None]) -> Callable[[], None]:
        failures = cls.failures

        def run() -> None:
            try:
                callback()
            except BaseException as error:  # the wall of the extension
                failures.note(error)

        return run

    @classmethod
    def spawn(cls, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run a coroutine beside the traffic; it does not end with a stream.  What it raises is counted and logged."""
        services = cls.host.services
        if services is None:
            coroutine.close()
            return
        failures = cls.failures

        async def run() -> None:
            try:
                await coroutine
            except Exception as error:  # the wall of the extension
                failures.note(error)

        services.spawn(run(), f"{cls.__name__} task")

    @classmethod
    def log(cls, level: str, text: str) -> None:
        """Write to the log; levels are trace, debug, info, warning, error, critical."""
        cls.host.log(level, text)

    # ---- calls ----

    async def call(
        self,
        cluster: str,
        path: str = "/",
        *,
        method: str = "GET",
        headers: HeaderInput | None = None,
        body: bytes | str = b"",
        authority: str = "",
        timeout_s: float | None = 5.0,
        send_xff: bool = True,
        hash_on: str | None = None,
    ) -> Answer:
        """Call a cluster of the bootstrap and wait for the whole answer; given up when the stream ends.

        `authority` is the Host header (default: the cluster's name).  Raises CallFailed when there is no whole answer,
        UnknownCluster and CallRefused for a call that makes no sense, ValueError and TypeError for what can stand in no
        request; an answer of 500 is an answer."""
        head = ((":method", method), (":path", path), (":authority", authority or cluster))
        raw = HeaderMap([*(checked(name, value) for name, value in head), *pairs(headers)])
        options = CallOptions(timeout_s, send_xff, None if hash_on is None else hash_on.encode())
        result = await self.host.fetch(cluster, raw, as_bytes(body), options=options)
        if result.failure is not None:
            raise CallFailed(cluster, result)
        return Answer(result)

    async def grpc_call(
        self,
        cluster: str,
        service: str,
        method: str,
        request: bytes,
        *,
        metadata: Mapping[str, str | bytes] | None = None,
        authority: str = "",
        timeout_s: float | None = 5.0,
        send_xff: bool = True,
    ) -> GrpcAnswer:
        """Make a unary gRPC call to a cluster of the bootstrap, which speaks HTTP/2; given up when the stream ends.

        `service` is the full name (`my.package.Service`), `request` the serialized message; metadata whose name ends in
        `-bin` is of bytes.  Whatever becomes of the call is a status of the answer; raises UnknownCluster and
        CallRefused for a call that makes no sense."""
        result = await self.host.fetch_grpc(
            cluster,
            service,
            method,
            request,
            metadata=metadata_fields(metadata),
            authority=authority,
            options=CallOptions(timeout_s, send_xff),
        )
        return GrpcAnswer(result)

    def grpc_stream(
        self,
        cluster: str,
        service: str,
        method: str,
        *,
        metadata: Mapping[str, str | bytes] | None = None,
        authority: str = "",
        timeout_s: float | None = None,
        send_xff: bool = True,
    ) -> GrpcStream:
        """Begin a gRPC call of any kind to a cluster of the bootstrap, which speaks HTTP/2.

            async with self.grpc_stream("up", "my.package.Chat", "Talk") as call:
                await call.send(question)
                async for message in call: ...

        `timeout_s` is the time of the whole call.  A call that a coroutine of the filter begins ends with the filter's
        stream or connection, others with the configuration.  Raises UnknownCluster and CallRefused."""
        call = GrpcStream.open(
            self.host,
            cluster,
            service,
            method,
            metadata=metadata,
            authority=authority,
            timeout_s=timeout_s,
            send_xff=send_xff,
        )
        self._bind(call)
        return call

    def _bind(self, call: GrpcStream) -> None:
        """Have the call end with what the filter filters."""
