"""Dynamic forward proxy: have the DNS cache look the request's host up before the router needs it.

Acts on routes to dynamic forward proxy clusters only.  A route may put another host in the request's.
Source: Envoy, HTTP filter "Dynamic forward proxy" (texts, details and flags observed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP_AND_WATERMARK, HttpFilter, Stream, Verdict
from pyvoy.observe.details import Flag
from pyvoy.upstream.dns_cache import CacheFull, DnsCache, Entry
from pyvoy.upstream.forward_proxy import ForwardProxyHosts, split_authority

if TYPE_CHECKING:
    from pyvoy.config.context import Context

_PACKAGE = "envoy.extensions.filters.http.dynamic_forward_proxy.v3"
TYPE = f"{_PACKAGE}.FilterConfig"
ROUTE_TYPE = f"{_PACKAGE}.PerRouteConfig"

supports(TYPE, "dns_cache_config save_upstream_address")
supports(ROUTE_TYPE, "host_rewrite_literal host_rewrite_header")


@dataclass(slots=True, frozen=True)
class HostRewrite:
    """What a route puts in place of the request's host: a text, or the value of a header."""

    literal: bytes = b""
    header: bytes = b""


@http_filter(
    name="envoy.filters.http.dynamic_forward_proxy",
    type_url=TYPE,
    route_type_url=ROUTE_TYPE,
    posture="robust_to_untrusted_downstream",
)
class DynamicForwardProxy(HttpFilter):
    """One request: at most one name that it waits for."""

    __slots__ = ("_cache", "_entry", "_stream")

    @staticmethod
    def build(message: Any, context: Context) -> None:
        """The cache is the cluster's; its settings are checked to be the same."""
        from pyvoy.config.compile.forward_proxy import dns_cache

        if not message.HasField("dns_cache_config"):
            context.error("", "needs dns_cache_config")
            return
        dns_cache(message.dns_cache_config, context.at("dns_cache_config"))

    @staticmethod
    def build_route(message: Any, _context: Context) -> HostRewrite:
        """The rewrite of a PerRouteConfig message."""
        return HostRewrite(message.host_rewrite_literal.encode(), message.host_rewrite_header.lower().encode())

    def __init__(self, _plan: None) -> None:
        self._cache: DnsCache | None = None
        self._entry: Entry | None = None
        self._stream: Stream | None = None

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Look the host up, and wait where it is not known yet."""
        hosts = self._hosts(stream)
        if hosts is None:
            return CONTINUE
        self._rewrite(stream, headers)
        cache = hosts.cache
        if not cache.enter():
            text = b"Dynamic forward proxy pending request overflow"
            stream.send_local_reply(503, text, details="dynamic_forward_proxy_pending_request_overflow")
            return STOP_AND_WATERMARK
        name, port = split_authority(headers.map.get(b":authority", b""), hosts.default_port)
        try:
            entry = cache.load(name, port, self._loaded)
        except CacheFull:
            cache.leave()
            stream.send_local_reply(503, b"DNS cache overflow", details="dns_cache_overflow")
            return STOP_AND_WATERMARK
        if not entry.loaded:
            self._cache, self._entry, self._stream = cache, entry, stream
            return STOP_AND_WATERMARK
        cache.leave()
        return CONTINUE if self._usable(stream, entry) else STOP_AND_WATERMARK

    @staticmethod
    def _hosts(stream: Stream) -> ForwardProxyHosts | None:
        """What chooses the hosts of the request's cluster, where that is a dynamic forward proxy."""
        route = stream.route
        if route is None or route.action != "route":
            return None
        name = route.cluster
        if name is None and route.cluster_header is not None:
            name = (stream.request_headers.map.get(route.cluster_header) or b"").decode("latin-1")
        cluster = stream.services.clusters.get(name)
        chooser = None if cluster is None else cluster.chooser
        return chooser if isinstance(chooser, ForwardProxyHosts) else None

    def _rewrite(self, stream: Stream, headers: HeaderMap) -> None:
        rewrite = stream.route_plan(self)
        if rewrite is None:
            return
        host = headers.map.get(rewrite.header) if rewrite.header else rewrite.literal
        if host:
            headers.set(b":authority", host)

    @staticmethod
    def _usable(stream: Stream, entry: Entry) -> bool:
        if entry.address is not None:
            return True
        details = f"dns_resolution_failure{{{entry.failure}}}"
        stream.send_local_reply(503, b"DNS resolution failure", details=details, flags=Flag.DNS_RESOLUTION_FAILED)
        return False

    def _loaded(self, entry: Entry) -> None:
        stream, cache = self._stream, self._cache
        self._entry = self._stream = None
        if stream is None or cache is None:
            return
        cache.leave()
        if self._usable(stream, entry):
            stream.continue_request(self)

    def on_destroy(self, stream: Stream) -> None:
        """The client is gone: wait no more."""
        entry, cache = self._entry, self._cache
        if entry is not None and cache is not None:
            self._entry = self._stream = None
            cache.forget_waiting(entry, self._loaded)
            cache.leave()


_: type[HttpFilter] = DynamicForwardProxy
