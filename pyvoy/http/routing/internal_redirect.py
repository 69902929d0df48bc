"""Internal redirects: what a route's policy makes of an upstream's redirect, and the request that it turns into.

The router asks when a response has one of the policy's codes; the stream then begins anew with the changed head.
Source of behaviour: Envoy, Router::Filter::convertRequestHeadersForInternalRedirect and the predicates of
extensions/internal_redirect; observed on 1.40.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyvoy.http.h1.grammar import split_absolute
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.http.stats import HttpStats
    from pyvoy.http.stream import HttpStream

ORIGINAL_URL = b"x-envoy-original-url"
_SCHEMES = (b"http", b"https")


@dataclass(slots=True)
class Travelled:
    """What a request that is redirected takes along from stream to stream."""

    redirects: int = 0
    routes: dict[str, set[str]] = field(default_factory=dict)
    """The routes that each route has sent the request to (previous_routes)."""


@dataclass(slots=True, frozen=True)
class Hop:
    """One redirect that is about to be followed, for the predicates."""

    route_name: str
    target_name: str
    from_https: bool
    to_https: bool
    travelled: Travelled


Predicate = Callable[[Hop], bool]


@dataclass(slots=True, frozen=True)
class InternalRedirectPlan:
    """One InternalRedirectPolicy.  `copied` are response headers that the new request gets."""

    max_redirects: int = 1
    codes: frozenset[int] = frozenset((302,))
    predicates: tuple[Predicate, ...] = ()
    cross_scheme: bool = False
    copied: tuple[bytes, ...] = ()

    def convert(self, stream: HttpStream, response: HeaderMap, body: bytes) -> bytes | None:
        """Turn the stream's request into the one that the response asks for, and give its body; None (and counted) when
        it must not be followed, and then the request is as it was."""
        stats = stream.manager.plan.stats
        location = response.map.get(b"location")
        if location is None:
            return None
        target = split_absolute(location.partition(b"#")[0])
        if target is None or target[0] not in _SCHEMES:
            stats.passthrough_internal_redirect_bad_location.inc()
            return None
        scheme, authority, path = target
        headers = stream.request_headers
        old_scheme = headers.map.get(b":scheme", b"http")
        if scheme != old_scheme and not self.cross_scheme:
            stats.passthrough_internal_redirect_unsafe_scheme.inc()
            return None
        travelled = stream.travelled = stream.travelled or Travelled()
        if travelled.redirects >= self.max_redirects:
            stats.passthrough_internal_redirect_too_many_redirects.inc()
            return None
        before = headers.copy()
        route_name = stream.info.route_name
        headers.set(b":scheme", scheme)
        headers.set(b":authority", authority)
        headers.set(b":path", path)
        if not self._may_go(stream, stats, route_name, old_scheme, scheme):
            headers.map, headers.pairs = before.map, before.pairs
            headers.generation += 1
            return None
        travelled.redirects += 1
        if response.map[b":status"] == b"303" and before.map[b":method"] not in (b"GET", b"HEAD"):
            headers.set(b":method", b"GET")
            headers.remove(b"content-length")
            headers.remove(b"transfer-encoding")
            body, stream.request_trailers = b"", None
        self._take_along(headers, before, response)
        return body

    def _may_go(self, stream: HttpStream, stats: HttpStats, route_name: str, old_scheme: bytes, scheme: bytes) -> bool:
        """Whether there is a route for the changed request, and the predicates have nothing against it."""
        stream.clear_route_cache()
        info = stream.info
        info.route_name = info.upstream_cluster = info.upstream_cluster_observability_name = ""
        route = stream.route
        if route is None:
            stats.passthrough_internal_redirect_no_route.inc()
            return False
        cluster = stream.services.clusters.get(route.cluster)
        if cluster is not None:
            info.upstream_cluster = cluster.name
            info.upstream_cluster_observability_name = cluster.plan.observability_name
        assert stream.travelled is not None
        hop = Hop(route_name, route.name, old_scheme == b"https", scheme == b"https", stream.travelled)
        if not all(predicate(hop) for predicate in self.predicates):
            stats.passthrough_internal_redirect_predicate.inc()
            return False
        return True

    def _take_along(self, headers: HeaderMap, before: HeaderMap, response: HeaderMap) -> None:
        values = before.map
        for name in self.copied:
            headers.remove(name)
            for value in response.get_all(name):
                headers.add(name, value)
        original = b"%b://%b%b" % (values.get(b":scheme", b"http"), values[b":authority"], values[b":path"])
        headers.set(ORIGINAL_URL, original)


def allow_listed(names: frozenset[str]) -> Predicate:
    """Only to routes of these names."""
    return lambda hop: hop.target_name in names


def previous_routes(hop: Hop) -> bool:
    """Never twice from one route to the same."""
    seen = hop.travelled.routes.setdefault(hop.route_name, set())
    if hop.target_name in seen:
        return False
    seen.add(hop.target_name)
    return True


def safe_cross_scheme(hop: Hop) -> bool:
    """Never from http to https."""
    return hop.from_https or not hop.to_https
