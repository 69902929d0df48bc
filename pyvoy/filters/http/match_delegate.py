"""Match delegate: a filter that some requests pass by, as a matcher tree over the request says.

Source: Envoy, HTTP filter "Match delegate" (`ExtensionWithMatcher`, observed on Envoy 1.40).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports, type_name_of
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Stream

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.http.chain import Dress

TYPE = "envoy.extensions.common.matching.v3.ExtensionWithMatcher"
_SKIP = "envoy.extensions.filters.common.matcher.action.v3.SkipFilter"
_EVENTS = (
    "request_headers",
    "request_data",
    "request_trailers",
    "response_informational",
    "response_headers",
    "response_data",
    "response_trailers",
    "on_local_reply",
    "on_log",
)

supports(TYPE, "matcher xds_matcher extension_config")
supports(_SKIP)


class DelegatePlan:
    """The plan of the filter inside; `skips(stream)` says whether a request passes it by.  `filter_class` is the filter
    with that question before each of its events."""

    def __init__(self, cls: type[HttpFilter], inner: Any, skips: Callable[[Stream], bool]) -> None:
        self.inner = inner
        self.skips = skips
        self.filter_class = delegating(cls, skips)
        if hasattr(inner, "bind_route"):
            self.bind_route = inner.bind_route

    @property
    def in_place(self) -> Dress | None:
        """What becomes of the class of a filter that a route has in the place of the one inside: the question stands
        before it too."""
        inner: Dress | None = getattr(self.inner, "in_place", None)
        return None if inner is None else lambda cls: delegating(inner(cls), self.skips)


@http_filter(name="envoy.filters.http.match_delegate", type_url=TYPE, posture="robust_to_untrusted_downstream")
class MatchDelegate(HttpFilter):
    """Stands in the configuration; the chain has `DelegatePlan.filter_class`."""

    @staticmethod
    def build(message: Any, context: Context) -> DelegatePlan | None:
        """The plan of an ExtensionWithMatcher message."""
        from pyvoy.config.compile.matching.tree import STREAM_INPUTS, compile_matcher

        def action(config: Any, place: Context) -> bool | None:
            name = type_name_of(config.typed_config.type_url)
            if name == _SKIP:
                return True
            place.error("typed_config", f"no action of type {name!r}: it has to be {_SKIP}")
            return None

        field = "xds_matcher" if message.HasField("xds_matcher") else "matcher"
        if not message.HasField(field):
            context.error("", "one of `matcher` and `xds_matcher` must be set.")
        skips = compile_matcher(getattr(message, field), context.at(field), action, STREAM_INPUTS)
        built = context.built_extension("http_filter", message.extension_config, "extension_config")
        if built is None:
            return None
        cls = getattr(built.plan, "filter_class", built.extension.factory)
        if cls.terminal:
            context.error("extension_config", f"{built.extension.name} is a terminal filter: nothing may pass it by")
        return DelegatePlan(cls, built.plan, lambda stream: skips(stream) is not None)


def delegating(cls: type[HttpFilter], skips: Callable[[Stream], bool]) -> type[HttpFilter]:
    """The filter, passed by on streams whose request says so."""
    first, *later = _EVENTS

    class Delegating(cls):  # type: ignore[misc, valid-type]  # the class is made for the filter that is configured
        """A filter and, once it was asked, whether this stream passes it by."""

        stateless = False

        def __init__(self, plan: Any) -> None:
            super().__init__(plan.inner if type(plan) is DelegatePlan else plan)

    setattr(Delegating, first, _asking(getattr(cls, first, None), skips))
    for event in later:
        method = getattr(cls, event, None)
        if method is not None:
            setattr(Delegating, event, _unless_skipped(method))
    return Delegating


def _asking(method: Callable[..., Any] | None, skips: Callable[[Stream], bool]) -> Callable[..., Any]:
    """The first event: it decides, and goes on with the filter's own."""
    if inspect.iscoroutinefunction(method):

        async def wait(filter_: Any, stream: Stream, headers: HeaderMap, end: bool) -> Any:
            filter_._skipped = skips(stream)
            return CONTINUE if filter_._skipped else await method(filter_, stream, headers, end)

        return wait

    def run(filter_: Any, stream: Stream, headers: HeaderMap, end: bool) -> Any:
        filter_._skipped = skips(stream)
        return CONTINUE if filter_._skipped or method is None else method(filter_, stream, headers, end)

    return run


def _unless_skipped(method: Callable[..., Any]) -> Callable[..., Any]:
    """The event of a filter that may be passed by; the class that makes it may give an instance of another one."""
    if inspect.iscoroutinefunction(method):

        async def wait(filter_: Any, stream: Stream, *arguments: Any) -> Any:
            return CONTINUE if getattr(filter_, "_skipped", False) else await method(filter_, stream, *arguments)

        return wait

    def run(filter_: Any, stream: Stream, *arguments: Any) -> Any:
        return CONTINUE if getattr(filter_, "_skipped", False) else method(filter_, stream, *arguments)

    return run


_: type[HttpFilter] = MatchDelegate
