"""A loaded script: its state and its two hooks.

Source: Envoy, PerLuaCodeSetup (the chunk runs once, hooks are looked up then).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.lua.vm import LuaVm, ScriptError

if TYPE_CHECKING:
    from pyvoy.config.context import Context


@dataclass(slots=True, frozen=True, eq=False)
class LuaScript:
    """`on_request` and `on_response` run a hook, and are None where the script has none."""

    vm: LuaVm
    on_request: Callable[[], Any] | None
    on_response: Callable[[], Any] | None


def load(code: bytes, context: Context, field: str) -> LuaScript | None:
    """Load a script into a state of its own; None after a problem, which is reported at the field."""
    vm = LuaVm()
    try:
        vm.load(code)
    except ScriptError as error:
        context.error(field, f"script load error: {error}")
        return None
    gauge = context.root_scope.gauge("lua.lua_vm_count")
    gauge.inc()
    context.env.retire.append(gauge.dec)
    return LuaScript(vm, vm.hook_of(b"envoy_on_request"), vm.hook_of(b"envoy_on_response"))
