"""What the HTTP pools of a host share: who waits for a connection, what is counted, and the end of a pool.

The subclass says which connection a request gets, and when one is made.  All limits are the cluster's circuit breakers,
which count over all workers.  Source: Envoy's ConnPoolImplBase and HttpConnPoolImplBase.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from pyvoy.http.codec import ResponseSink
from pyvoy.network.timers import Timer
from pyvoy.observe.details import Reset
from pyvoy.stats.tally import Tally
from pyvoy.upstream.pool.connection import UpstreamConnection
from pyvoy.upstream.pool.decide import Step

if TYPE_CHECKING:
    from pyvoy.server.services import Services
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host
    from pyvoy.upstream.pool.h1 import Http1Connection

ConnectionT = TypeVar("ConnectionT", bound=UpstreamConnection)


class PoolRequest(ResponseSink, Protocol):
    """What waits for a connection, and then receives the response on it."""

    def on_pool_ready(self, connection: Http1Connection) -> None:
        """Here is your connection; send the request on `connection.codec`."""

    def on_pool_failure(self, reason: str, detail: str, host: Host | None) -> None:
        """No connection: `reason` is one of `details.Reset`; `host` is None when it never came to one."""


class Corked(Protocol):
    """Output that can be held back while more is about to come."""

    corked: bool

    def uncork(self) -> None:
        """Let go what is held."""


class HttpPool(ABC, Generic[ConnectionT]):
    """The connections of one worker to one host, for one routing priority, in the order in which they were made."""

    __slots__ = (
        "_all",
        "_begun",
        "_connecting",
        "_draining",
        "_idle_timer",
        "_max_duration_s",
        "_max_requests",
        "_outcomes",
        "_over",
        "_pending",
        "cluster",
        "host",
        "outcome",
        "resources",
        "server_name",
        "services",
    )

    def __init__(self, services: Services, cluster: Cluster, host: Host, priority: int, server_name: str = "") -> None:
        """`server_name` is the TLS name that the connections ask for, "" for what the cluster says."""
        self.services = services
        self.server_name = server_name
        self.cluster = cluster
        self.host = host
        self.resources = cluster.resources(priority)
        stats, host_stats = cluster.stats, host.stats
        for gauge in (stats.upstream_rq_active, host_stats.rq_active):
            gauge.add(0)
        active = (stats.upstream_rq_active.index, host_stats.rq_active.index)
        totals = (stats.upstream_rq_total.index, host_stats.rq_total.index)
        cells = stats.upstream_rq_total.cells
        self._begun = Tally(services.tallies, cells, (*totals, *active))
        self._over = Tally(services.tallies, cells, (), falling=active)
        self._outcomes: dict[bytes, Tally] = {}
        self.outcome = self._outcomes.get
        """The tally of a response by its status, None before the first (see `new_outcome`)."""
        self._max_requests = cluster.plan.http.max_requests_per_connection
        self._max_duration_s = cluster.plan.http.max_connection_duration_s
        self._all: dict[ConnectionT, None] = {}
        self._connecting: int = 0
        self._pending: deque[PoolRequest] = deque()
        self._idle_timer: Timer | None = None
        self._draining: bool = False

    # ---- the subclass's ----

    @abstractmethod
    def use_ready(self, request: PoolRequest) -> bool:
        """Put the request on a connection that can take it now; False when there is none."""

    @abstractmethod
    def _decide(self) -> tuple[Step, bool]:
        """What to do with a request that no connection can take now; see `decide`."""

    @abstractmethod
    def _connect_for_pending(self) -> None:
        """A connection is gone, or can take no more: make as many as those who wait need."""

    @abstractmethod
    def _make_connection(self) -> ConnectionT:
        """A new connection, not yet connecting."""

    # ---- who waits ----

    def acquire(self, request: PoolRequest) -> None:
        """Find or make a connection; ends in `on_pool_ready` (perhaps at once) or `on_pool_failure`."""
        if self.use_ready(request):
            return
        step, limited = self._decide()
        stats = self.cluster.stats
        if limited:
            stats.upstream_cx_overflow.inc()
        if step is Step.OVERFLOW:
            stats.upstream_rq_pending_overflow.inc()
            request.on_pool_failure(Reset.OVERFLOW, "", None)
            return
        self._pending.append(request)
        self.resources.pending_requests.inc()
        stats.upstream_rq_pending_total.inc()
        stats.upstream_rq_pending_active.inc()
        self.host.stats.rq_pending_active.inc()
        if step is Step.CONNECT:
            self._connect()

    def cancel_pending(self, request: PoolRequest) -> None:
        """A request that waits is given up."""
        if request in self._pending:
            self._pending.remove(request)
            self._pending_over()
            self.cluster.stats.upstream_rq_cancelled.inc()

    def _pending_over(self) -> None:
        self.resources.pending_requests.dec()
        self.cluster.stats.upstream_rq_pending_active.dec()
        self.host.stats.rq_pending_active.dec()

    # ---- requests ----

    def _take_request(self, request: PoolRequest) -> bool:
        """Count a request that gets its connection; False when the cluster has too many, which fails this one."""
        if not self.resources.requests.take():
            self.cluster.stats.upstream_rq_active_overflow.inc()
            request.on_pool_failure(Reset.OVERFLOW, "", self.host)
            return False
        begun = self._begun
        if not begun.count:
            begun.board.note(begun)
        begun.count += 1
        self.host.active += 1
        return True

    def _count_over(self) -> None:
        """A request has left its connection."""
        self.resources.requests.dec()
        over = self._over
        if not over.count:
            over.board.note(over)
        over.count += 1
        self.host.active -= 1

    def new_outcome(self, status: bytes) -> Tally:
        """The tally of ordinary responses (external request, host no canary) with this status: what
        `ClusterStats.charge_response` and `charge_time` count, and the host's success or error."""
        code = int(status)
        counter = self.host.stats.rq_error if code >= 500 else self.host.stats.rq_success
        indexes, histograms = self.cluster.stats.outcome_cells(code)
        tally = Tally(self.services.tallies, counter.cells, (*indexes, counter.index), histograms)
        self._outcomes[status] = tally
        return tally

    # ---- connections ----

    def name(self, connection: UpstreamConnection) -> None:
        """Tell a new connection which TLS server name it asks for, and demands in the certificate."""
        if self.server_name:
            connection.server_name = self.server_name
            if self.cluster.plan.http.auto_san_validation:
                connection.expected_name = self.server_name

    @property
    def _expected_streams(self) -> int:
        """What a connection that is being made will take, if it speaks HTTP/2."""
        limit = self.cluster.plan.http.http2.max_concurrent_streams
        return min(limit, self._max_requests) if self._max_requests else limit

    def _connect(self) -> None:
        connection = self._make_connection()
        self._all[connection] = None
        self._connecting += 1
        connection.connect()

    def connect_failed(self, connection: ConnectionT, reason: str, detail: str) -> None:
        """Refused or too slow: every waiting request hears it (Envoy: purgePendingStreams)."""
        self._connecting -= 1
        del self._all[connection]
        failed = list(self._pending)
        self._pending.clear()
        for request in failed:
            self._pending_over()
            self.cluster.stats.upstream_rq_pending_failure_eject.inc()
            request.on_pool_failure(reason, detail, self.host)
        self._check_empty()

    def _check_empty(self) -> None:
        if self._draining and not self._all and self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
