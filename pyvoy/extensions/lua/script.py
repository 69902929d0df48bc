"""A loaded filter script: its state and its two hooks.

Source: Envoy, PerLuaCodeSetup (the chunk runs once, hooks are looked up then).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.lua.bridge import Bridge
from pyvoy.extensions.lua.vm import FILTER_PARTS, LuaVm, ScriptError

if TYPE_CHECKING:
    from pyvoy.config.context import Context


@dataclass(slots=True, frozen=True, eq=False)
class LuaScript:
    """`on_request` and `on_response` run a hook, and are None where the script has none; `go_on` goes on with a hook
    that has waited."""

    bridge: Bridge
    go_on: Callable[..., Any]
    on_request: Callable[[], Any] | None
    on_response: Callable[[], Any] | None


def load(code: bytes, context: Context, field: str) -> LuaScript | None:
    """Load a script into a state of its own; None after a problem, which is reported at the field."""
    bridge = Bridge()
    vm = LuaVm(bridge.functions(), FILTER_PARTS)
    bridge.runtime = vm.runtime
    if not try_load(vm, code, context, field):
        return None
    count(context)
    return LuaScript(bridge, vm.go_on, vm.hook_of(b"envoy_on_request"), vm.hook_of(b"envoy_on_response"))


def try_load(vm: LuaVm, code: bytes, context: Context, field: str) -> bool:
    """Run a script's main chunk; False after a problem, which is reported at the field."""
    try:
        vm.load(code)
    except ScriptError as error:
        context.error(field, f"script load error: {error}")
        return False
    return True


def count(context: Context) -> None:
    """One more state, for as long as the configuration is in force."""
    gauge = context.root_scope.gauge("lua.lua_vm_count")
    gauge.inc()
    context.env.retire.append(gauge.dec)
