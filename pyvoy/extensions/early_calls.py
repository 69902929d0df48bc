"""Calls to clusters that an extension makes while its configuration is still being built.

They wait until the configuration's clusters are there, and then until the cluster has a host (its name may have to be
resolved first), for a few seconds at most.  Where a configuration is only tried they are never made: what asked for
them is told that they are under way.  Source: Envoy, whose workers start a plugin when the clusters are ready.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyvoy.extensions.http_call import Caller, CallOptions, OnDone, UnknownCluster, check_head
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.config.context import Environment
    from pyvoy.extensions.call_stream import RunningStream, StreamEvents
    from pyvoy.extensions.http_call import RunningCall
    from pyvoy.server.services import Services

PATIENCE_S = 5.0
"""How long a call waits for the first host of its cluster."""
_LOOK_S = 0.05


class EarlyCall:
    """A call that waits; implements RunningCall."""

    __slots__ = ("_begun", "_start", "cluster", "done", "since_s")

    def __init__(self, cluster: str, start: Callable[[], RunningCall]) -> None:
        self.cluster = cluster
        self.since_s: float | None = None
        """Since when its cluster has been looked at."""
        self.done = False
        self._start = start
        self._begun: RunningCall | None = None

    def begin(self) -> None:
        """Make the call that was asked for."""
        if not self.done:
            self._begun = self._start()

    def cancel(self) -> None:
        """Give it up, begun or not."""
        self.done = True
        if self._begun is not None:
            self._begun.cancel()


class EarlyStream:
    """A stream that waits, with what was sent so far; implements RunningStream."""

    __slots__ = ("_begun", "_sent", "_start", "cluster", "done", "since_s")

    def __init__(self, cluster: str, start: Callable[[], RunningStream]) -> None:
        self.cluster = cluster
        self.since_s: float | None = None
        self.done = False
        self._start = start
        self._begun: RunningStream | None = None
        self._sent: list[tuple[bytes, bool]] = []

    def begin(self) -> None:
        """Begin it, and send what has been sent."""
        if self.done:
            return
        self._begun = self._start()
        for data, end in self._sent:
            self._begun.send_data(data, end)
        self._sent.clear()

    @property
    def full(self) -> bool:
        """See RunningStream."""
        return self._begun is not None and self._begun.full

    def send_data(self, data: bytes, end: bool) -> None:
        """See RunningStream."""
        if self._begun is None:
            self._sent.append((data, end))
        else:
            self._begun.send_data(data, end)

    def pause(self, pause: bool) -> None:
        """See RunningStream."""
        if self._begun is not None:
            self._begun.pause(pause)

    def cancel(self) -> None:
        """See RunningStream."""
        self.done = True
        if self._begun is not None:
            self._begun.cancel()


class EarlyCaller:
    """A CallMaker whose calls wait as long as their cluster is only known by its name."""

    def __init__(self, environment: Environment) -> None:
        self._services: Services | None = environment.services
        self._names = environment.clusters
        self._caller: Caller | None = None
        self._waiting: list[EarlyCall | EarlyStream] = []
        self._warming = environment.warming
        environment.retire.append(self._give_up)

    def call(
        self,
        cluster: str,
        headers: HeaderMap,
        body: bytes,
        trailers: HeaderMap | None,
        options: CallOptions,
        on_done: OnDone,
    ) -> RunningCall:
        """See CallMaker."""
        if self._is_there(cluster):
            return self._made().call(cluster, headers, body, trailers, options, on_done)
        check_head(headers)
        early = EarlyCall(cluster, lambda: self._made().call(cluster, headers, body, trailers, options, on_done))
        self._wait(early)
        return early

    def stream(self, cluster: str, headers: HeaderMap, options: CallOptions, events: StreamEvents) -> RunningStream:
        """See CallMaker."""
        if self._is_there(cluster):
            return self._made().stream(cluster, headers, options, events)
        check_head(headers)
        early = EarlyStream(cluster, lambda: self._made().stream(cluster, headers, options, events))
        self._wait(early)
        return early

    def _made(self) -> Caller:
        if self._caller is None:
            assert self._services is not None
            self._caller = Caller(self._services)
        return self._caller

    def _is_there(self, cluster: str) -> bool:
        services = self._services
        if services is not None and services.clusters.get(cluster) is not None:
            return True
        if cluster not in self._names:
            raise UnknownCluster(f"there is no cluster {cluster!r}")
        return False

    def _wait(self, call: EarlyCall | EarlyStream) -> None:
        if self._services is None:
            return
        if not self._waiting:
            self._warming.append(self._clusters_are_there)
        self._waiting.append(call)

    async def _clusters_are_there(self) -> None:
        """What has waited goes on; nobody waits for it."""
        self._look()

    def _look(self) -> None:
        services = self._services
        assert services is not None
        now_s = services.clock()
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            cluster = services.clusters.get(call.cluster)
            if call.since_s is None:
                call.since_s = now_s
            if cluster is None or any(True for _ in cluster.hosts()) or now_s - call.since_s > PATIENCE_S:
                call.begin()
            else:
                self._waiting.append(call)
        if self._waiting:
            services.timers.call_later(_LOOK_S, self._look)

    def _give_up(self) -> None:
        """The configuration is replaced, or does not come into force."""
        for call in self._waiting:
            call.cancel()
        self._waiting.clear()
