"""A VM: one instance of a module in one worker, the contexts that live in it, and what happens when it fails.

One callback runs at a time.  What a callback asks for (resume, close, local response) is done in order after it has
returned.  A trap ends the VM for all its contexts; what its streams then get is their plugin's failure policy.
Source: Envoy's Wasm and WasmBase; Proxy-Wasm, "Integration".
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls import host_functions
from pyvoy.extensions.wasm.engine.interface import ALLOCATORS, WasmTrap
from pyvoy.extensions.wasm.mirror import HeaderMirror

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.context import Context, Deferred
    from pyvoy.extensions.wasm.engine.interface import Instance, Memory, Module
    from pyvoy.extensions.wasm.root import RootContext
    from pyvoy.extensions.wasm.settings import VmSettings

log = logging.getLogger("pyvoy.wasm")

LAST_ID = 0xFFFFFFFF

_INTERRUPTED = "interrupt"
"""What the engine says of a call that reached its deadline."""

RECENT_LINES = 16
"""How many of the module's last log lines are shown with a trap."""
RECENT_CALLS = 16
"""How many of its last host calls, where they are traced."""

STREAM_CALLBACKS = (
    "request_headers",
    "request_body",
    "request_trailers",
    "response_headers",
    "response_body",
    "response_trailers",
    "context_create",
    "log",
    "done",
    "delete",
)

Callback = Callable[..., int]


class VmRefused(Exception):
    """A module that cannot be a VM; the text says everything that is wrong with it."""


class GuestExit(Exception):
    """The module called proc_exit while it began: there will be no VM."""


class Vm:
    """One instance.  Owned by the worker's runtime; `on_close` hears once that it is gone."""

    on_request_headers: Callback | None
    on_request_body: Callback | None
    on_request_trailers: Callback | None
    on_response_headers: Callback | None
    on_response_body: Callback | None
    on_response_trailers: Callback | None
    on_context_create: Callback | None
    on_log: Callback | None
    on_done: Callback | None
    on_delete: Callback | None

    def __init__(self, module: Module, settings: VmSettings) -> None:
        """Link and instantiate.  Raises VmRefused, LinkError or WasmTrap."""
        exports = dict(module.exports)
        version = abi.version_of(exports)
        if version is None:
            unknown = abi.unknown_version(exports)
            raise VmRefused("Missing or unknown Proxy-Wasm ABI version" + (unknown and f": {unknown}"))
        wrong = abi.wrong_signatures(exports)
        if wrong:
            raise VmRefused("; ".join(f"Bad function signature for: {name} ({exports[name]})" for name in wrong))
        self.settings = settings
        self.abi = version
        self.is_old = version == "0.1.0"
        self.exports = exports
        self.memory: Memory
        self.contexts: dict[int, Context] = {}
        self.roots: dict[str, RootContext] = {}
        self.ending: list[RootContext] = []
        """Plugins that nobody begins a stream under any more; each ends with its last stream."""
        self.current: Context | None = None
        """The context that host functions act on."""
        self.running: Context | None = None
        """The context whose callback runs."""
        self.next_id = 1
        self.deferred: list[Deferred] = []
        self.entered = False
        """Whether the entry point has returned."""
        self.failed = False
        self.retired = False
        self.on_close: Callable[[], None] | None = None
        self.recent: deque[str] = deque(maxlen=RECENT_LINES)
        self.writes_on = 0
        """The level of the last of them when it has not been written to its end."""
        self.recent_calls: deque[str] = deque(maxlen=RECENT_CALLS)
        """The last host calls, where they are traced."""
        self.expressions: dict[int, Callable[[Any], Any]] = {}
        """CEL expressions that the module has compiled."""
        self.next_expression = 0
        self._call_sequences = [0, 0, 0]
        self._callbacks: dict[str, Callback | None] = {}
        self.mirror: HeaderMirror | None = None
        """Where the header map at hand is while a headers callback runs; None without a companion."""
        self.malloc: Callback | None = None
        limits = settings.limits
        self.instance: Instance = module.instantiate(
            self._functions, memory_limit_bytes=limits.memory_bytes, time_limit_s=limits.start_s
        )
        self.malloc = self._allocator()
        companion = self.instance.companion
        if companion is not None:
            self.mirror = HeaderMirror(companion.view, is_old=self.is_old)
        for name in abi.CALLBACKS:
            self._callbacks[name] = self._callback(name)
        self._name_callbacks()

    def _functions(self, memory: Memory) -> Any:
        self.memory = memory
        return host_functions(self)

    def _allocator(self) -> Callback | None:
        for name in ALLOCATORS:
            if self.exports.get(name) == "i>i":
                return self.instance.function(name, nested=True)
        raise VmRefused("the module exports neither malloc nor proxy_on_memory_allocate")

    def load_mirror(self) -> None:
        """The companion's host function."""
        if self.mirror is not None:
            self.mirror.load()

    def _callback(self, name: str) -> Callback | None:
        allowed = self.settings.capabilities
        if allowed and name not in allowed:
            return None
        function = self.instance.function(name)
        if function is not None and self.exports[name] == "ii>i" and abi.CALLBACKS[name][-1] == "iii>i":
            two = function  # 0.1.0: headers without the end of the stream
            return lambda context_id, count, _end: two(context_id, count)
        return function

    def _name_callbacks(self) -> None:
        """The callbacks of streams as attributes: what is looked up for each request."""
        for name in STREAM_CALLBACKS:
            setattr(self, f"on_{name}", self._callbacks[f"proxy_on_{name}"])

    def has(self, name: str) -> bool:
        """Whether the module exports a callback that it may export."""
        return self._callbacks.get(name) is not None

    # ---- start ----

    def start(self) -> None:
        """Run the module's entry point: `_initialize` and then main, else `_start`.  Raises WasmTrap."""
        entry = self.instance.function("_initialize")
        if entry is not None:
            self._enter(entry)
            main = self.instance.function("main")
            if main is not None and self.exports["main"] == "ii>i":
                self._enter(main, 0, 0)
            else:
                main = self.instance.function("__main_void")
                if main is not None:
                    self._enter(main)
        elif (entry := self.instance.function("_start")) is not None:
            self._enter(entry)
        self.entered = True

    def _enter(self, function: Callback, *arguments: int) -> None:
        try:
            function(*arguments)
        except BaseException as error:
            self.fail(error)
            raise

    def started(self) -> None:
        """From here on callbacks have the time of a call."""
        self.instance.limit(self.settings.limits.call_s)

    # ---- callbacks ----

    def add(self, context: Context) -> int:
        """Give a context its number: one sequence for the VM, which begins anew when 32 bits are used up."""
        context_id = self.next_id
        contexts = self.contexts
        while context_id > LAST_ID or context_id in contexts:
            context_id = 1 if context_id > LAST_ID else context_id + 1
        self.next_id = context_id + 1
        contexts[context_id] = context
        return context_id

    def run(self, context: Context, name: str, *arguments: int, absent: int = 0) -> int:
        """Run a callback for a context, then what it asked for; `absent` when the module has none.

        Raises what ended it (WasmTrap, GuestExit or a fault of a host function); the VM has failed then."""
        function = self._callbacks[name]
        if function is None:
            return absent
        self.current = self.running = context
        try:
            result = function(*arguments)
        except BaseException as error:
            self.fail(error)
            raise
        self.current = self.running = None
        if self.deferred:
            self.run_deferred()
        return result

    def run_safely(self, context: Context, name: str, *arguments: int, absent: int = 0) -> int:
        """The same where nobody waits for an error; 0 when it failed."""
        try:
            return self.run(context, name, *arguments, absent=absent)
        except Exception:  # the wall of the extension: `fail` has logged it
            return 0

    def run_deferred(self) -> None:
        """Do what callbacks asked for, in order."""
        while self.deferred:
            wishes, self.deferred = self.deferred, []
            for wish in wishes:
                wish()

    def when_idle(self, action: Deferred) -> None:
        """Do something now, or when the callback that runs has returned."""
        if self.running is None:
            action()
        else:
            self.deferred.append(action)

    def next_call(self, kind: int) -> int:
        """The id of a call to a cluster: one sequence for each kind in the VM, the kind in the low two bits."""
        self._call_sequences[kind] += 1
        return self._call_sequences[kind] << 2 | kind

    def wall_ns(self) -> int:
        """Nanoseconds since the epoch, by the clock of the worker."""
        context = self.current
        return time.time_ns() if context is None else context.root.host.wall_ns()

    # ---- failure ----

    def fail(self, error: BaseException) -> None:
        """The VM must not be called any more; tell why, and let no stream wait for it."""
        running = self.running
        self.current = self.running = None
        self.deferred.clear()
        if self.failed:
            return
        self.failed = True
        log.error("%s", self._explain(error, running))
        for context in list(self.contexts.values()):
            if context.root is context:
                context.root.cancel_calls()
            if context is not running:
                context.vm_failed()

    def _explain(self, error: BaseException, running: Context | None) -> str:
        name = running.root.plugin.log_prefix if running is not None else self.settings.vm_id
        cause = str(error) or type(error).__name__
        if cause == _INTERRUPTED:
            cause += ": the callback ran longer than its limit (pyvoy.wasm.call_time_limit_ms)"
        lines = [f"wasm VM failed {name}: {cause}"]
        if isinstance(error, WasmTrap):
            lines += [f"  at {frame}" for frame in error.frames[:20]]
        lines += [f"  called before: {call}" for call in self.recent_calls]
        lines += [f"  logged before: {line}" for line in self.recent]
        return "\n".join(lines)

    # ---- the end ----

    def retire(self) -> None:
        """Nobody begins a stream here any more."""
        self.retired = True
        self.close_if_unused()

    def abandon(self) -> None:
        """Another VM has taken the place of this one, which has failed."""
        for root in list(self.roots.values()):
            root.release()
        self.roots.clear()
        self.retire()

    def has_streams(self, root: RootContext) -> bool:
        """Whether streams live under a plugin."""
        return any(context.root is root and context is not root for context in self.contexts.values())

    def close_if_unused(self) -> None:
        """End the plugins whose last stream has gone, and free a retired VM that no context lives in."""
        for root in [each for each in self.ending if not self.has_streams(each)]:
            self.ending.remove(root)
            root.end()
        if not self.contexts and self.current is None:
            self.close()

    def close(self) -> None:
        """Let go of the instance; nothing runs in it any more."""
        on_close, self.on_close = self.on_close, None
        if on_close is None:
            return
        on_close()
        self.failed = True
        self._callbacks = dict.fromkeys(self._callbacks)
        self._name_callbacks()
        self.malloc = None
        self.instance.close()
