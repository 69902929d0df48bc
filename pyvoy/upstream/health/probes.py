"""The probes over HTTP/1 and TCP: a request, and bytes; those over HTTP/2 are in `probes_h2.py`.  Each keeps its
connection from check to check if it may.

What a result means is the session's.  Source of behaviour: Envoy, HttpHealthCheckerImpl and TcpHealthCheckerImpl; what
is sent was recorded from 1.40.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, cast

from pyvoy.http.codec import CodecError
from pyvoy.http.h1.client import Http1ClientCodec
from pyvoy.http.h1.heads import ResponseHead
from pyvoy.http.h1.limits import UPSTREAM_PLAN
from pyvoy.http.headers import HeaderMap
from pyvoy.network.address import Address
from pyvoy.network.tls.client import ClientTransport
from pyvoy.upstream.endpoint import Host
from pyvoy.upstream.health.plan import GrpcProbePlan, HealthCheckPlan, HttpProbePlan, TcpProbePlan
from pyvoy.upstream.health.session import Failure, HealthSession
from pyvoy.upstream.pool.connection import unix_path

if TYPE_CHECKING:
    from pyvoy.http.h1.heads import ResponseHead
    from pyvoy.observe.tls_info import TlsInfo

Spawn = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
USER_AGENT = b"Envoy/HC"


def make_probe(session: HealthSession, plan: HealthCheckPlan, loop: asyncio.AbstractEventLoop, spawn: Spawn) -> Prober:
    """The probe that the plan asks for."""
    from pyvoy.upstream.health.probes_h2 import GrpcProbe, Http2Probe

    kind: type[Prober] = TcpProbe
    if isinstance(plan.probe, HttpProbePlan):
        kind = Http2Probe if plan.probe.http2 else HttpProbe
    elif isinstance(plan.probe, GrpcProbePlan):
        kind = GrpcProbe
    return kind(session, plan, loop, spawn)


def target_of(host: Host) -> Address:
    """Where a host is checked: at its address unless the endpoint says otherwise."""
    wanted, address = host.check, host.address
    if address.is_pipe or not (wanted.ip or wanted.port):
        return address
    return Address(wanted.ip or address.ip, wanted.port or address.port)


class Prober(asyncio.Protocol):
    """What both have in common: the connection and its end.  One check at a time."""

    server_name = expected_name = ""
    alpn: tuple[str, ...] = ()
    tls: TlsInfo | None = None
    _securing: ClientTransport | None = None

    def __init__(
        self, session: HealthSession, plan: HealthCheckPlan, loop: asyncio.AbstractEventLoop, spawn: Spawn
    ) -> None:
        self._session = session
        self.host = session.host
        self._plan = plan
        self._loop = loop
        self._spawn = spawn
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._asking = False

    def check(self) -> None:
        """Ask on the connection that is there, or make one."""
        self._asking = True
        if self._transport is not None and not self._transport.is_closing():
            self.ask()
        else:
            self._transport = None
            self._task = self._spawn(self._connect(), "health check")

    async def _connect(self) -> None:
        address = target_of(self.host)
        socket = self._socket
        protocol = self if socket is None else socket.secure(self)
        self._securing = protocol if isinstance(protocol, ClientTransport) else None
        try:
            if address.is_pipe:
                await self._loop.create_unix_connection(lambda: protocol, unix_path(address.path))  # type: ignore[arg-type]  # bytes name an abstract socket
            else:
                await self._loop.create_connection(lambda: protocol, address.ip, address.port)
        except OSError:
            self.network_failed()

    @property
    def _socket(self) -> Any:
        """The transport socket of the host; None for plain text."""
        sockets = self._plan.transport_sockets
        return None if sockets is None else sockets.of(self.host).socket

    @property
    def scheme(self) -> bytes:
        """What a request over HTTP/2 says of the connection."""
        return b"http" if self._socket is None else b"https"

    def give_up(self) -> None:
        """Too late."""
        self._asking = False
        self.close()

    def close(self) -> None:
        """Drop the connection, or the attempt to make one."""
        self._asking = False
        if self._task is not None:
            self._task.cancel()
            self._task = None
        if self._securing is not None and self._transport is None:
            self._securing.give_up()
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def answered(self, *, keep: bool) -> None:
        """The answer is there; the connection stays for the next check if both sides want it."""
        self._asking = False
        if not (keep and self._plan.reuse_connection):
            self.close()

    @property
    def closed(self) -> bool:
        """Nobody waits for a connection."""
        return not self._asking

    def transport_failed(self, text: str) -> None:
        """TLS broke."""
        self.network_failed()

    def network_failed(self) -> None:
        """No connection, or a broken one."""
        if self._asking:
            self.close()
            self._session.failed(Failure.NETWORK)

    def write(self, data: bytes) -> None:
        """Send bytes of a check."""
        if self._transport is not None:
            self._transport.write(data)

    # ---- asyncio.Protocol ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, if the check still runs."""
        self._task = None
        self._transport = cast("asyncio.Transport", transport)
        if self._asking:
            self.begin()
        else:
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, perhaps under a check."""
        if self._transport is not None:
            self._transport = None
            self.lost()

    # ---- the subclass's ----

    def begin(self) -> None:
        """A new connection is there, and a check waits for it."""
        self.ask()

    def ask(self) -> None:
        """Send what a check sends."""

    def lost(self) -> None:
        """The host closed the connection."""
        self.network_failed()


class HttpProbe(Prober):
    """A request for each check.  It is the sink of its own codec."""

    alpn = ("http/1.1",)
    _codec: Any
    _stream_id = 0
    _headers: HeaderMap
    _body = b""

    def begin(self) -> None:
        """A new connection speaks its own HTTP."""
        self._codec = Http1ClientCodec(self.write, lambda: None, UPSTREAM_PLAN)
        self.ask()

    def ask(self) -> None:
        """Send the request."""
        self._body = b""
        self._stream_id = self._codec.new_stream(self)
        self._codec.send_headers(self._stream_id, self.head(), True)

    def head(self) -> HeaderMap:
        """The request."""
        probe = cast("HttpProbePlan", self._plan.probe)
        hostname = self._session.host.check.hostname.encode("latin-1")
        headers = HeaderMap(
            (
                (b":method", probe.method),
                (b":path", probe.path),
                (b":authority", hostname or probe.host),
                (b"user-agent", USER_AGENT),
            )
        )
        probe.headers.apply(None, headers)
        return headers

    @property
    def reusable(self) -> bool:
        """Whether another check may use the connection."""
        return bool(self._codec.reusable)

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer; what comes without a question makes the connection useless."""
        if not self._asking:
            self.close()
            return
        try:
            self._codec.feed(data)
        except CodecError:
            self.network_failed()

    def lost(self) -> None:
        """The close may be the end of a body without a length."""
        if self._asking and not self._codec.feed_eof():
            self.network_failed()

    # ---- ResponseSink ----

    def on_informational(self, headers: HeaderMap) -> None:
        """1xx answers mean nothing here."""

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        """A whole answer."""
        self._headers = head.headers()
        self._take(body, end=True)

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The head of the answer."""
        self._headers = headers
        if end:
            self._judge()

    def on_data(self, data: bytes, end: bool) -> None:
        """A piece of the body."""
        self._take(data, end=end)

    def on_trailers(self, trailers: HeaderMap) -> None:
        """The end of the answer."""
        self._judge()

    def on_reset(self, reason: str, detail: str) -> None:
        """The answer broke off."""
        self.network_failed()

    def on_high_watermark(self) -> None:
        """Requests have no body."""

    def on_low_watermark(self) -> None:
        """Requests have no body."""

    def _take(self, data: bytes, *, end: bool) -> None:
        probe = cast("HttpProbePlan", self._plan.probe)
        if probe.receive:
            self._body += data
            if probe.buffer_bytes:
                self._body = self._body[: probe.buffer_bytes]
        if end:
            self._judge()

    def _judge(self) -> None:
        """The answer is whole (Envoy: healthCheckResult)."""
        values = self._headers.map
        status = int(values[b":status"])
        probe = cast("HttpProbePlan", self._plan.probe)
        good = _within(status, probe.expected) and contains_in_order(probe.receive, self._body)
        retriable = not good and _within(status, probe.retriable)
        if good and probe.service_name is not None:
            self._session.stats.verify_cluster.inc()
            good = probe.service_name(values.get(b"x-envoy-upstream-healthchecked-cluster", b""))
        self._loop.call_soon(self._report, good, retriable, values)

    def _report(self, good: bool, retriable: bool, values: dict[bytes, bytes]) -> None:
        """Behind the codec's work, so that it may be thrown away."""
        if not self._asking:
            return
        self.answered(keep=self.reusable)
        if good:
            self._session.succeeded(degraded=b"x-envoy-degraded" in values)
        else:
            self._session.failed(Failure.ACTIVE, retriable=retriable)
        if b"x-envoy-immediate-health-check-fail" in values:
            self._session.exclude()


class TcpProbe(Prober):
    """Connects, or sends bytes and waits for others."""

    _received = b""

    def begin(self) -> None:
        """Connected: enough when nothing is to be received."""
        probe = cast("TcpProbePlan", self._plan.probe)
        if probe.receive:
            self.ask()
        else:
            self.write(probe.send)
            self.answered(keep=False)
            self._session.succeeded()

    def ask(self) -> None:
        """Send the bytes."""
        self._received = b""
        self.write(cast("TcpProbePlan", self._plan.probe).send)

    def data_received(self, data: bytes) -> None:
        """Bytes of the answer."""
        if not self._asking:
            return
        self._received += data
        if contains_in_order(cast("TcpProbePlan", self._plan.probe).receive, self._received):
            self.answered(keep=True)
            self._session.succeeded()

    def lost(self) -> None:
        """As in Envoy, a host that closes the connection between two checks has failed one."""
        self._asking = True
        self.network_failed()


def contains_in_order(pieces: Sequence[bytes], data: bytes) -> bool:
    """Whether all pieces occur one behind the other, whatever is between them (Envoy: PayloadMatcher::match)."""
    start = 0
    for piece in pieces:
        found = data.find(piece, start)
        if found < 0:
            return False
        start = found + len(piece)
    return True


def _within(status: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(start <= status < end for start, end in ranges)
