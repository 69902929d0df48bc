"""The admin endpoint: which page answers a request, and what all answers have in common.

Pages live in `pages/`, one file for each subject; this file dispatches, refuses and counts.
Source: Envoy 1.40, AdminImpl (404 and 405 texts, http.admin. and listener.admin. stats).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable

from pyvoy.http.stats import HttpStats
from pyvoy.network.listener import ListenerStats
from pyvoy.server.admin_http import Request, Response
from pyvoy.server.pages.page import Page, Proxy, help_text
from pyvoy.stats.store import Scope

log = logging.getLogger("pyvoy.admin")


class AdminStats:
    """What Envoy counts of its admin listener."""

    def __init__(self, root: Scope) -> None:
        listener, http = root.scope("listener.admin"), root.scope("http.admin")
        main_thread = listener.scope("main_thread")
        _declare(http, listener)
        self._opened = [scope.counter("downstream_cx_total") for scope in (listener, http, main_thread)]
        self._opened.append(http.counter("downstream_cx_http1_total"))
        self._active = [scope.gauge("downstream_cx_active") for scope in (listener, http, main_thread)]
        self._active.append(http.gauge("downstream_cx_http1_active"))
        self._closed = [scope.counter("downstream_cx_destroy") for scope in (listener, http)]
        self._requests = [http.counter("downstream_rq_total"), http.counter("downstream_rq_http1_total")]
        both = (http, listener.scope("http.admin"))
        self._completed = [scope.counter("downstream_rq_completed") for scope in both]
        self._classes = {n: [scope.counter(f"downstream_rq_{n}xx") for scope in both] for n in (1, 2, 3, 4, 5)}
        self._time_ms = http.histogram("downstream_rq_time")
        self._requests_active = http.gauge("downstream_rq_active")

    def connection(self, change: int) -> None:
        """A connection came (+1) or went (-1)."""
        for counter in self._opened if change > 0 else self._closed:
            counter.inc()
        for gauge in self._active:
            gauge.add(change)

    def request_began(self) -> None:
        """A request has arrived."""
        for counter in self._requests:
            counter.inc()
        self._requests_active.inc()

    def request_ended(self, status: int, time_s: float) -> None:
        """A request was answered."""
        for counter in (*self._completed, *self._classes[status // 100]):
            counter.inc()
        self._time_ms.record(int(time_s * 1000))
        self._requests_active.dec()


def _declare(http: Scope, listener: Scope) -> None:
    """All names that Envoy lists, those too that a small server never moves."""
    for name, kind in HttpStats.__annotations__.items():
        if name.startswith("downstream_") or name == "rs_too_large":
            {"Counter": http.counter, "Gauge": http.gauge, "Histogram": http.histogram}[kind](name)
    for name in ListenerStats.__slots__:
        if name.startswith("downstream_") and name.endswith("_active"):
            listener.gauge(name)
        elif name.endswith("_ms"):
            listener.histogram(name)
        elif name.startswith(("downstream_", "no_")):
            listener.counter(name)
    listener.histogram("connections_accepted_per_socket_event", "unspecified")


class Admin:
    """Answers requests with pages."""

    def __init__(self, pages: Iterable[Page], proxy: Proxy, stats: AdminStats) -> None:
        self.pages = {page.path: page for page in pages}
        self.proxy = proxy
        self._stats = stats

    def count_connection(self, change: int) -> None:
        """A connection came (+1) or went (-1)."""
        self._stats.connection(change)

    def handle(self, request: Request) -> Response:
        """The answer to one request."""
        started = time.monotonic()
        self._stats.request_began()
        response = self._answer(request)
        self._stats.request_ended(response.status, time.monotonic() - started)
        return response

    def _answer(self, request: Request) -> Response:
        page = self.pages.get(request.path)
        if page is None:
            return Response("invalid path. " + help_text(self.pages.values()), 404)
        if not self.proxy.admin_allows(request.path):
            return Response(f"request to path {request.path} not allowed\n", 403)
        if page.mutates and request.method != "POST":
            log.error('admin path "%s" mutates state, method=%s rather than POST', request.path, request.method)
            return Response(f"Method {request.method} not allowed, POST required.\n", 405)
        return page.answer(self.proxy, request)
