"""CSRF: requests that change something must come from this host or from an allowed origin, else 403.

The origin is the Origin header's host and port, without one the Referer's; `null` is none.
Source: Envoy, HTTP filter "CSRF" (comparison and counters observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter

TYPE = "envoy.extensions.filters.http.csrf.v3.CsrfPolicy"

supports(TYPE, "filter_enabled shadow_enabled additional_origins")

_CHANGING = frozenset((b"POST", b"PUT", b"DELETE", b"PATCH"))
ORIGIN_MISMATCH = "csrf_origin_mismatch"


@dataclass(slots=True, frozen=True, eq=False)
class CsrfPolicy:
    """A CsrfPolicy message."""

    enabled: Callable[[], bool]
    shadow: Callable[[], bool]
    additional: tuple[Callable[[bytes], bool], ...]


@dataclass(slots=True, frozen=True, eq=False)
class CsrfPlan:
    """The filter's own policy and the counters `http.<stat_prefix>.csrf.`."""

    policy: CsrfPolicy
    missing_source_origin: Counter
    request_invalid: Counter
    request_valid: Counter


@http_filter(
    name="envoy.filters.http.csrf", type_url=TYPE, route_type_url=TYPE, posture="robust_to_untrusted_downstream"
)
class Csrf(HttpFilter):
    """Keeps nothing of a stream."""

    __slots__ = ("_plan",)

    @staticmethod
    def build(message: Any, context: Context) -> CsrfPlan:
        """The plan of a CsrfPolicy message."""
        scope = context.scope.scope("csrf")
        names = ("missing_source_origin", "request_invalid", "request_valid")
        return CsrfPlan(_policy(message, context), *(scope.counter(name) for name in names))

    @staticmethod
    def build_route(message: Any, context: Context) -> CsrfPolicy:
        """The same message on a route: it takes the place of the filter's own."""
        return _policy(message, context)

    def __init__(self, plan: CsrfPlan) -> None:
        self._plan = plan

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Compare the origin with the host."""
        if headers.map[b":method"] not in _CHANGING:
            return CONTINUE
        plan = self._plan
        policy = stream.route_plan(self) or plan.policy
        enabled = policy.enabled()
        if not enabled and not policy.shadow():
            return CONTINUE
        origin = source_origin(headers)
        if not origin:
            plan.missing_source_origin.inc()
        elif origin == headers.map.get(b":authority") or any(test(origin) for test in policy.additional):
            plan.request_valid.inc()
            return CONTINUE
        else:
            plan.request_invalid.inc()
        if not enabled:
            return CONTINUE
        stream.send_local_reply(403, b"Invalid origin", details=ORIGIN_MISMATCH)
        return STOP


def source_origin(headers: HeaderMap) -> bytes:
    """Host and port of where the request comes from, b"" when it does not say."""
    origin = headers.map.get(b"origin")
    if origin:
        return b"" if origin == b"null" else host_and_port(origin)
    return host_and_port(headers.map.get(b"referer") or b"")


def host_and_port(url: bytes) -> bytes:
    """What stands between the scheme and the path."""
    return url.rpartition(b"://")[2].partition(b"/")[0] if url.count(b"://") == 1 else url.partition(b"/")[0]


def _policy(message: Any, context: Context) -> CsrfPolicy:
    from pyvoy.config.compile.matchers import string_matcher

    return CsrfPolicy(
        context.fraction(message, "filter_enabled"),
        context.fraction(message, "shadow_enabled"),
        tuple(
            string_matcher(item, context.at("additional_origins", index))
            for index, item in enumerate(message.additional_origins)
        ),
    )


_: type[HttpFilter] = Csrf
