"""What pyvoy does for scripts beyond Envoy, as the listener's metadata asks for it: all of it is off by default.

    listeners:
    - metadata:
        filter_metadata:
          pyvoy.lua: {sandbox: true, max_instructions: 1000000}
          pyvoy.lua.auth: {failure_policy: FAIL_CLOSED}     # for the filter with stat_prefix "auth", in its place

Metadata is free text to Envoy, so that the same file still loads there.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.failure import FailurePolicy

if TYPE_CHECKING:
    from pyvoy.config.context import Context

NAMESPACE = "pyvoy.lua"
LEAST_MEMORY_BYTES = 2 << 20

_POLICIES = (FailurePolicy.OPEN, FailurePolicy.CLOSED, FailurePolicy.RELOAD)
"""By the number in the message, whose default is Envoy's behaviour."""


@dataclass(slots=True, frozen=True)
class LuaOptions:
    """See pyvoy/config/protos/pyvoy/extensions/lua/v1; `trace` is asked for by the command line, and so are tracebacks
    in development."""

    failure_policy: FailurePolicy = FailurePolicy.OPEN
    max_instructions: int = 0
    max_memory_bytes: int = 0
    sandbox: bool = False
    explain_errors: bool = False
    log_tracebacks: bool = False
    trace: bool = False


DEFAULTS = LuaOptions()


def options_of(context: Context, stat_prefix: str = "") -> LuaOptions:
    """The options for a filter on this listener; problems are reported at the filter."""
    options = _of_listener(context, stat_prefix)
    env = context.env
    if env.trace_sink is None and not env.development:
        return options
    return replace(
        options,
        log_tracebacks=options.log_tracebacks or env.development,
        trace=env.trace_sink is not None,
    )


def _of_listener(context: Context, stat_prefix: str) -> LuaOptions:
    metadata = context.listener_metadata
    name = f"{NAMESPACE}.{stat_prefix}"
    if not stat_prefix or name not in metadata:
        name = NAMESPACE
    if name not in metadata:
        return DEFAULTS
    message = _read(metadata[name], name, context)
    if message is None:
        return DEFAULTS
    if message.max_memory_bytes and message.max_memory_bytes < LEAST_MEMORY_BYTES:
        context.error("", f"listener metadata {name!r}: max_memory_bytes must be at least {LEAST_MEMORY_BYTES}")
        message.max_memory_bytes = 0
    return LuaOptions(
        _POLICIES[message.failure_policy],
        message.max_instructions,
        message.max_memory_bytes,
        message.sandbox,
        message.explain_errors,
        message.log_tracebacks,
    )


def _read(values: Any, name: str, context: Context) -> Any:
    from google.protobuf import json_format

    from pyvoy.config.protos.pyvoy.extensions.lua.v1 import lua_pb2

    messages: Any = lua_pb2
    try:
        return json_format.ParseDict(dict(values), messages.Options())
    except json_format.ParseError as error:
        context.error("", f"listener metadata {name!r}: {error}")
        return None
