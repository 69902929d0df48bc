"""Lua: scripts written for Envoy's Lua filter, unchanged.

One Lua state for each script and worker; the chunk runs once when the configuration is loaded, the hooks
envoy_on_request and envoy_on_response once a stream.  How they run is `pyvoy/extensions/lua`.
Source: Envoy, HTTP filter "Lua" (behaviour and texts observed on Envoy 1.40).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.extensions.lua.hook import Hook, LogHook, RequestHook, ResponseHook
from pyvoy.extensions.lua.plan import NO_CONTEXT, LuaPlan, LuaRoutePlan, ScriptFailure
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.extensions.host import Host
    from pyvoy.extensions.lua.bridge import Bridge
    from pyvoy.extensions.lua.script import LuaScript, Run
    from pyvoy.stats.tally import Tally

TYPE = "envoy.extensions.filters.http.lua.v3.Lua"
ROUTE_TYPE = "envoy.extensions.filters.http.lua.v3.LuaPerRoute"

supports(TYPE, "default_source_code inline_code source_codes stat_prefix clear_route_cache")
supports(ROUTE_TYPE, "disabled name source_code filter_context")

log = logging.getLogger("pyvoy.lua")


@http_filter(name="envoy.filters.http.lua", type_url=TYPE, route_type_url=ROUTE_TYPE)
class Lua(HttpFilter):
    """One for all streams, whose hooks mostly end at once; a stream whose hook waits gets one of its own.  The body's
    events are asked for only by a hook that waits for them."""

    stateless = True
    knows_heads = True
    on_demand = frozenset(
        ("request_data", "request_trailers", "response_data", "response_trailers", "on_log", "on_destroy")
    )
    _is_own = False
    _request: Hook | None = None
    _response: Hook | None = None
    _log_script: LuaScript | None = None

    @staticmethod
    def build(message: Any, context: Context) -> LuaPlan:
        """The plan of a Lua message; every script is loaded, and one that does not load is a problem."""
        from pyvoy.extensions.lua import configuring

        plan = configuring.plan(message, context)
        script = plan.default
        routed = any(isinstance(each, LuaRoutePlan) for _, each in context.env.route_plans)
        plan.filter_class = Lua
        if script is not None and script.on_log is None and not routed and plan.tally is not None:
            plan.filter_class = _settled(script)
        return plan

    @staticmethod
    def build_route(message: Any, context: Context) -> LuaRoutePlan:
        """The plan of a LuaPerRoute message."""
        from pyvoy.extensions.lua import configuring

        return configuring.route_plan(message, context)

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

    def script_failed(self, hook: Hook, text: bytes, traceback: bytes) -> bool:
        """Count and log; then the stream goes on as the script has left it, or as the failure policy says."""
        plan = self._plan
        for waiting in (self._request, self._response):
            if waiting is not None and waiting is not hook:
                waiting.drop()
        message = text.decode("utf-8", "replace")
        hook.lua.bridge.trace_line(hook, "error", b"", text)
        if plan.failures is not None:
            return plan.failures.end_stream(hook.stream, ScriptFailure(message, traceback.decode("utf-8", "replace")))
        plan.errors.inc()
        log.error("script log: %s", message)
        level = logging.ERROR if plan.options.log_tracebacks else logging.DEBUG
        log.log(level, "%s", traceback.decode("utf-8", "replace"))
        return True

    # ---- events ----

    def _script(self, stream: Stream) -> LuaScript | None:
        """The script for this stream's route."""
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
        if script is None:
            return CONTINUE
        if script.on_log is not None:
            self = self._of(stream)  # noqa: PLW0642  # what is kept from here on is this stream's
            self._log_script = script
            stream.demand(self)
        return self._run(script, script.on_request, RequestHook, stream, headers, end)

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """envoy_on_response, for local replies too."""
        script = self._script(stream)
        if script is None:
            return CONTINUE
        return self._run(script, script.on_response, ResponseHook, stream, headers, end)

    def _run(
        self,
        script: LuaScript,
        run: Run | None,
        kind: type[Hook],
        stream: Stream,
        headers: HeaderMap,
        end: bool,
    ) -> Verdict:
        """Run a hook of the script, if it has it."""
        if run is None:
            return CONTINUE
        self._plan.executions.inc()
        bridge = script.bridge
        bridge.begun = (kind, self, stream, headers, end)
        try:
            result = run()
        except Exception as error:  # the wall of the extension
            result = bridge.hook.broken(error)
        return CONTINUE if result is None else self._ran(bridge, result)

    def _ran(self, bridge: Bridge, result: Any) -> Verdict:
        """A hook has run until it ended or waited, which `result` tells (prelude/core.lua, runner).  Most end at once
        and ask for nothing but changes of headers: those are never made an object."""
        hook, bridge.running = bridge.running, None
        if type(result) is bytes:
            bridge.header_changes(result)
            result = 0
        if hook is None:
            if result == 0:
                return CONTINUE
            hook = bridge.make_hook()
        verdict = hook.began(result)
        if hook.suspended:
            hook.owner = own = self._of(hook.stream)
            if hook.on_request:
                own._request = hook  # only now: filter and hook hold each other, which on_destroy ends
            else:
                own._response = hook
        return verdict

    def _of(self, stream: Stream) -> Lua:
        """The filter of this stream alone, which may keep what is the stream's."""
        if self._is_own:
            return self
        own = type(self)(self._plan)
        own.slot = self.slot
        own._is_own = True
        stream.replace_filter(self, own)
        return own

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

    def on_log(self, stream: Stream) -> None:
        """pyvoy_on_log, which cannot wait."""
        script = self._log_script
        if script is not None and script.on_log is not None:
            headers = stream.response_headers
            bridge = script.bridge
            bridge.running = hook = LogHook(
                self, bridge.state, stream, HeaderMap() if headers is None else headers, True
            )
            try:
                result = script.on_log()
            except Exception as error:  # the wall of the extension
                result = hook.broken(error)
            bridge.running = None
            hook.began(0 if result is None else result)

    def on_destroy(self, stream: Stream) -> None:
        """Whatever still waits is dropped."""
        for hook in (self._request, self._response):
            if hook is not None:
                hook.drop()
        self._request = self._response = None


class _Settled(Lua):
    """One script for every stream, which does not log: what there is to look up for each stream is looked up here.

    The two events are written out in full: a call between them and Lua would cost a twentieth of what a hook does."""

    def __init__(self, plan: LuaPlan) -> None:
        super().__init__(plan)
        assert plan.default is not None
        assert plan.tally is not None
        self._settled: LuaScript = plan.default
        self._tally: Tally = plan.tally

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """envoy_on_request."""
        _ = stream.route  # is found now, as in Envoy, whatever an earlier filter has changed
        script = self._settled
        tally = self._tally
        if not tally.count:
            tally.board.note(tally)
        tally.count += 1
        bridge = script.bridge
        bridge.begun = (RequestHook, self, stream, headers, end)
        run: Any = script.on_request
        try:
            result = run()
        except Exception as error:  # the wall of the extension
            result = bridge.hook.broken(error)
        return CONTINUE if result is None else self._ran(bridge, result)

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """envoy_on_response."""
        script = self._settled
        tally = self._tally
        if not tally.count:
            tally.board.note(tally)
        tally.count += 1
        bridge = script.bridge
        bridge.begun = (ResponseHook, self, stream, headers, end)
        run: Any = script.on_response
        try:
            result = run()
        except Exception as error:  # the wall of the extension
            result = bridge.hook.broken(error)
        return CONTINUE if result is None else self._ran(bridge, result)

    def _count_request(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """An envoy_on_request that does nothing: it is executed, and that is all that can be told of it."""
        _ = stream.route
        self._tally.hit()
        return CONTINUE

    def _count_response(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """An envoy_on_response that does nothing."""
        self._tally.hit()
        return CONTINUE


def _settled(script: LuaScript) -> type[Lua]:
    """The class for a script: with just the events that it has hooks for, which do just what these need."""
    events: dict[str, Any] = {}
    if script.on_request is None:
        events["request_headers"] = None  # the chain looks for methods
    elif script.request_is_empty:
        events["request_headers"] = _Settled._count_request
    if script.on_response is None:
        events["response_headers"] = None
    elif script.response_is_empty:
        events["response_headers"] = _Settled._count_response
    return type("SettledLua", (_Settled,), events)


_: type[HttpFilter] = Lua
