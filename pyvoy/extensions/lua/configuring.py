"""Lua and LuaPerRoute messages -> plans.

Every script is loaded here; a file that one comes from is looked at in development mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.extensions.failure import FailurePolicy, Failures
from pyvoy.extensions.host import Host
from pyvoy.extensions.lua.options import options_of
from pyvoy.extensions.lua.plan import NO_CONTEXT, LuaPlan, LuaRoutePlan
from pyvoy.extensions.lua.script import LuaScript, load
from pyvoy.stats.tally import Tally

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.extensions.lua.options import LuaOptions

TWO_DEFAULTS = "Error: Only one of `inline_code` or `default_source_code` can be set for the Lua filter."


def plan(message: Any, context: Context) -> LuaPlan:
    """The plan of a Lua message."""
    options = options_of(context, message.stat_prefix)
    scope = context.scope.scope("lua").scope(message.stat_prefix)
    host = Host.of(context, scope, "lua")
    default = None
    if message.inline_code and message.HasField("default_source_code"):
        context.error("inline_code", TWO_DEFAULTS)
    elif message.inline_code:
        default = load(message.inline_code.encode(), context, "inline_code", options, host)
    elif message.HasField("default_source_code"):
        default = _load_source(message.default_source_code, context.at("default_source_code"), options, host)
    named = {}
    for name in sorted(message.source_codes):
        script = _load_source(message.source_codes[name], context.at("source_codes", name), options, host)
        if script is not None:
            named[name] = script
    scripts = [script for script in (default, *named.values()) if script is not None]
    executions = scope.counter("executions")
    services = host.services
    tally = None if services is None else Tally(services.tallies, executions.cells, (executions.index,))
    return LuaPlan(
        default,
        named,
        context.wrapped(message, "clear_route_cache", True),
        host,
        executions,
        scope.counter("errors"),
        options,
        _failures(message.stat_prefix, options, scripts, host, context),
        tally,
        scripts=scripts,
    )


def route_plan(message: Any, context: Context) -> LuaRoutePlan:
    """The plan of a LuaPerRoute message."""
    from pyvoy.filters.common.metadata import plain_struct

    script = None
    if message.WhichOneof("override") == "source_code":
        host = Host.of(context, context.scope.scope("lua"), "lua")
        script = _load_source(message.source_code, context.at("source_code"), options_of(context), host)
    values = plain_struct(message.filter_context) if message.HasField("filter_context") else NO_CONTEXT
    return LuaRoutePlan(message.disabled, message.name, script, values)


def _load_source(message: Any, context: Context, options: LuaOptions, host: Host) -> LuaScript | None:
    from pyvoy.config.compile import data_source

    file = message.filename if message.WhichOneof("specifier") == "filename" else ""
    if file:
        context.env.files.add(file)
    return load(data_source.read(message, context), context, "", options, host, file)


def _failures(
    stat_prefix: str, options: LuaOptions, scripts: list[LuaScript], host: Host, context: Context
) -> Failures | None:
    if options.failure_policy is FailurePolicy.OPEN:
        return None

    def reload() -> None:
        for script in scripts:
            script.reload()

    return Failures(
        stat_prefix or "lua",
        options.failure_policy,
        host.scope,
        host.logger,
        development=context.env.development,
        reload=reload if options.failure_policy is FailurePolicy.RELOAD else None,
    )
