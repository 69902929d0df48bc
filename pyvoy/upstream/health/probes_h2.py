"""The probes over HTTP/2: an HTTP request, and the Check call of gRPC's health service.

Source of behaviour: Envoy, HttpHealthCheckerImpl and GrpcHealthCheckerImpl; what is sent was recorded from 1.40.  The
service is grpc.health.v1.Health, whose two messages have one field each.
"""

from __future__ import annotations

import asyncio
from typing import Any, cast

from pyvoy.http.codec import CodecError
from pyvoy.http.grpc_frames import PREFIX_BYTES, frame
from pyvoy.http.h2.client import Http2ClientCodec
from pyvoy.http.h2.frames import PREFACE, ErrorCode
from pyvoy.http.h2.limits import Http2Plan
from pyvoy.http.h2.stats import CodecStats
from pyvoy.http.headers import HeaderMap
from pyvoy.upstream.health.plan import GrpcProbePlan
from pyvoy.upstream.health.probes import USER_AGENT, HttpProbe, Prober
from pyvoy.upstream.health.session import Failure

_PATH = b"/grpc.health.v1.Health/Check"
_SERVING = 1
_PLAN = Http2Plan()


class _OverHttp2(Prober):
    """A connection that speaks HTTP/2, with one request at a time.  It is the sink of its own codec and requests."""

    alpn = ("h2",)
    _codec: Any
    _stats: CodecStats
    _stream_id = 0
    _draining = False

    async def _connect(self) -> None:
        self._stats = CodecStats(self._session.stats.cluster_scope)
        self._stats.nghttp2_upstream_connections.inc()  # counted before there is one, as in Envoy
        await super()._connect()

    def begin(self) -> None:
        """A new connection: speak first, then ask."""
        self._draining = False
        self._codec = Http2ClientCodec(self, self.write, _PLAN, self._stats, self._unwritten)
        self._codec.start(PREFACE)
        self.ask()

    def _unwritten(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def give_up(self) -> None:
        """Too late: only the request ends, if the connection may be used again."""
        if self._transport is None or self._draining or not self._plan.reuse_connection:
            super().give_up()
            return
        self._asking = False
        self._codec.reset_code(self._stream_id, ErrorCode.INTERNAL_ERROR)

    def data_received(self, data: bytes) -> None:
        """Bytes of an answer, or of the connection itself."""
        self._codec.feed(data)

    def lost(self) -> None:
        """The host closed the connection."""
        self.network_failed()

    # ---- Http2ClientSink ----

    def on_settings(self) -> None:
        """One request is always allowed."""

    def on_goaway(self) -> None:
        """The connection ends with the running check, or at once."""
        self._draining = True
        if not self._asking:
            self._loop.call_soon(self._close_idle)

    def _close_idle(self) -> None:
        if not self._asking:
            self.close()

    def on_connection_error(self, error: CodecError) -> None:
        """The host broke the protocol."""
        self._draining = True
        self._loop.call_soon(self._broken)

    def _broken(self) -> None:
        if self._asking:
            self.network_failed()
        else:
            self.close()

    def on_ping_answered(self, payload: bytes) -> None:
        """Nobody asked."""

    # ---- ResponseSink ----

    def on_reset(self, reason: str, detail: str) -> None:
        """The answer broke off; the connection may go on."""
        self._loop.call_soon(self._reset_seen)

    def _reset_seen(self) -> None:
        if self._asking:
            self.answered(keep=not self._draining)
            self._session.failed(Failure.NETWORK)

    def on_gone(self) -> None:
        """The stream is closed."""


class Http2Probe(_OverHttp2, HttpProbe):
    """A request for each check, over HTTP/2."""

    alpn = ("h2",)

    def head(self) -> HeaderMap:
        """The request, with the scheme that HTTP/2 needs."""
        headers = super().head()
        headers.add(b":scheme", self.scheme)
        return headers

    @property
    def reusable(self) -> bool:
        """Whether another check may use the connection."""
        return not self._draining


class GrpcProbe(_OverHttp2):
    """A Check call for each check."""

    _data = b""
    _head_is_good = False

    def ask(self) -> None:
        """Send the call."""
        from google.protobuf.wrappers_pb2 import StringValue  # the request has a text in field 1, as this has

        probe = cast("GrpcProbePlan", self._plan.probe)
        hostname = self._session.host.check.hostname.encode("latin-1")
        headers = HeaderMap(
            (
                (b":method", b"POST"),
                (b":path", _PATH),
                (b":authority", hostname or probe.authority),
                (b":scheme", self.scheme),
                (b"te", b"trailers"),
                (b"content-type", b"application/grpc"),
                (b"user-agent", USER_AGENT),
            )
        )
        probe.metadata.apply(None, headers)
        headers.set(b"grpc-timeout", b"%dm" % round(self._plan.timeout_s * 1000))
        self._data = b""
        self._stream_id = self._codec.new_stream(self)
        self._codec.send_headers(self._stream_id, headers, False)
        self._codec.send_data(self._stream_id, frame(StringValue(value=probe.service).SerializeToString()), True)

    # ---- ResponseSink ----

    def on_informational(self, headers: HeaderMap) -> None:
        """1xx answers mean nothing here."""

    def on_headers(self, headers: HeaderMap, end: bool) -> None:
        """The head, or all there is: then it says what is wrong."""
        good = headers.map[b":status"] == b"200"
        grpc = headers.map.get(b"content-type", b"").startswith(b"application/grpc")
        if end or not (good and grpc):
            self._decide(False, ended=end)

    def on_data(self, data: bytes, end: bool) -> None:
        """A piece of the answer's message."""
        self._data += data
        if end:
            self._decide(False, ended=True)  # without trailers there is no status

    def on_trailers(self, trailers: HeaderMap) -> None:
        """The end of the answer."""
        self._decide(trailers.map.get(b"grpc-status") == b"0" and _serving(self._data), ended=True)

    def _decide(self, good: bool, *, ended: bool) -> None:
        self._loop.call_soon(self._report, good, ended)

    def _report(self, good: bool, ended: bool) -> None:
        """Behind the codec's work, so that it may be thrown away."""
        if not self._asking:
            return
        if not ended:
            self._codec.reset_code(self._stream_id, ErrorCode.INTERNAL_ERROR)
        self.answered(keep=not self._draining)
        if good:
            self._session.succeeded()
        else:
            self._session.failed(Failure.ACTIVE)


def _serving(data: bytes) -> bool:
    """Whether the body is one message, and it says SERVING."""
    from google.protobuf.message import DecodeError
    from google.protobuf.wrappers_pb2 import Int32Value  # the answer has an enum in field 1, as this has a number

    size = int.from_bytes(data[1:PREFIX_BYTES], "big")
    if len(data) != PREFIX_BYTES + size or data[0]:
        return False
    try:
        return bool(Int32Value.FromString(data[PREFIX_BYTES:]).value == _SERVING)
    except DecodeError:
        return False


_: type[asyncio.Protocol] = GrpcProbe
