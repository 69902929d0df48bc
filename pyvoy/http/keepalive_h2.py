"""connection_keepalive: PINGs at an interval, and what to do when one stays without an answer.

Source: Envoy's Http2::ConnectionImpl::sendKeepalive and onKeepaliveResponse.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pyvoy.http.h2.connection import Http2Connection
from pyvoy.http.h2.limits import KeepAlive

if TYPE_CHECKING:
    from pyvoy.network.timers import Timer
    from pyvoy.server.services import Services

_PAYLOAD = b"pyvoykal"


class KeepAliveTimer:
    """The PINGs of one connection.  `on_timeout` closes it; `stop` must be called when it ends."""

    __slots__ = ("_codec", "_interval", "_on_timeout", "_plan", "_quiet_since_s", "_services", "_timeout")

    def __init__(
        self, plan: KeepAlive, services: Services, codec: Http2Connection, on_timeout: Callable[[], None]
    ) -> None:
        self._plan = plan
        self._services = services
        self._codec = codec
        self._on_timeout = on_timeout
        self._interval: Timer | None = None
        self._timeout: Timer | None = None
        self._quiet_since_s = services.clock()
        self._wait()

    def _wait(self) -> None:
        plan = self._plan
        if plan.interval_s:
            jitter = self._services.random.random() * plan.jitter_percent / 100
            self._interval = self._services.timers.call_later(plan.interval_s * (1 + jitter), self._send)

    def _send(self) -> None:
        self._interval = None
        if self._timeout is None:
            self._codec.ping(_PAYLOAD)
            self._codec.heard = False
            self._timeout = self._services.timers.call_later(self._plan.timeout_s, self._timed_out)

    def stream_begins(self) -> None:
        """A request begins: on a connection that was quiet for long it is worth a PING."""
        idle_s = self._plan.idle_interval_s
        now_s = self._services.clock()
        if idle_s and now_s - self._quiet_since_s > idle_s:
            self._send()
        self._quiet_since_s = now_s

    def answered(self) -> None:
        """The peer has answered."""
        if self._timeout is not None:
            self._timeout.cancel()
            self._timeout = None
            self._wait()

    def _timed_out(self) -> None:
        self._timeout = None
        if self._codec.heard:
            self._wait()  # slow to answer, but something else has come meanwhile
            return
        self._on_timeout()

    def stop(self) -> None:
        """The connection is gone."""
        for timer in (self._interval, self._timeout):
            if timer is not None:
                timer.cancel()
        self._interval = self._timeout = None
