"""One Lua state with one script in it: what the script finds there, loading, and running its functions.

A state belongs to one worker.  Everything that a script sees of Envoy is Lua code of `prelude/`, which calls the
functions of the `Bridge`; values cross as bytes.  Source: Envoy, ThreadLocalState and Coroutine.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.lua.bridge import Bridge

if TYPE_CHECKING:
    from pyvoy.extensions.lua.hook import Hook

_PRELUDE = ("core", "compat", "headers", "handle", "info")


class ScriptError(Exception):
    """A script that cannot be loaded; the text is Lua's."""


class LuaVm:
    """A state.  `hook` is the hook that runs at the moment: what the bridge's functions are about."""

    __slots__ = ("_globals", "_load", "bridge", "go_on", "hook", "runner", "runtime")

    hook: Hook
    runner: Callable[[Any], Callable[[], Any]]
    go_on: Callable[..., Any]

    def __init__(self) -> None:
        import lupa.luajit21 as lupa

        self.runtime = lupa.LuaRuntime(
            encoding=None, unpack_returned_tuples=True, register_eval=False, register_builtins=False
        )
        self._globals = self.runtime.globals()
        del self._globals[b"python"]
        self.bridge = Bridge(self)
        core = self.runtime.table()
        host = self.runtime.table_from(self.bridge.functions())
        for name in _PRELUDE:
            source = (files(__package__) / "prelude" / f"{name}.lua").read_bytes()
            self.runtime.compile(source, name=f"=pyvoy/{name}.lua".encode())(host, core)
        self.runner = core[b"runner"]
        self._load = core[b"load"]
        self.go_on = core[b"go_on"]

    def load(self, code: bytes) -> None:
        """Run a script's main chunk.  Raises ScriptError with Lua's text."""
        wrong = self._load(code)
        if wrong is not None:
            raise ScriptError(wrong.decode("utf-8", "replace"))

    def hook_of(self, name: bytes) -> Callable[[], Any] | None:
        """What runs a global function of the script as a hook; None when there is none."""
        import lupa.luajit21 as lupa

        found = self._globals[name]
        return self.runner(found) if lupa.lua_type(found) == "function" else None
