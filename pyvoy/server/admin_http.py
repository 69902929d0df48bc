"""The admin's own little HTTP/1.1 server: bounded requests in, whole responses out, nothing of the data path in it.

Answers in order, one at a time, and only while the peer reads: a slow or pipelining client holds one response.
Source: the headers are those of Envoy 1.40's admin; limits are pyvoy's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

import httptools

log = logging.getLogger("pyvoy.admin")

HEAD_LIMIT_BYTES = 60 * 1024
BODY_LIMIT_BYTES = 1024 * 1024
QUEUE_LIMIT = 1000
CONNECTION_LIMIT = 1000
REQUEST_TIMEOUT_S = 30.0
"""For a request to arrive and for a response to be read."""
IDLE_TIMEOUT_S = 300.0
HIGH_WATER_BYTES = 1 << 20

TEXT = "text/plain; charset=UTF-8"
HTML = "text/html; charset=UTF-8"
JSON = "application/json"


@dataclass(slots=True)
class Request:
    """One request.  `query` holds the last value of each parameter, those of a form body included."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(slots=True)
class Response:
    """One response."""

    body: bytes | str
    status: int = 200
    content_type: str = TEXT
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[Request], Response]


class AdminServer:
    """Accepts on the given socket.  `handler` answers; `on_connection(+1/-1)` hears of connections."""

    def __init__(self, handler: Handler, on_connection: Callable[[int], None]) -> None:
        self.handler = handler
        self.on_connection = on_connection
        self.connections: set[AdminConnection] = set()
        self._server: asyncio.AbstractServer | None = None

    async def start(self, loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
        """Listen; the socket belongs to the server from now on."""
        if sock.family == socket.AF_UNIX:
            self._server = await loop.create_unix_server(lambda: AdminConnection(self, loop), sock=sock)
        else:
            self._server = await loop.create_server(lambda: AdminConnection(self, loop), sock=sock)

    def close(self) -> None:
        """Stop listening and close every connection once its response is written."""
        if self._server is not None:
            self._server.close()
        for connection in list(self.connections):
            connection.close()


class AdminConnection(asyncio.Protocol):
    """One client."""

    __slots__ = (
        "_body", "_head_bytes", "_headers", "_keep_alive", "_loop", "_parser", "_paused", "_queue", "_server",
        "_timer", "_transport", "_url",
    )  # fmt: skip

    def __init__(self, server: AdminServer, loop: asyncio.AbstractEventLoop) -> None:
        self._server = server
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._queue: deque[tuple[Request, bool]] = deque()
        self._paused = False
        self._keep_alive = True
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._body = bytearray()
        self._head_bytes = 0

    # --- transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]
        if len(self._server.connections) >= CONNECTION_LIMIT:
            transport.close()
            return
        self._server.connections.add(self)
        self._server.on_connection(1)
        assert self._transport is not None
        self._transport.set_write_buffer_limits(high=HIGH_WATER_BYTES)
        self._arm(IDLE_TIMEOUT_S)

    def connection_lost(self, exc: Exception | None) -> None:
        if self in self._server.connections:
            self._server.connections.discard(self)
            self._server.on_connection(-1)
        if self._timer is not None:
            self._timer.cancel()
        self._transport = None
        self._queue.clear()

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(400, "upgrades are not supported")
        except (httptools.HttpParserError, ValueError) as error:
            self._fail(400, str(error) or "bad request")
        self._pump()

    def pause_writing(self) -> None:
        self._paused = True
        self._arm(REQUEST_TIMEOUT_S)
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        self._arm(IDLE_TIMEOUT_S)
        if self._transport is not None:
            self._transport.resume_reading()
        self._pump()

    def close(self) -> None:
        """Close when what was written has been sent."""
        if self._transport is not None:
            self._transport.close()

    def _arm(self, time_s: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(time_s, self._abort)

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    # --- httptools

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = {}
        self._body = bytearray()
        self._head_bytes = 0
        self._arm(REQUEST_TIMEOUT_S)

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        self._headers[name.lower()] = value

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_LIMIT_BYTES:
            raise ValueError("request headers too large")

    def on_body(self, data: bytes) -> None:
        self._body += data
        if len(self._body) > BODY_LIMIT_BYTES:
            raise ValueError("request body too large")

    def on_message_complete(self) -> None:
        if len(self._queue) >= QUEUE_LIMIT:
            raise ValueError("too many requests in a row")
        request = read_request(self._parser.get_method(), self._url, self._headers, bytes(self._body))
        self._queue.append((request, self._parser.should_keep_alive()))

    # --- answering

    def _pump(self) -> None:
        while self._queue and not self._paused and self._transport is not None:
            request, keep_alive = self._queue.popleft()
            self._arm(IDLE_TIMEOUT_S)
            response = self._answer(request)
            self._transport.write(render(response, keep_alive=keep_alive, is_head=request.method == "HEAD"))
            if not keep_alive:
                self.close()

    def _answer(self, request: Request) -> Response:
        try:
            return self._server.handler(request)
        except Exception:  # the wall of the admin: a page that fails costs its own answer
            log.error("admin page %s failed", request.path, exc_info=True)
            return Response("internal error\n", 500)

    def _fail(self, status: int, text: str) -> None:
        with contextlib.suppress(AttributeError):
            self._queue.clear()
        if self._transport is not None:
            self._transport.write(render(Response(text + "\n", status), keep_alive=False, is_head=False))
            self._transport.close()


def read_request(method: bytes, url: bytes, headers: dict[bytes, bytes], body: bytes) -> Request:
    """A request from what the parser saw."""
    target, _, query = url.decode("latin-1").partition("?")
    pairs = parse_qsl(query.partition("#")[0], keep_blank_values=True)
    if body and headers.get(b"content-type", b"").startswith(b"application/x-www-form-urlencoded"):
        pairs += parse_qsl(body.decode("latin-1"), keep_blank_values=True)
    return Request(method.decode(), unquote(target), dict(pairs), body)


def render(response: Response, *, keep_alive: bool, is_head: bool) -> bytes:
    """The bytes of a response; chunked, as Envoy's admin answers."""
    body = response.body.encode() if isinstance(response.body, str) else response.body
    lines = [f"HTTP/1.1 {response.status} {_phrase(response.status)}", f"content-type: {response.content_type}"]
    lines += [f"{name}: {value}" for name, value in response.headers]
    lines += [
        "cache-control: no-cache, max-age=0",
        "x-content-type-options: nosniff",
        f"date: {time.strftime('%a, %d %b %Y %H:%M:%S GMT', time.gmtime())}",
        "server: envoy",
    ]
    if not keep_alive:
        lines.append("connection: close")
    lines.append("transfer-encoding: chunked")
    head = "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"
    if is_head:
        return head
    chunk = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
    return head + chunk + b"0\r\n\r\n"


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
