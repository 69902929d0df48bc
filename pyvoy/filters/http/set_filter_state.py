"""Set filter state: leave values, made of a format, for later filters, access logs and upstream connections.

Source: Envoy, HTTP filter "Set-Filter-State" (observed on Envoy 1.40); objects are texts here, by whatever factory.
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

TYPE = "envoy.extensions.filters.http.set_filter_state.v3.Config"
VALUE = "envoy.extensions.filters.common.set_filter_state.v3.FilterStateValue"

supports(TYPE, "on_request_headers")
supports(VALUE, "object_key factory_key format_string read_only skip_if_empty", tuning="shared_with_upstream")

STRING_FACTORY = "envoy.string"
"""The factory of plain texts; others make objects that something in Envoy looks for by their key."""
_FACTORIES = frozenset(
    (STRING_FACTORY, "envoy.tcp_proxy.cluster", "envoy.network.upstream_server_name", "envoy.ratelimit.hits_addend")
)


@dataclass(slots=True, frozen=True, eq=False)
class Entry:
    """One value.  An object that is `read_only` is not written again."""

    key: str
    value: Callable[[Any], bytes]
    read_only: bool
    skips_empty: bool


@http_filter(
    name="envoy.filters.http.set_filter_state",
    type_url=TYPE,
    route_type_url=TYPE,
    posture="robust_to_untrusted_downstream_and_upstream",
)
class SetFilterState(HttpFilter):
    """Keeps nothing of a stream."""

    __slots__ = ("_plan",)

    @staticmethod
    def build(message: Any, context: Context) -> tuple[Entry, ...]:
        """The entries of a Config message."""
        from pyvoy.config.compile.substitution_format import substitution_format

        entries = []
        for index, each in enumerate(message.on_request_headers):
            place = context.at("on_request_headers", index)
            factory = each.factory_key or each.object_key
            if factory not in _FACTORIES:
                field = "factory_key" if each.factory_key else "object_key"
                place.error(field, f"'{factory}' does not have an object factory")
            value = substitution_format(each.format_string, place.at("format_string"), one_line=False)
            entries.append(Entry(each.object_key, value, each.read_only, each.skip_if_empty))
        return tuple(entries)

    @staticmethod
    def build_route(message: Any, context: Context) -> tuple[Entry, ...]:
        """The same on a route, in place of the filter's own."""
        return SetFilterState.build(message, context)

    def __init__(self, plan: tuple[Entry, ...]) -> None:
        self._plan = plan

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Write the values."""
        state = stream.info.filter_state
        routed = stream.route_plan(self)
        for entry in self._plan if routed is None else routed:
            value = entry.value(stream)
            if (value or not entry.skips_empty) and not (entry.read_only and entry.key in state):
                state[entry.key] = value.decode("latin-1")
        return CONTINUE


_: type[HttpFilter] = SetFilterState
