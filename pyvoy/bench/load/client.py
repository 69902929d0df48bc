"""What the slots of one generator process share: the target, how to connect to it, and whom to tell.

Connections are made by asyncio; each request and its answer are the business of `h1` and `h2`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import Protocol, cast

from pyvoy.bench.load.driver import Driver
from pyvoy.bench.load.plan import LoadPlan
from pyvoy.bench.load.result import CONNECT, TIMEOUT

RETRY_S = 0.05
"""A slot that could not connect takes its next request no sooner: a target that is gone gets no storm."""


class Connection(Protocol):
    """What is being connected."""

    async def ready(self) -> None:
        """Wait until it can take requests.  Raises OSError when it never will."""


class Dialling(Protocol):
    """Who wants a connection."""

    def make_protocol(self) -> asyncio.Protocol:
        """The protocol for a connection that has just been made; it is a Connection, too."""

    def dial_failed(self, kind: str) -> None:
        """There is no connection; `kind` is the error's."""


class Client:
    """One process' side of the load.  Owns the tasks that connect."""

    def __init__(self, plan: LoadPlan, loop: asyncio.AbstractEventLoop) -> None:
        self.plan = plan
        self.loop = loop
        self.driver: Driver
        """Set before the first request."""
        self.bytes_received = 0
        self.last_error = ""
        """Why the latest connection could not be made."""
        self.stream_limit = 0
        """Above 0: so few streams does the target allow on a connection, fewer than the plan's."""
        self._tls = _tls_context("h2" if plan.http2 else "http/1.1") if plan.target.secure else None
        self._tasks: set[asyncio.Task[None]] = set()

    def dial(self, who: Dialling) -> asyncio.Task[None]:
        """Make a connection for `who`; within the plan's time-out it has one or is told."""
        task = self.loop.create_task(self._dial(who))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _dial(self, who: Dialling) -> None:
        target = self.plan.target
        try:
            async with asyncio.timeout(self.plan.timeout_s):
                _, made = await self.loop.create_connection(
                    who.make_protocol,
                    target.host,
                    target.port,
                    ssl=self._tls,
                    server_hostname=target.host if target.secure else None,
                )
                connection = cast("Connection", made)  # `make_protocol` makes both in one
                await connection.ready()
        except TimeoutError:
            self.last_error = f"no connection within {self.plan.timeout_s:g} s"
            who.dial_failed(TIMEOUT)
        except OSError as error:
            self.last_error = str(error)
            who.dial_failed(CONNECT)

    def note_stream_limit(self, limit: int) -> None:
        """So many streams does the target allow on a connection."""
        if limit < self.plan.streams:
            self.stream_limit = limit

    def free_later(self, free: Callable[[], None]) -> None:
        """Call `free` when another attempt to connect may be made."""
        self.loop.call_later(RETRY_S, free)

    async def end(self) -> None:
        """Give up what is being connected."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _tls_context(alpn: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([alpn])
    return context
