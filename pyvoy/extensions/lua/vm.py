"""One Lua state with one script in it: what the script finds there, loading, and running its functions.

A state belongs to one worker.  Everything that a script sees of Envoy is Lua code of `prelude/`, which calls the
functions of a bridge; values cross as bytes.  Source: Envoy, ThreadLocalState and Coroutine.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from pyvoy.extensions.lua.options import DEFAULTS, LuaOptions

FILTER_PARTS = ("core", "compat", "headers", "handle", "info")
ROUTE_PARTS = ("core", "compat", "route")
MATCHER_PARTS = ("core", "compat")
NETWORK_PARTS = ("core", "compat", "connection")
"""The files of the prelude in the state of a filter, a cluster specifier, a string matcher and a network filter."""


class ScriptError(Exception):
    """A script that cannot be loaded; the text is Lua's."""


@cache
def prelude(name: str) -> bytes:
    """A file of the prelude as bytecode: compiled once in a process, since each script has a state of its own."""
    import lupa.luajit21 as lupa

    source = (files(__package__) / "prelude" / f"{name}.lua").read_bytes()
    runtime = lupa.LuaRuntime(encoding=None)
    dump = runtime.eval(b"function(source, name) return string.dump(assert(loadstring(source, name))) end")
    return bytes(dump(source, f"=pyvoy/{name}.lua".encode()))


def _no_attributes(_object: object, name: bytes, _setting: bool) -> bytes:
    """Scripts hold a few Python objects; they may hand them back and nothing else."""
    raise AttributeError(name)


class LuaVm:
    """A state.  `runner` makes hooks of a filter's functions, `go_on` goes on with one that has waited, `call` calls a
    function that cannot wait: True and its last value, or False, text and traceback."""

    __slots__ = ("_core", "_globals", "_load", "_loadstring", "call", "go_on", "runner", "runtime")

    runner: Callable[[Any, bool], Callable[[], Any]]
    go_on: Callable[..., Any]
    call: Callable[..., Any]

    def __init__(
        self,
        functions: Mapping[bytes, Callable[..., Any]],
        parts: tuple[str, ...],
        options: LuaOptions = DEFAULTS,
    ) -> None:
        """`functions` are those that the parts of the prelude call."""
        import lupa.luajit21 as lupa

        self.runtime = lupa.LuaRuntime(
            encoding=None,
            unpack_returned_tuples=True,
            register_eval=False,
            register_builtins=False,
            attribute_filter=_no_attributes,
            max_memory=options.max_memory_bytes or None,
        )
        self._globals = self.runtime.globals()
        del self._globals[b"python"]
        del self._globals[b"package"][b"loaded"][b"python"]
        self._loadstring = self._globals[b"loadstring"]
        core = self.runtime.table()
        host = self.runtime.table_from(functions)
        for name in parts:
            self._run_part(name, host, core)
        core[b"load_helpers"] = lambda: self._run_part("helpers", host, core)
        if options.explain_errors:
            core[b"explain_errors"]()
        if options.max_instructions:
            self._run_part("limits", host, core, options.max_instructions)
            core[b"apply_limits"]()
        if options.sandbox:
            self._run_part("sandbox", host, core)
        self.runner = core[b"runner"]
        self._load = core[b"load"]
        self.go_on = core[b"go_on"]
        self.call = core[b"call"]
        self._core = core

    def _run_part(self, name: str, *arguments: Any) -> Any:
        return self._loadstring(prelude(name))(*arguments)

    def load(self, code: bytes, file: str = "") -> None:
        """Run a script's main chunk; errors name `file` if there is one.  Raises ScriptError with Lua's text."""
        wrong = self._load(code, b"@" + file.encode() if file else None)
        if wrong is not None:
            raise ScriptError(wrong.decode("utf-8", "replace"))

    def core(self, name: bytes) -> Callable[..., Any]:
        """A function of the prelude."""
        found: Callable[..., Any] = self._core[name]
        return found

    def function(self, name: bytes) -> Any:
        """A global function of the script; None when there is none."""
        import lupa.luajit21 as lupa

        found = self._globals[name]
        return found if lupa.lua_type(found) == "function" else None

    def is_empty(self, name: bytes) -> bool:
        """Whether a global function of the script does nothing, as the hooks that people leave in a script often do."""
        found = self.function(name)
        return found is not None and bool(self._core[b"is_empty"](found))

    def hook_of(self, name: bytes, *, changing: bool = True) -> Callable[[], Any] | None:
        """What runs a global function of the script as a hook; None when there is none.  `changing`: it may change the
        headers."""
        found = self.function(name)
        return None if found is None else self.runner(found, changing)
