"""A loaded filter script: its state and its hooks.

Source: Envoy, PerLuaCodeSetup (the chunk runs once, hooks are looked up then).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.attributes import place_of
from pyvoy.extensions.lua import helpers
from pyvoy.extensions.lua.bridge import Bridge
from pyvoy.extensions.lua.options import LuaOptions
from pyvoy.extensions.lua.vm import FILTER_PARTS, LuaVm, ScriptError

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.extensions.attributes import Place
    from pyvoy.extensions.host import Host


Run = Callable[[], Any]
"""Runs a hook of a script (prelude/core.lua, runner)."""


@dataclass(slots=True, frozen=True, eq=False)
class LuaState:
    """One state: the bridge of its functions, and what goes on with a hook that has waited, or forgets it."""

    bridge: Bridge
    go_on: Callable[[int, int], Any]
    forget: Callable[[int], None]


class LuaScript:
    """A script in the state that it was loaded into last; hooks that wait keep the state they began in.

    `on_request`, `on_response` and `on_log` run a hook, and are None where the script has none; `request_is_empty` and
    `response_is_empty` say of the first two that they do nothing."""

    __slots__ = (
        "_code",
        "_file",
        "_host",
        "_options",
        "_place",
        "bridge",
        "on_log",
        "on_request",
        "on_response",
        "request_is_empty",
        "response_is_empty",
    )

    def __init__(self, code: bytes, options: LuaOptions, host: Host, place: Place, file: str = "") -> None:
        """Load the script.  Raises ScriptError."""
        self._file = file
        self._code = code
        self._options = options
        self._host = host
        self._place = place
        self.reload()

    def reload(self) -> None:
        """Load the same text into a new state.  Raises ScriptError."""
        bridge = Bridge(traced=self._options.trace)
        functions = bridge.functions() | helpers.functions(bridge, self._host)
        functions[b"attribute"] = helpers.attribute_function(bridge, self._place)
        vm = LuaVm(functions, FILTER_PARTS, self._options)
        bridge.runtime = vm.runtime
        vm.load(self._code, self._file)
        bridge.state = LuaState(bridge, vm.go_on, vm.core(b"forget"))
        self.bridge = bridge
        self.on_request = vm.hook_of(b"envoy_on_request")
        self.on_response = vm.hook_of(b"envoy_on_response")
        self.request_is_empty = vm.is_empty(b"envoy_on_request")
        self.response_is_empty = vm.is_empty(b"envoy_on_response")
        self.on_log = vm.hook_of(b"pyvoy_on_log", changing=False)


def load(
    code: bytes, context: Context, field: str, options: LuaOptions, host: Host, file: str = ""
) -> LuaScript | None:
    """Load a script into a state of its own; None after a problem, which is reported at the field.

    `file` is where it comes from, if from a file; errors name it in place of the first line, as Envoy's do, where
    tracebacks are logged too."""
    try:
        script = LuaScript(code, options, host, place_of(context), file if options.log_tracebacks else "")
    except ScriptError as error:
        where = f" ({file})" if file and not options.log_tracebacks else ""
        context.error(field, f"script load error: {error}{where}")
        return None
    gauge = context.root_scope.gauge("lua.lua_vm_count")
    gauge.inc()
    context.env.retire.append(gauge.dec)
    return script


def try_load(vm: LuaVm, code: bytes, context: Context, field: str, file: str = "") -> bool:
    """Run a script's main chunk; False after a problem, which is reported at the field.  Errors name `file`."""
    try:
        vm.load(code, file)
    except ScriptError as error:
        context.error(field, f"script load error: {error}")
        return False
    return True
