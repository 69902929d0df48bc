"""IP tagging: requests from certain networks get their names in a header, for routes, limits and upstreams.

Source: Envoy, HTTP filter "IP Tagging" (order of tags, headers and counters observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter

TYPE = "envoy.extensions.filters.http.ip_tagging.v3.IPTagging"

supports(TYPE, "request_type ip_tags ip_tag_header")
supports(TYPE + ".IPTag", "ip_tag_name ip_list")
supports(TYPE + ".IpTagHeader", "header action")

_TAGS = b"x-envoy-ip-tags"
_SANITIZE = 0


@dataclass(slots=True, frozen=True, eq=False)
class Tag:
    """A name, the networks it stands for, and how often it was given."""

    name: bytes
    contains: Callable[[str], bool]
    hits: Counter


@dataclass(slots=True, frozen=True, eq=False)
class IpTaggingPlan:
    """An IPTagging message.  `internal` None takes all requests; `replaces`: what a client sent in the header goes."""

    tags: tuple[Tag, ...]
    internal: bool | None
    header: bytes
    replaces: bool
    enabled: Callable[[], bool]
    no_hit: Counter
    total: Counter


@http_filter(
    name="envoy.filters.http.ip_tagging",
    type_url=TYPE,
    route_type_url=TYPE,
    posture="robust_to_untrusted_downstream",
)
class IpTagging(HttpFilter):
    """Keeps nothing of a stream."""

    __slots__ = ("_plan",)

    @staticmethod
    def build(message: Any, context: Context) -> IpTaggingPlan:
        """The plan of an IPTagging message."""
        scope = context.scope.scope("ip_tagging")
        tags = []
        for index, tag in enumerate(message.ip_tags):
            ranges = context.at("ip_tags", index).cidr_ranges(tag.ip_list, "ip_list")
            hits = scope.counter(f"{tag.ip_tag_name}.hit")
            tags.append(Tag(tag.ip_tag_name.encode(), ranges.contains, hits))
        percent = context.runtime.integer("ip_tagging.http_filter_enabled", 100)
        random = context.random
        return IpTaggingPlan(
            tuple(tags),
            (None, True, False)[message.request_type],
            message.ip_tag_header.header.lower().encode() or _TAGS,
            message.HasField("ip_tag_header") and message.ip_tag_header.action == _SANITIZE,
            (lambda: True) if percent >= 100 else (lambda: random.randrange(100) < percent),
            scope.counter("no_hit"),
            scope.counter("total"),
        )

    @staticmethod
    def build_route(message: Any, context: Context) -> IpTaggingPlan:
        """The same message on a route."""
        return IpTagging.build(message, context)

    def __init__(self, plan: IpTaggingPlan) -> None:
        self._plan = plan

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Look the client up."""
        plan: IpTaggingPlan = stream.route_plan(self) or self._plan
        internal = headers.map.get(b"x-envoy-internal") == b"true"
        if (plan.internal is not None and plan.internal != internal) or not plan.enabled():
            return CONTINUE
        ip = (stream.info.downstream_remote or stream.connection.remote).ip
        found = [tag for tag in plan.tags if tag.contains(ip)]
        if plan.replaces and plan.header in headers.map:
            headers.remove(plan.header)
            if not found:
                stream.clear_route_cache()
        if found:
            headers.append_value(plan.header, b",".join(tag.name for tag in found))
            stream.clear_route_cache()
            for tag in found:
                tag.hits.inc()
        else:
            plan.no_hit.inc()
        plan.total.inc()
        return CONTINUE


_: type[HttpFilter] = IpTagging
