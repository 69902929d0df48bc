"""A streaming gRPC call for coroutines: `await call.send(message)`, `async for message in call`.

Messages that nobody has read yet are kept up to a mark; then the upstream gets no more credit until they are read.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING

from pyvoy.extensions.grpc_call import GrpcResult, GrpcStatus
from pyvoy.extensions.grpc_stream import GrpcCallStream, GrpcEnd
from pyvoy.extensions.http_call import CallOptions
from pyvoy.extensions.native.answers import GrpcAnswer, GrpcFailed, metadata_fields
from pyvoy.extensions.native.headers import Headers
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.extensions.host import Host

UNREAD_LIMIT_BYTES = 1 << 20
"""How much of the answer may wait to be read before the upstream is told to wait (Envoy's buffer limit)."""


class GrpcStream:
    """A call under way; made by `Extension.grpc_stream`, or by `open` where it belongs to no stream of the traffic.

    Best used as `async with self.grpc_stream(...) as call`: leaving the block gives the call up if it is not over."""

    __slots__ = (
        "_call",
        "_end",
        "_host",
        "_initial",
        "_last",
        "_paused",
        "_trailing",
        "_unread",
        "_unread_bytes",
        "_waiters",
    )

    def __init__(self, host: Host) -> None:
        self._host = host
        self._call: GrpcCallStream
        self._initial: HeaderMap | None = None
        self._trailing = HeaderMap()
        self._end: GrpcEnd | None = None
        self._unread: deque[bytes] = deque()
        self._unread_bytes = 0
        self._last = b""
        self._paused = False
        self._waiters: list[asyncio.Future[None]] = []

    @classmethod
    def open(
        cls,
        host: Host,
        cluster: str,
        service: str,
        method: str,
        *,
        metadata: Mapping[str, str | bytes] | None = None,
        authority: str = "",
        timeout_s: float | None = None,
        send_xff: bool = True,
    ) -> GrpcStream:
        """Begin a call that ends with the configuration, if not before.

        Raises UnknownCluster, CallRefused, NotRunning."""
        self = cls(host)
        self._call = host.grpc_stream(
            cluster,
            service,
            method,
            self,
            metadata=metadata_fields(metadata),
            authority=authority,
            options=CallOptions(timeout_s, send_xff),
        )
        host.closing.add(self.cancel)
        return self

    # ---- sending ----

    async def send(self, message: bytes, *, end: bool = False) -> None:
        """Send a serialized message; waits while the upstream takes no more.  `end`: it is the last one.

        Raises GrpcFailed when the call is over, whatever its status."""
        self._check_running()
        self._call.send(message, end=end)
        while self._call.full and self._end is None:
            await self._changed()

    def end(self) -> None:
        """No more messages; the upstream may still send some."""
        self._call.end()

    def cancel(self) -> None:
        """Give the call up; it has ended with the status CANCELLED if it was not over."""
        if self._end is None:
            self._call.cancel()
            self.on_end(GrpcEnd(GrpcStatus.CANCELLED, "the call was given up", GrpcStatus.CANCELLED))

    # ---- what comes back ----

    async def metadata(self) -> Headers:
        """The metadata in front of the first message; empty when the call failed before it."""
        while self._initial is None and self._end is None:
            await self._changed()
        return Headers(HeaderMap() if self._initial is None else self._initial)

    async def receive(self) -> bytes | None:
        """The next message, None after the last one.  Raises GrpcFailed when the call ended with another status than
        OK, behind the messages that came before."""
        while not self._unread:
            if self._end is not None:
                if self._end.status is not GrpcStatus.OK:
                    raise GrpcFailed(self._answer(self._end))
                return None
            await self._changed()
        return self._take()

    def __aiter__(self) -> GrpcStream:
        return self

    async def __anext__(self) -> bytes:
        message = await self.receive()
        if message is None:
            raise StopAsyncIteration
        return message

    async def result(self) -> GrpcAnswer:
        """End our side and wait for the end of the call: its status and metadata, and as `response` the last of the
        messages that were not read (the answer of a call with one answer).  A failure is in it, not raised."""
        self.end()
        while self._end is None:
            self._skim()
            await self._changed()
        self._skim()
        return self._answer(self._end)

    async def until_over(self) -> None:
        """Wait for the end of the call and read nothing."""
        while self._end is None:
            await self._changed()

    @property
    def over(self) -> bool:
        """Whether the call has ended; messages may still be there to be read."""
        return self._end is not None

    async def __aenter__(self) -> GrpcStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cancel()

    # ---- GrpcEvents ----

    def on_initial_metadata(self, metadata: HeaderMap) -> None:
        """The head of the answer."""
        self._initial = metadata
        self._wake()

    def on_message(self, message: bytes) -> None:
        """A message: for whoever waits for one."""
        self._unread.append(message)
        self._unread_bytes += len(message)
        if not self._paused and self._unread_bytes > UNREAD_LIMIT_BYTES:
            self._paused = True
            self._call.pause(True)
        self._wake()

    def on_trailing_metadata(self, metadata: HeaderMap) -> None:
        """The metadata behind the last message."""
        self._trailing = metadata

    def on_end(self, end: GrpcEnd) -> None:
        """The end."""
        self._end = end
        self._host.closing.discard(self.cancel)
        self._wake()

    def on_writable(self) -> None:
        """There is room again."""
        self._wake()

    # ---- inside ----

    def _check_running(self) -> None:
        if self._end is not None:
            raise GrpcFailed(self._answer(self._end))

    def _take(self) -> bytes:
        message = self._unread.popleft()
        self._unread_bytes -= len(message)
        if self._paused and self._unread_bytes <= UNREAD_LIMIT_BYTES // 2:
            self._paused = False
            self._call.pause(False)
        return message

    def _skim(self) -> None:
        """Keep the last message alone."""
        while self._unread:
            self._last = self._take()

    def _answer(self, end: GrpcEnd) -> GrpcAnswer:
        initial = HeaderMap() if self._initial is None else self._initial
        response = self._last if end.status is GrpcStatus.OK else b""
        return GrpcAnswer(GrpcResult(end.status, end.message, response, initial, self._trailing, end.failure))

    async def _changed(self) -> None:
        """Wait until something has happened."""
        services = self._host.services
        assert services is not None, "a call runs only where there are services"
        future: asyncio.Future[None] = services.loop.create_future()
        self._waiters.append(future)
        try:
            await future
        finally:
            if future in self._waiters:
                self._waiters.remove(future)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, []
        for future in waiters:
            if not future.done():
                future.set_result(None)
