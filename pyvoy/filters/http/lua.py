"""Lua: scripts written for Envoy's Lua filter, unchanged.

One Lua state for each script and worker; the chunk runs once when the configuration is loaded, the hooks
envoy_on_request and envoy_on_response once a stream.  How they run is `pyvoy/extensions/lua`.
Source: Envoy, HTTP filter "Lua" (behaviour and texts observed on Envoy 1.40).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.extensions.lua.hook import Hook, RequestHook, ResponseHook
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.extensions.host import Host
    from pyvoy.extensions.lua.script import LuaScript
    from pyvoy.stats.counters import Counter

TYPE = "envoy.extensions.filters.http.lua.v3.Lua"
ROUTE_TYPE = "envoy.extensions.filters.http.lua.v3.LuaPerRoute"

supports(TYPE, "default_source_code inline_code source_codes stat_prefix clear_route_cache")
supports(ROUTE_TYPE, "disabled name source_code filter_context")

log = logging.getLogger("pyvoy.lua")

NO_CONTEXT: Mapping[str, Any] = {}


@dataclass(slots=True, frozen=True, eq=False)
class LuaPlan:
    """One configured filter: its default script, those with names, and where it counts."""

    default: LuaScript | None
    named: Mapping[str, LuaScript]
    clear_route_cache: bool
    host: Host
    executions: Counter
    errors: Counter


@dataclass(slots=True, frozen=True, eq=False)
class LuaRoutePlan:
    """What a route says: no script, one by name, one of its own; and the context that scripts can read."""

    disabled: bool
    name: str
    script: LuaScript | None
    context: Mapping[str, Any]


@http_filter(name="envoy.filters.http.lua", type_url=TYPE, route_type_url=ROUTE_TYPE)
class Lua(HttpFilter):
    """One per stream.  The body's events are asked for only by a hook that waits for them."""

    on_demand = frozenset(("request_data", "request_trailers", "response_data", "response_trailers", "on_destroy"))
    _request: Hook | None = None
    _response: Hook | None = None

    @staticmethod
    def build(message: Any, context: Context) -> LuaPlan:
        """The plan of a Lua message; every script is loaded, and one that does not load is a problem."""
        from pyvoy.extensions.host import Host
        from pyvoy.extensions.lua.script import load

        default = None
        if message.inline_code and message.HasField("default_source_code"):
            context.error(
                "inline_code",
                "Error: Only one of `inline_code` or `default_source_code` can be set for the Lua filter.",
            )
        elif message.inline_code:
            default = load(message.inline_code.encode(), context, "inline_code")
        elif message.HasField("default_source_code"):
            code = context.data_source(message, "default_source_code")
            default = load(code, context, "default_source_code")
        named = {}
        for name in sorted(message.source_codes):
            place = context.at("source_codes", name)
            script = load(_source(message.source_codes[name], place), place, "")
            if script is not None:
                named[name] = script
        scope = context.scope.scope("lua").scope(message.stat_prefix)
        return LuaPlan(
            default,
            named,
            context.wrapped(message, "clear_route_cache", True),
            Host.of(context, scope, "lua"),
            scope.counter("executions"),
            scope.counter("errors"),
        )

    @staticmethod
    def build_route(message: Any, context: Context) -> LuaRoutePlan:
        """The plan of a LuaPerRoute message."""
        from pyvoy.extensions.lua.script import load
        from pyvoy.filters.common.metadata import plain_struct

        script = None
        if message.WhichOneof("override") == "source_code":
            script = load(context.data_source(message, "source_code"), context, "source_code")
        values = plain_struct(message.filter_context) if message.HasField("filter_context") else NO_CONTEXT
        return LuaRoutePlan(message.disabled, message.name, script, values)

    def __init__(self, plan: LuaPlan) -> None:
        self._plan = plan

    # ---- what a hook asks its filter (hook.Owner) ----

    @property
    def host(self) -> Host:
        return self._plan.host

    @property
    def clear_route_cache(self) -> bool:
        return self._plan.clear_route_cache

    def filter_context(self, stream: Stream) -> Mapping[str, Any]:
        """The context of the most specific route configuration."""
        route: LuaRoutePlan | None = stream.route_plan(self)
        return NO_CONTEXT if route is None else route.context

    def script_failed(self, text: bytes, traceback: bytes) -> None:
        """Count and log; the stream goes on as the script has left it."""
        self._plan.errors.inc()
        log.error("script log: %s", text.decode("utf-8", "replace"))
        log.debug("%s", traceback.decode("utf-8", "replace"))
        for hook in (self._request, self._response):
            if hook is not None:
                hook.drop()

    # ---- events ----

    def _script(self, stream: Stream) -> LuaScript | None:
        """The script for this stream's route."""
        route = stream.route
        if route is None or not route.filter_plans:
            return self._plan.default
        own: LuaRoutePlan | None = stream.route_plan(self)
        if own is None:
            return self._plan.default
        if own.disabled:
            return None
        if own.name:
            return self._plan.named.get(own.name)
        return own.script or self._plan.default

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """envoy_on_request."""
        script = self._script(stream)
        if script is None or script.on_request is None:
            return CONTINUE
        self._plan.executions.inc()
        hook = self._request = RequestHook(self, script, stream, headers, end)
        return hook.start(script.on_request)

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """envoy_on_response, for local replies too."""
        script = self._script(stream)
        if script is None or script.on_response is None:
            return CONTINUE
        self._plan.executions.inc()
        hook = self._response = ResponseHook(self, script, stream, headers, end)
        return hook.start(script.on_response)

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """A piece of the request body, while a hook waits."""
        hook = self._request
        return CONTINUE if hook is None else hook.data(data, end)

    def response_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """The same for the response."""
        hook = self._response
        return CONTINUE if hook is None else hook.data(data, end)

    def request_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The request trailers, while a hook waits."""
        hook = self._request
        return CONTINUE if hook is None else hook.end_with(trailers)

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The same for the response."""
        hook = self._response
        return CONTINUE if hook is None else hook.end_with(trailers)

    def on_destroy(self, stream: Stream) -> None:
        """Whatever still waits is dropped."""
        for hook in (self._request, self._response):
            if hook is not None:
                hook.drop()


def _source(message: Any, context: Context) -> bytes:
    from pyvoy.config.compile import data_source

    return data_source.read(message, context)


_: type[HttpFilter] = Lua
