"""A connection manager as compiled: everything that its connections share.  No behaviour.

Source: Envoy's HttpConnectionManagerConfig.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from pyvoy.http.chain import ChainPlan
from pyvoy.http.codec_choice import CodecType
from pyvoy.http.h1.heads import RequestHeads
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.h2.limits import Http2Plan
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import LocalReply
from pyvoy.http.response_rules import ResponseRules
from pyvoy.http.stats import HttpStats

if TYPE_CHECKING:
    from pyvoy.http.manager_share import ManagerShare
    from pyvoy.http.stream import HttpStream
    from pyvoy.network.listener import AccessLogger
    from pyvoy.stats.counters import Counter


class RouteSource(Protocol):
    """The route table, or what finds it."""

    settled: bool
    """Path and host alone decide: requests with the same head always get the same route."""

    def find(self, stream: Any) -> Any:
        """The route of a stream or None."""

    def find_again(self, stream: Any) -> Any:
        """The same for a stream whose request filters may have changed."""


@dataclass(slots=True)
class ManagerPlan:
    """A connection manager as compiled; shared by all its connections.

    `request_rules(headers, connection, info, random_hex)` applies the request header rules and gives a rejection or
    None; `response_rules(headers, stream)` the response's; `local_reply(stream, reply)` makes headers and body of a
    reply.  Times are seconds, None or 0 switches a limit off.
    """

    stats: HttpStats
    chain: ChainPlan
    routes: RouteSource
    request_rules: Callable[..., Any]
    response_rules: ResponseRules
    local_reply: Callable[[HttpStream, LocalReply], tuple[HeaderMap, bytes]]
    filter_failures: Counter
    protocol: CodecType = CodecType.AUTO
    codec: Http1Plan = field(default_factory=Http1Plan)
    http2: Http2Plan = field(default_factory=Http2Plan)
    heads: RequestHeads = field(default_factory=RequestHeads)
    request_rules_are_plain: bool = False
    """The request rules leave an ordinary request alone but for scheme, x-forwarded-proto and request id."""
    response_rules_are_plain: bool = False
    """The response rules make the same of every response with the same head."""
    share: ManagerShare | None = None
    """What its HTTP/1 connections share in this worker; made with the first of them."""
    share_http2: ManagerShare | None = None
    """The same for its HTTP/2 connections."""
    access_logs: tuple[AccessLogger, ...] = ()
    meters: bool = False
    """Somebody wants to know what each stream's bytes on the wires were."""
    log_on_new_request: bool = False
    proxy_100_continue: bool = False
    upgrades: dict[bytes, bool] = field(default_factory=dict)
    idle_timeout_s: float | None = 3600.0
    stream_idle_timeout_s: float | None = 300.0
    request_timeout_s: float | None = None
    request_headers_timeout_s: float | None = None
    max_stream_duration_s: float | None = None
    max_connection_duration_s: float | None = None
    drain_timeout_s: float = 5.0
    delayed_close_timeout_s: float = 1.0
    max_requests_per_connection: int = 0
