"""One HTTP call of an extension to a cluster: sent whole, answered whole, tried once.

What the upstream sees and what is counted is what Envoy's async client does: the cluster's balancer, pool, circuit
breakers and statistics (under `internal.`), `x-envoy-internal`, `x-forwarded-for` with this host's address,
`x-envoy-expected-rq-timeout-ms`.  A call needs no stream and outlives the one that began it unless it is cancelled.
Source: Envoy, AsyncClientImpl and Router::Filter (texts and counters observed on Envoy 1.40 through Lua's httpCall).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from pyvoy.extensions.header_check import valid_pair
from pyvoy.http.headers import HeaderMap
from pyvoy.observe.details import (
    EARLY_UPSTREAM_RESET,
    LATE_UPSTREAM_RESET,
    NO_HEALTHY_UPSTREAM,
    RESPONSE_TIMEOUT,
    VIA_UPSTREAM,
    Reset,
    reset_details,
)
from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.pool.choose import http_pool
from pyvoy.upstream.pool.h1 import Http1Connection, Http1Pool, requested_server_name

if TYPE_CHECKING:
    from pyvoy.extensions.call_stream import CallStream, RunningStream, StreamEvents
    from pyvoy.http.h1.heads import ResponseHead
    from pyvoy.network.timers import Timer
    from pyvoy.server.services import Services
    from pyvoy.stats.counters import Counter
    from pyvoy.upstream.cluster import Cluster
    from pyvoy.upstream.endpoint import Host

MAX_RESPONSE_BYTES = 32 << 20
_CANARY = b"x-envoy-upstream-canary"
_REQUIRED = (b":method", b":path", b":authority")
_FRAMING = (b"transfer-encoding", b"upgrade")
"""A call is framed by the codec and changes no protocol.  Other headers of its hop go out as given, as in Envoy."""


class CallRefused(Exception):
    """A call that cannot even be tried; the text says why."""


class UnknownCluster(CallRefused):
    """There is no cluster of that name."""


class Failure(enum.Enum):
    """Why a call has no whole response of the upstream."""

    NO_HOST = "no healthy host"
    CONNECT = "no connection"
    OVERFLOW = "circuit breaker"
    RESET = "reset before the response"
    INCOMPLETE = "reset in the middle of the response"
    TIMEOUT = "time-out"
    TOO_LARGE = "response too large"


@dataclass(slots=True, frozen=True)
class CallOptions:
    """How to call.

    `timeout_s` counts from when the request is under way; None or 0 is none.  `hash_on` is what a hashing cluster
    chooses its host by.  `send_xff` adds this host's address to `x-forwarded-for`.  A response with a body of more than
    `max_response_bytes` is a failure.  `content_length` tells the upstream how long the body is."""

    timeout_s: float | None = 5.0
    send_xff: bool = True
    hash_on: bytes | None = None
    max_response_bytes: int = MAX_RESPONSE_BYTES
    content_length: bool = True


DEFAULT_OPTIONS = CallOptions()


@dataclass(slots=True, frozen=True)
class CallResult:
    """What came of a call.

    Without a whole response `failure` says why, and `headers` and `body` are the reply that Envoy's router would give
    (503 or 504 with a text).  `answered` is False where Envoy's async client reports a failure and no such reply: the
    response had begun.  `code_details` is what Envoy's %RESPONSE_CODE_DETAILS% of the call are."""

    headers: HeaderMap
    body: bytes = b""
    trailers: HeaderMap | None = None
    failure: Failure | None = None
    detail: str = ""
    answered: bool = True
    code_details: str = VIA_UPSTREAM

    @property
    def status(self) -> int:
        """The status code."""
        return int(self.headers.map[b":status"])


OnDone = Callable[[CallResult], None]


class RunningCall(Protocol):
    """A call that was begun."""

    done: bool

    def cancel(self) -> None:
        """Give the call up: nothing more is heard of it."""


class CallMaker(Protocol):
    """Makes calls and streams: the worker's clusters, or what a test puts in their place."""

    def call(
        self,
        cluster: str,
        headers: HeaderMap,
        body: bytes,
        trailers: HeaderMap | None,
        options: CallOptions,
        on_done: OnDone,
    ) -> RunningCall:
        """Begin a call.  Raises UnknownCluster or CallRefused."""

    def stream(self, cluster: str, headers: HeaderMap, options: CallOptions, events: StreamEvents) -> RunningStream:
        """Begin a stream.  Raises UnknownCluster or CallRefused."""


class _HashContext(LoadBalancerContext):
    """A call that says which host it wants by a hash."""

    __slots__ = ("_text",)

    def __init__(self, text: bytes) -> None:
        self._text = text

    def hash_key(self) -> int | None:
        import xxhash

        return xxhash.xxh64_intdigest(self._text)


class HttpCall:
    """A call under way; implements the pool's `PoolRequest`.  `on_done` is called once, unless it is cancelled."""

    __slots__ = (
        "_body",
        "_cluster",
        "_connection",
        "_headers",
        "_host",
        "_on_done",
        "_options",
        "_pieces",
        "_pool",
        "_response",
        "_services",
        "_size_bytes",
        "_start_s",
        "_starting",
        "_timer",
        "_trailers",
        "_waiting",
        "done",
    )

    def __init__(
        self,
        services: Services,
        cluster: Cluster,
        headers: HeaderMap,
        body: bytes,
        trailers: HeaderMap | None,
        options: CallOptions,
        on_done: OnDone,
    ) -> None:
        self._services = services
        self._cluster = cluster
        self._headers = headers
        self._body = body
        self._trailers = trailers
        self._options = options
        self._on_done: OnDone | None = on_done
        self._host: Host | None = None
        self._pool: Http1Pool | None = None
        self._connection: Http1Connection | None = None
        self._waiting = False
        self._response: HeaderMap | None = None
        self._pieces: list[bytes] = []
        self._size_bytes = 0
        self._timer: Timer | None = None
        self._start_s = 0.0
        self._starting = True
        self.done = False

    def start(self) -> None:
        """Choose a host and ask its pool; what fails at once is told in the next turn of the loop."""
        options = self._options
        context = None if options.hash_on is None else _HashContext(options.hash_on)
        self._start_s = self._services.clock()
        host = self._host = self._cluster.choose_host(context, None, self._headers)
        if host is None:
            self._charge(503)
            self._finish(_reply(503, b"no healthy upstream", Failure.NO_HOST, "", NO_HEALTHY_UPSTREAM))
        else:
            if options.timeout_s:
                self._timer = self._services.timers.call_later(options.timeout_s, self._timed_out)
            cluster = self._cluster.owner(host)
            name = requested_server_name(cluster, self._headers) if cluster.plan.http.auto_sni else ""
            self._pool = http_pool(self._services, cluster, host, 0, "HTTP/1.1", name)
            self._waiting = True
            self._pool.acquire(self)
        self._starting = False

    def cancel(self) -> None:
        """Give the call up: nothing more is heard of it."""
        self._on_done = None
        if not self.done:
            self._let_go()

    # ---- PoolRequest ----

    def on_pool_ready(self, connection: Http1Connection) -> None:
        """The connection is there: send everything."""
        self._waiting = False
        self._connection = connection
        codec = connection.codec
        stream_id = codec.stream_id
        body, trailers = self._body, self._trailers
        codec.send_headers(stream_id, self._headers, not body and trailers is None)
        if body:
            codec.send_data(stream_id, body, trailers is None)
        if trailers is not None:
            codec.send_trailers(stream_id, trailers)

    def on_pool_failure(self, reason: str, detail: str, host: Host | None) -> None:
        """No connection."""
        self._waiting = False
        self._reset(Failure.OVERFLOW if reason == Reset.OVERFLOW else Failure.CONNECT, reason, detail)

    def on_informational(self, headers: HeaderMap) -> None:
        """A 1xx response means nothing to a call."""

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        """A whole response at once."""
        self._response = head.headers()
        self._pieces.append(body)
        self._size_bytes = len(body)
        self._complete(None)

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The response head."""
        self._response = headers
        if end:
            self._complete(None)

    def on_data(self, data: bytes, end: bool) -> None:
        """A piece of the body."""
        self._pieces.append(data)
        self._size_bytes += len(data)
        if end:
            self._complete(None)
        elif self._size_bytes > self._options.max_response_bytes:
            self._cut(Failure.TOO_LARGE)

    def on_trailers(self, trailers: HeaderMap) -> None:
        """The trailers: the end."""
        self._complete(trailers)

    def on_reset(self, reason: str, detail: str) -> None:
        """The connection failed under the call."""
        self._connection = None
        if self._response is not None:
            self._cut(Failure.INCOMPLETE, reset_details(LATE_UPSTREAM_RESET, reason))
        else:
            self._reset(Failure.RESET, reason, detail)

    def on_high_watermark(self) -> None:
        """The request is in memory already: there is nothing to hold back."""

    def on_low_watermark(self) -> None:
        """See on_high_watermark."""

    # ---- the ends ----

    def _complete(self, trailers: HeaderMap | None) -> None:
        headers, host = self._response, self._host
        if self.done or headers is None or host is None:
            return
        if self._size_bytes > self._options.max_response_bytes:
            self._cut(Failure.TOO_LARGE)
            return
        status = int(headers.map[b":status"])
        elapsed_ms = self._elapsed_ms()
        canary = host.canary or headers.map.get(_CANARY) == b"true"
        stats = self._cluster.stats
        (host.stats.rq_error if status >= 500 else host.stats.rq_success).inc()
        stats.charge_response(status, True, canary)
        stats.charge_time(elapsed_ms, True, canary)
        self._add_service_time(headers, elapsed_ms)
        self._connection = None
        self._finish(CallResult(headers, b"".join(self._pieces), trailers))

    def _add_service_time(self, headers: HeaderMap, elapsed_ms: int) -> None:
        headers.set(b"x-envoy-upstream-service-time", b"%d" % elapsed_ms)

    def _elapsed_ms(self) -> int:
        return int((self._services.clock() - self._start_s) * 1000)

    def _reset(self, failure: Failure, reason: str, detail: str) -> None:
        if self.done:
            return
        status = 502 if reason == Reset.PROTOCOL_ERROR else 503
        self._charge(status)
        details = reset_details(EARLY_UPSTREAM_RESET, reason, detail)
        text = f"upstream connect error or disconnect/reset before headers. reset reason: {reason}"
        self._finish(_reply(status, text.encode(), failure, detail or reason, details))

    def _timed_out(self) -> None:
        self._timer = None
        if self.done:
            return
        self._cluster.stats.upstream_rq_timeout.inc()
        if self._host is not None:
            self._host.stats.rq_timeout.inc()
        if self._response is not None:
            self._cut(Failure.TIMEOUT, RESPONSE_TIMEOUT)
            return
        self._charge(504)
        self._finish(_reply(504, b"upstream request timeout", Failure.TIMEOUT, "", RESPONSE_TIMEOUT))

    def _cut(self, failure: Failure, details: str = VIA_UPSTREAM) -> None:
        """The response had begun: it is counted as what it began as."""
        response = self._response
        if not self.done and response is not None:
            self._charge_begun(response)
            headers = HeaderMap([(b":status", b"503")])
            self._finish(CallResult(headers, b"", None, failure, failure.value, answered=False, code_details=details))

    def _charge_begun(self, response: HeaderMap) -> None:
        host = self._host
        canary = (host is not None and host.canary) or response.map.get(_CANARY) == b"true"
        self._cluster.stats.charge_response(int(response.map[b":status"]), True, canary)

    def _charge(self, status: int) -> None:
        host = self._host
        if host is not None:
            host.stats.rq_error.inc()
        self._cluster.stats.charge_response(status, True, host is not None and host.canary)

    def _finish(self, result: CallResult) -> None:
        self._let_go()
        if result.failure is not None and self._headers.map[b":method"] == b"HEAD":
            result = replace(result, body=b"")
        if self._starting:
            self._services.loop.call_soon(self._deliver, result)
        else:
            self._deliver(result)

    def _deliver(self, result: CallResult) -> None:
        on_done, self._on_done = self._on_done, None
        if on_done is not None:
            on_done(result)

    def _let_go(self) -> None:
        """Release the timer and the place in the pool or the connection."""
        self.done = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting and self._pool is not None:
            self._waiting = False
            self._pool.cancel_pending(self)
        connection, self._connection = self._connection, None
        if connection is not None and connection.request is self:
            connection.cancel()


class Caller:
    """Makes the calls of one worker; owns the counters that Envoy keeps below `http.async-client.`."""

    __slots__ = ("_address", "_rq_total", "_services")

    def __init__(self, services: Services) -> None:
        from pyvoy.network.local_address import local_ip

        self._services = services
        self._address = local_ip().encode()
        scope = services.root_scope.scope("http.async-client")
        for name in ("no_cluster", "no_route", "rq_direct_response", "rq_redirect"):
            scope.counter(name)
        scope.counter("rq_reset_after_downstream_response_started")
        self._rq_total: Counter = scope.counter("rq_total")

    def call(
        self,
        cluster: str,
        headers: HeaderMap,
        body: bytes,
        trailers: HeaderMap | None,
        options: CallOptions,
        on_done: OnDone,
    ) -> HttpCall:
        """Begin a call; `headers` belong to it from here on.

        Raises UnknownCluster, or CallRefused for headers that make no request."""
        found = self._begin(cluster, headers)
        self._complete(headers, body, trailers is not None, options)
        call = HttpCall(self._services, found, headers, body, trailers, options, on_done)
        call.start()
        return call

    def stream(self, cluster: str, headers: HeaderMap, options: CallOptions, events: StreamEvents) -> CallStream:
        """The same for a stream, whose body comes in pieces."""
        from pyvoy.extensions.call_stream import CallStream

        found = self._begin(cluster, headers)
        self._complete(headers, b"", False, options)
        stream = CallStream(self._services, found, headers, options, events)
        stream.start()
        return stream

    def _begin(self, cluster: str, headers: HeaderMap) -> Cluster:
        found = self._services.clusters.get(cluster)
        if found is None:
            raise UnknownCluster(f"there is no cluster {cluster!r}")
        check_head(headers)
        self._rq_total.inc()
        return found

    def _complete(self, headers: HeaderMap, body: bytes, trailers: bool, options: CallOptions) -> None:
        """What Envoy's async client and router add and take away."""
        for name in _FRAMING:
            headers.remove(name)
        headers.set_default(b":scheme", b"http")
        if trailers or not options.content_length:
            headers.remove(b"content-length")
        elif body:
            headers.set(b"content-length", b"%d" % len(body))
        headers.set(b"x-envoy-internal", b"true")
        if options.send_xff:
            headers.append_value(b"x-forwarded-for", self._address)
        if options.timeout_s:
            headers.set(b"x-envoy-expected-rq-timeout-ms", b"%d" % int(options.timeout_s * 1000))


def check_head(headers: HeaderMap) -> None:
    """Raises CallRefused for headers that make no request.  `host` is another name of `:authority`: both are joined."""
    host = headers.joined(b"host")
    if host is not None:
        headers.remove(b"host")
        given = (headers.map.get(b":authority"), host)
        headers.set(b":authority", b",".join(each for each in given if each))
    for name in _REQUIRED:
        if not headers.map.get(name) and (name != b":authority" or name not in headers.map):
            raise CallRefused(f"a call needs the header {name.decode()}")
    if headers.map[b":method"] == b"CONNECT":
        raise CallRefused("a call cannot be a CONNECT")
    for name, value in headers.items():
        if not valid_pair(name, value):
            raise CallRefused(f"{name!r}: {value!r} is no header")


def _reply(status: int, text: bytes, failure: Failure, detail: str, code_details: str) -> CallResult:
    """The router's own reply."""
    headers = HeaderMap(
        [(b":status", b"%d" % status), (b"content-length", b"%d" % len(text)), (b"content-type", b"text/plain")]
    )
    return CallResult(headers, text, None, failure, detail or failure.value, code_details=code_details)
