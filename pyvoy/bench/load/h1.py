"""HTTP/1.1 requests of the embedded generator: one slot is one connection, kept open or made for each request."""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

from pyvoy.bench.load.client import Client
from pyvoy.bench.load.plan import LoadPlan
from pyvoy.bench.load.result import PROTOCOL, RESET, TIMEOUT


class RequestBytes:
    """The bytes of each request: made once (for each client), but for the number behind the path."""

    __slots__ = ("_after", "_before", "_crowd", "_number", "whole")

    def __init__(self, plan: LoadPlan, first_number: int) -> None:
        target = plan.target
        fields = [("Host", target.authority), *plan.headers]
        given = {name.lower() for name, _ in plan.headers}
        if "host" in given:
            del fields[0]
        if plan.body and not given & {"content-length", "transfer-encoding"}:
            fields.append(("Content-Length", str(len(plan.body))))
        if plan.close and "connection" not in given:
            fields.append(("Connection", "close"))
        lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
        self._before = f"{plan.method} {target.path}".encode("ascii")
        self._after = f" HTTP/1.1\r\n{lines}\r\n".encode("ascii") + plan.body
        self._number = first_number
        head = self._before + f" HTTP/1.1\r\n{lines}".encode("ascii")
        self._crowd = [b"%bx-client: client-%d\r\n\r\n%b" % (head, n, plan.body) for n in range(plan.clients)]
        self.whole = b"" if plan.unique_paths or plan.clients else self._before + self._after

    def next(self) -> bytes:
        """The next request."""
        if self.whole:
            return self.whole
        self._number += 1
        if self._crowd:
            return self._crowd[self._number % len(self._crowd)]
        return b"%b%d%b" % (self._before, self._number, self._after)


class Http1Slot:
    """One request at a time.  Implements the driver's Slot."""

    __slots__ = ("_client", "_due_s", "_requests", "_sent_s", "busy", "connection")

    def __init__(self, client: Client, requests: RequestBytes) -> None:
        self._client = client
        self._requests = requests
        self.connection: Http1Connection | None = None
        self.busy = False
        self._due_s = 0.0
        self._sent_s = 0.0

    def send(self, due_s: float, now_s: float) -> None:
        """Ask, on a new connection if there is none."""
        self.busy = True
        self._due_s = due_s
        self._sent_s = now_s
        if self.connection is None:
            self._client.dial(self)
        else:
            self.connection.ask(self._requests.next())

    # ---- the connection ----

    def make_protocol(self) -> Http1Connection:
        """A connection that is ours once it is made."""
        return Http1Connection(self, self._client)

    def connected(self, connection: Http1Connection) -> None:
        """The connection is there: ask what waits for it."""
        self.connection = connection
        if self.busy:
            connection.ask(self._requests.next())

    def dial_failed(self, kind: str) -> None:
        """There is no connection."""
        if self.busy:
            self.busy = False
            self._client.driver.failed(self._due_s, kind)
            self._client.free_later(lambda: self._client.driver.free(self))

    def answered(self, status: int) -> None:
        """The answer is whole."""
        self.busy = False
        driver = self._client.driver
        driver.answered(self._due_s, self._sent_s, status)
        driver.free(self)

    def failed(self, kind: str) -> None:
        """There will be no answer; the connection is not to be used again."""
        self.drop()
        if self.busy:
            self.busy = False
            self._client.driver.failed(self._due_s, kind)
            self._client.driver.free(self)

    def sweep(self, now_s: float) -> None:
        """Give up a request that is due for longer than the time-out; connecting has the same limit of its own."""
        if self.busy and self.connection is not None and now_s - self._due_s > self._client.plan.timeout_s:
            self.failed(TIMEOUT)

    def drop(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.detach()
            self.connection = None


class Http1Connection(asyncio.Protocol):
    """One connection; reads answers one after the other."""

    __slots__ = ("_client", "_head", "_headed", "_keeps_alive", "_parser", "_status", "_transport", "slot")

    def __init__(self, slot: Http1Slot, client: Client) -> None:
        self.slot: Http1Slot | None = slot
        self._client = client
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._status = 0
        self._head = b""
        """The head of the answer that is being read, and what came with its end."""
        self._headed = False
        self._keeps_alive = True

    async def ready(self) -> None:
        """It is, as soon as it is made."""

    def ask(self, request: bytes) -> None:
        """Send a request."""
        assert self._transport is not None
        self._head = b""
        self._headed = False
        self._transport.write(request)

    def detach(self) -> None:
        """Close; nothing that comes counts any more."""
        self.slot = None
        if self._transport is not None:
            self._transport.abort()

    # ---- asyncio.Protocol ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transports are of no asyncio class
        if self.slot is not None:
            self.slot.connected(self)

    def data_received(self, data: bytes) -> None:
        slot = self.slot
        if slot is None:
            return
        self._client.bytes_received += len(data)
        if not self._headed:
            self._head += data
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            slot.failed(PROTOCOL)
            return
        if self._status:
            self._finish(slot)

    def connection_lost(self, exc: Exception | None) -> None:
        slot = self.slot
        if slot is None:
            return
        if slot.busy and exc is None and self._ends_with_connection():
            self._status, self._keeps_alive = self._parser.get_status_code(), False
            self._finish(slot)
        else:
            slot.failed(RESET)

    # ---- httptools ----

    def on_headers_complete(self) -> None:
        self._headed = True
        if self._client.plan.method == "HEAD":  # there is no body, whatever the length says
            self._status = self._parser.get_status_code()
            self._keeps_alive = self._parser.should_keep_alive()

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status
            self._keeps_alive = self._parser.should_keep_alive()  # it knows only now

    def _finish(self, slot: Http1Slot) -> None:
        status, self._status = self._status, 0
        if not slot.busy:  # an answer that nobody asked for
            slot.failed(PROTOCOL)
            return
        if self._client.plan.close or not self._keeps_alive:
            slot.drop()
        elif self._client.plan.method == "HEAD":
            self._parser = httptools.HttpResponseParser(self)
        slot.answered(status)

    def _ends_with_connection(self) -> bool:
        """Whether the end of the connection is the end of the body (RFC 9112 6.3)."""
        head, blank, _ = self._head.lower().partition(b"\r\n\r\n")
        return bool(blank) and b"\ncontent-length:" not in head and b"\ntransfer-encoding:" not in head
