"""Byte streams behind an upgrade to WebSocket, for both ends: HTTP/1's connection, or one stream of HTTP/2 (RFC 8441).

What is written is sent as far as the other side takes it; what has come is credited when it is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol

import h2.config
import h2.connection
import h2.events
import h2.exceptions
from h2.settings import SettingCodes

CHUNK_BYTES = 65536
Accept = Callable[["Tunnel"], Awaitable[None]]


class Tunnel(Protocol):
    """One end.  After the last byte `read` returns b""; a reset is an end too, and says so in `was_reset`."""

    was_reset: bool

    async def write(self, data: bytes) -> None:
        """Send, as fast as the other side takes it; nothing when it is gone."""

    async def read(self) -> bytes:
        """What comes next."""

    async def end(self) -> None:
        """End our side."""

    def abort(self) -> None:
        """Give up at once."""


class StreamTunnel:
    """On a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self.was_reset = False

    async def write(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            self._writer.write(data)
            await self._writer.drain()

    async def read(self) -> bytes:
        try:
            return await self._reader.read(CHUNK_BYTES)
        except ConnectionError:
            self.was_reset = True
            return b""

    async def end(self) -> None:
        with contextlib.suppress(OSError):
            if self._writer.can_write_eof():
                self._writer.write_eof()
            else:
                self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


class Http2Tunnel:
    """On one stream; `ended` and what came wait in a queue."""

    def __init__(self, connection: Http2End, stream_id: int) -> None:
        self._connection = connection
        self.stream_id = stream_id
        self.was_reset = False
        self.status = ""
        self.answered = asyncio.Event()
        self.room = asyncio.Event()
        self.incoming: asyncio.Queue[tuple[bytes, int]] = asyncio.Queue()
        self._over = False

    async def write(self, data: bytes) -> None:
        protocol = self._connection.protocol
        view = memoryview(data)
        try:
            while view and not self._over:
                room = protocol.local_flow_control_window(self.stream_id)
                size = min(len(view), room, protocol.max_outbound_frame_size)
                if size <= 0:
                    self.room.clear()
                    await self.room.wait()
                    continue
                protocol.send_data(self.stream_id, bytes(view[:size]))
                view = view[size:]
                await self._connection.flush()
        except (h2.exceptions.ProtocolError, ConnectionError):
            return

    async def read(self) -> bytes:
        if self._over:
            return b""
        data, size = await self.incoming.get()
        if size:
            with contextlib.suppress(h2.exceptions.ProtocolError, ConnectionError):
                self._connection.protocol.acknowledge_received_data(size, self.stream_id)
                await self._connection.flush()
        else:
            self._over = True
        return data

    def ended(self, *, reset: bool = False) -> None:
        """No more comes."""
        self.was_reset = self.was_reset or reset
        self.answered.set()
        self.room.set()
        self.incoming.put_nowait((b"", 0))

    async def end(self) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError, ConnectionError):
            self._connection.protocol.end_stream(self.stream_id)
            await self._connection.flush()

    def abort(self) -> None:
        with contextlib.suppress(h2.exceptions.ProtocolError):
            self._connection.protocol.reset_stream(self.stream_id, 8)
            self._connection.push()


class Http2End:
    """One HTTP/2 connection; a server's hands each tunnel to `accept`."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, accept: Accept | None = None
    ) -> None:
        self._reader, self._writer, self._accept = reader, writer, accept
        config = h2.config.H2Configuration(client_side=accept is None, header_encoding="latin-1")
        self.protocol = h2.connection.H2Connection(config)
        self.protocol.initiate_connection()
        if accept is not None:
            self.protocol.update_settings({SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
        self._streams: dict[int, Http2Tunnel] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.push()

    def push(self) -> None:
        """Hand over what is to be sent."""
        self._writer.write(self.protocol.data_to_send())

    async def flush(self) -> None:
        """The same, and wait until the socket takes more."""
        self.push()
        await self._writer.drain()

    async def run(self) -> None:
        """Read until the connection ends."""
        try:
            while data := await self._reader.read(CHUNK_BYTES):
                for event in self.protocol.receive_data(data):
                    self._take(event)
                await self.flush()
        except (ConnectionError, h2.exceptions.ProtocolError):
            pass
        finally:
            for tunnel in self._streams.values():
                tunnel.ended(reset=True)
            self._writer.close()
            for task in self._tasks:
                task.cancel()

    def _take(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived) and self._accept is not None:
            tunnel = self._streams[event.stream_id] = Http2Tunnel(self, event.stream_id)
            self.protocol.send_headers(event.stream_id, [(":status", "200")])
            task = asyncio.get_running_loop().create_task(self._accept(tunnel))  # type: ignore[arg-type]
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return
        if isinstance(event, h2.events.WindowUpdated | h2.events.RemoteSettingsChanged):
            for tunnel in self._streams.values():
                tunnel.room.set()
            return
        found = self._streams.get(getattr(event, "stream_id", 0) or 0)
        if found is None:
            return
        if isinstance(event, h2.events.ResponseReceived):
            found.status = dict(event.headers)[":status"]
            found.answered.set()
        elif isinstance(event, h2.events.DataReceived):
            if event.flow_controlled_length:
                found.incoming.put_nowait((event.data, event.flow_controlled_length))
        elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset):
            found.ended(reset=isinstance(event, h2.events.StreamReset))

    async def open(self, path: str) -> Http2Tunnel:
        """A tunnel of the client's."""
        stream_id = self.protocol.get_next_available_stream_id()
        tunnel = self._streams[stream_id] = Http2Tunnel(self, stream_id)
        fields = {":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":authority": "a.test"}
        more = {":path": path, "sec-websocket-version": "13"}
        self.protocol.send_headers(stream_id, [*fields.items(), *more.items()])
        await self.flush()
        await tunnel.answered.wait()
        assert tunnel.status == "200", tunnel.status
        return tunnel


class Hang:
    """Everything that a client holds: closed at the end, whatever happened."""

    def __init__(self) -> None:
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def http1(self, port: int, path: str, context: ssl.SSLContext | None = None) -> StreamTunnel:
        """Upgrade a connection."""
        reader, writer = await self._connect(port, context)
        head = f"GET {path} HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        writer.write((head + key).encode())
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 101"), answer
        return StreamTunnel(reader, writer)

    async def http2(self, port: int, path: str, context: ssl.SSLContext | None = None) -> Http2Tunnel:
        """Extended CONNECT on a connection of its own."""
        end = Http2End(*await self._connect(port, context))
        self._tasks.append(asyncio.get_running_loop().create_task(end.run()))
        return await end.open(path)

    async def _connect(
        self, port: int, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        name = "a.test" if context else None
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=name)
        self._writers.append(writer)
        return reader, writer

    async def close(self) -> None:
        """Hang up."""
        for task in self._tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._writers.clear()
        self._tasks.clear()


async def serve_http1(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, accept: Accept) -> None:
    """One connection of a server that upgrades whatever is asked."""
    try:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
        await accept(StreamTunnel(reader, writer))
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()
