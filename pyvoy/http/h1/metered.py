"""The server codec of a connection manager that has access logs: it also counts what each stream's bytes were.

Header bytes are those of the field lines alone; wire bytes received are what is handed to the codec while the stream
runs, so that a pipelined request counts with the one before it as well.  The plain codec knows nothing of this, and a
manager without access logs does not pay for it.  Source: Envoy's BytesMeter and where its http1 codec feeds it.
"""

from __future__ import annotations

from collections import deque

from pyvoy.http.codec import RequestSink, ServerSink
from pyvoy.http.h1 import encoder
from pyvoy.http.h1.heads import RequestHeads
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.h1.pipeline import Mode, Waiting
from pyvoy.http.h1.server import Http1ServerCodec, Write
from pyvoy.http.headers import HeaderMap
from pyvoy.observe.stream_info import StreamInfo

_RECEIVED_FIELD_BYTES = 3
"""What Envoy counts of a received field line beside its name and value."""


def received_field_bytes(headers: HeaderMap) -> int:
    """The bytes of the field lines of a head that has come, as Envoy counts them; Host stands in `:authority`."""
    total = 0
    for name, value in headers.items():
        if name[0] != 58:
            total += len(name) + len(value) + _RECEIVED_FIELD_BYTES
        elif name == b":authority" and value:
            total += len(b"host") + len(value) + _RECEIVED_FIELD_BYTES
    return total


class MeteredServerCodec(Http1ServerCodec):
    """Fills the downstream meters of the running stream.  Offsets count from the first byte of the connection."""

    __slots__ = ("_at", "_data", "_feeding", "_info", "_noted", "_out", "_pending", "_start", "_starts", "_total")

    def __init__(self, server: ServerSink, write: Write, plan: Http1Plan, heads: RequestHeads | None = None) -> None:
        super().__init__(server, self._count, plan, heads)
        self._out = write
        self._info: StreamInfo | None = None
        self._pending = 0
        """Bytes that came before their stream began."""
        self._total = 0
        self._noted = False
        self._feeding = False
        self._data = b""
        self._at = 0
        """How far the read is known to belong to messages whose start has been found."""
        self._start = 0
        self._starts: deque[int] = deque()
        """Where each waiting request starts."""

    def begin(self, info: StreamInfo) -> None:
        """A stream begins: what has come for it is its own."""
        self._info = info
        info.downstream_wire_bytes_received = self._pending
        self._pending = 0

    def feed_request(self, data: bytes) -> bool:
        """As the plain codec's, counted."""
        self._note(data)
        self._start = self._total - len(data)
        self._noted = not super().feed_request(data)
        return not self._noted

    def feed(self, data: bytes) -> None:
        """As the plain codec's, counted once however often it is fed again from inside."""
        if self._feeding:
            super().feed(data)
            return
        if not self._noted:
            self._note(data)
        self._noted = False
        self._data = data
        self._at = 0
        self._feeding = True
        try:
            super().feed(data)
        finally:
            self._feeding = False
            self._data = b""

    def _note(self, data: bytes) -> None:
        self._total += len(data)
        if self._info is not None:
            self._info.downstream_wire_bytes_received += len(data)
        elif not self._queue:
            self._pending += len(data)

    def _next_sink(self) -> RequestSink:
        data = self._data
        if not self._at and self._bound_bytes > len(data):
            self._start = self._total - self._bound_bytes  # it began in an earlier read
        else:
            found = max(data.find(self._method + b" " + self._target, self._at), self._at)
            self._start = self._total - len(data) + found
            self._at = found
        self._at += 1
        return super()._next_sink()

    def _wait(self, mode: Mode) -> Waiting:
        self._starts.append(self._start)
        return super()._wait(mode)

    def finish(self, stream_id: int) -> bool:
        """The running stream counts no more; the rest of what has been read is for the next one."""
        self._info = None
        if not self._queue and self._begun and self._sink is None:
            self._pending = self._head_bytes
        return super().finish(stream_id)

    def deliver_next(self) -> None:
        """The next stream has all that came since its request began."""
        self._pending = self._total - self._starts.popleft()
        super().deliver_next()

    def encode_headers(self, headers: HeaderMap, end: bool) -> bytes:
        """As the plain codec's, counted."""
        head = super().encode_headers(headers, end)
        if self._info is not None:
            self._info.downstream_header_bytes_sent += encoder.field_bytes(head)
        return head

    def send_informational(self, stream_id: int, headers: HeaderMap) -> None:
        """A 1xx head, counted."""
        if self._info is not None:
            self._info.downstream_header_bytes_sent += encoder.field_bytes(encoder.response_head(headers, b""))
        super().send_informational(stream_id, headers)

    def _count(self, data: bytes) -> None:
        if self._info is not None:
            self._info.downstream_wire_bytes_sent += len(data)
        self._out(data)
