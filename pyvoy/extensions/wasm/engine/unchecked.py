"""The fast binding: wasmtime's unchecked C functions by ctypes, with prepared arguments and value buffers.

The one file that touches what wasmtime's Python package keeps private.  A call costs about a microsecond and a host
call half of one, against 40 and 25 through the package's public functions; `public.py` offers the same by those.

What makes this safe: each function's signature is compared at link time, so that the number and kind of values is
known; wasmtime checks the guest's own accesses; and `UncheckedMemory` checks every address that the host is given.
A value lies in 16 bytes, of which an i32 takes the first 4 and an i64 the first 8.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from struct import Struct
from typing import TYPE_CHECKING, Any

import wasmtime
from wasmtime import _bindings as bindings
from wasmtime import _ffi as ffi

from pyvoy.extensions.wasm.engine.companion import Companion
from pyvoy.extensions.wasm.engine.interface import (
    HostFunction,
    LinkError,
    MakeFunctions,
    MemoryNotBoundError,
    OutOfBounds,
    WasmTrap,
)
from pyvoy.extensions.wasm.engine.linking import define_memories, function_type, needed, trap_of
from pyvoy.extensions.wasm.engine.ticker import ticks_of

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.engine.compiler import CompiledModule, Compiler

_U32 = Struct("<I")
_U64 = Struct("<Q")
_Words = ctypes.POINTER(ctypes.c_uint32)
_Longs = ctypes.POINTER(ctypes.c_uint64)
_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, _Words, ctypes.c_size_t)
_CALLBACK64 = ctypes.CFUNCTYPE(ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p, _Longs, ctypes.c_size_t)
_NO_FINALIZER = ctypes.CFUNCTYPE(None, ctypes.c_void_p)()
_HOST_FAILED = b"a host function failed"


def _own(name: str, result: Any = ctypes.c_void_p) -> Any:
    """A C function with a prototype of our own: arguments are prepared objects, taken as they are."""
    found = ffi.dll[name]
    found.restype = result
    return found


def _as_is(address: int) -> Any:
    """A pointer that ctypes hands over as it is: any other kind of argument it converts anew for each call, which makes
    up a quarter of what a call costs.  A size_t goes the same way."""
    return ctypes.byref(ctypes.c_char.from_address(address))


class UncheckedMemory:
    """The memory as one view.  It never moves (see `compiler`), so only growth makes the view out of date; then what
    looks out of bounds is looked at once more."""

    __slots__ = ("_address", "_handle", "_store", "_view", "size")

    def __init__(self) -> None:
        self.size = 0
        self._view = memoryview(b"")
        self._handle: Any = None
        self._store: Any = None
        self._address = 0

    def bind(self, store: Any, handle: Any) -> None:
        """Now the memory is known: a wasmtime.Store, which must outlive it, and a wasmtime_memory_t."""
        self._store = store
        self._handle = handle
        self.renew()

    def renew(self) -> int:
        """Take in what has grown; the size now."""
        if self._handle is None:
            raise MemoryNotBoundError
        context = self._store._context()
        size = int(bindings.wasmtime_memory_data_size(context, ctypes.byref(self._handle)))
        address = ctypes.cast(bindings.wasmtime_memory_data(context, ctypes.byref(self._handle)), ctypes.c_void_p).value
        if size and (size != self.size or address != self._address):
            self._address = address or 0
            self._view = memoryview((ctypes.c_ubyte * size).from_address(self._address)).cast("B")
            self.size = size
        return size

    @property
    def view(self) -> memoryview:
        """All of it, for a memory that does not grow."""
        return self._view

    def _reach(self, end: int) -> None:
        if end > self.renew():
            raise OutOfBounds

    def read(self, at: int, size: int) -> bytes:
        """A copy of `size` bytes."""
        end = at + size
        if end > self.size:
            self._reach(end)
        return self._view[at:end].tobytes()

    def write(self, at: int, data: bytes) -> None:
        """Copy data in."""
        end = at + len(data)
        if end > self.size:
            self._reach(end)
        self._view[at:end] = data

    def read_u32(self, at: int) -> int:
        """A little-endian number."""
        if at + 4 > self.size:
            self._reach(at + 4)
        return int(_U32.unpack_from(self._view, at)[0])

    def write_u32(self, at: int, value: int) -> None:
        """A little-endian number."""
        if at + 4 > self.size:
            self._reach(at + 4)
        _U32.pack_into(self._view, at, value)

    def write_u64(self, at: int, value: int) -> None:
        """A little-endian number."""
        if at + 8 > self.size:
            self._reach(at + 8)
        _U64.pack_into(self._view, at, value)

    def unbind(self) -> None:
        """The memory is gone."""
        self._handle = self._store = None
        self._view = memoryview(b"")
        self.size = 0


class UncheckedInstance:
    """A running module; implements `Instance`.  `armed` is the tick at which the deadline was set last."""

    __slots__ = (
        "_callbacks",
        "_context",
        "_deadline",
        "_functions",
        "_instance",
        "_linker",
        "_store",
        "_ticker",
        "_trap",
        "armed",
        "companion",
        "failure",
        "memory",
    )

    def __init__(self, compiler: Compiler, memory_limit_bytes: int, time_limit_s: float) -> None:
        self._ticker = compiler.ticker
        self._store: Any = wasmtime.Store(compiler.engine)
        self._store.set_limits(memory_size=memory_limit_bytes)
        self._context = ctypes.cast(self._store._context(), ctypes.c_void_p)
        self._linker: Any = wasmtime.Linker(compiler.engine)
        self._callbacks: list[Any] = []
        self._functions: dict[tuple[str, bool], Callable[..., int] | None] = {}
        self._instance: Any = None
        self._trap = ctypes.c_void_p()
        self._deadline = ctypes.c_uint64(0)
        self.failure: BaseException | None = None
        """What a host function raised, on its way out through the guest."""
        self.memory = UncheckedMemory()
        self.companion: UncheckedMemory | None = None
        self.armed = -1
        self.limit(time_limit_s)

    # --- start

    def start(self, module: CompiledModule, functions: MakeFunctions) -> None:
        """Link and instantiate."""
        offered = functions(self.memory)
        wanted = needed(module, offered)
        for (place, name), function in wanted.items():
            self._define(place, name, function)
        define_memories(self._linker, self._store, module)
        companion = Companion.of(module, wanted, offered)
        if companion is not None:
            for (place, name), function in companion.functions.items():
                self._define(place, name, function)
            companion.open_door(self._linker, self._store)
        self.arm()
        try:
            self._instance = self._linker.instantiate(self._store, module.code)
        except wasmtime.Trap as error:
            raise self._raised(trap_of(error)) from None
        except wasmtime.WasmtimeError as error:
            raise LinkError(str(error)) from None
        for name, kind in module.exports.items():
            if kind == "memory":
                found = self._instance.exports(self._store)[name]
                self.memory.bind(self._store, found._memory)
                break
        if companion is not None:
            self.companion = UncheckedMemory()
            self.companion.bind(self._store, companion.settle(self._linker, self._store, self._instance)._memory)

    def _define(self, place: str, name: str, function: HostFunction) -> None:
        callback = _trampoline(self, function)
        self._callbacks.append(callback)
        kind = function_type(function.signature)
        module_name, own_name = place.encode(), name.encode()
        error = _own("wasmtime_linker_define_func_unchecked")(
            self._linker.ptr(),
            module_name,
            ctypes.c_size_t(len(module_name)),
            own_name,
            ctypes.c_size_t(len(own_name)),
            kind.ptr(),
            callback,
            None,
            _NO_FINALIZER,
        )
        if error:
            raise LinkError(f"{place}.{name} cannot be defined")

    def bind_by(self, caller: int) -> None:
        """While the start section runs: take the memory from the caller of a host function."""
        item = ffi.wasmtime_extern_t()
        pointer = ctypes.cast(caller, ctypes.POINTER(bindings.wasmtime_caller_t))
        name = ctypes.create_string_buffer(b"memory")
        if bindings.wasmtime_caller_export_get(pointer, name, 6, ctypes.byref(item)) and item.kind == 3:
            self.memory.bind(self._store, item.of.memory)
        else:
            raise OutOfBounds

    # --- calls

    def limit(self, seconds: float) -> None:
        """The time limit of calls from now on."""
        self._deadline = ctypes.c_uint64(ticks_of(seconds))
        self.armed = -1

    def arm(self) -> None:
        """Set the deadline anew."""
        self.armed = self._ticker.ticks
        _SET_DEADLINE(self._context, self._deadline)

    def function(self, name: str, *, nested: bool = False) -> Callable[..., int] | None:
        """An exported function as a plain callable."""
        key = (name, nested)
        if key not in self._functions:
            found = self._instance.exports(self._store).get(name) if self._instance is not None else None
            is_function = isinstance(found, wasmtime.Func)
            self._functions[key] = self._bound(found, nested) if is_function else None
        return self._functions[key]

    def _bound(self, function: Any, nested: bool) -> Callable[..., int]:
        kind = function.type(self._store)
        count = len(kind.params)
        values = (ctypes.c_uint32 * (4 * max(count, len(kind.results), 1)))()
        return _caller(self, function._func, values, max(count, len(kind.results)), count, nested)

    def raise_trap(self, error: int | None, trap: ctypes.c_void_p) -> None:
        """After a call that failed."""
        if error:
            found = wasmtime.WasmtimeError._from_ptr(ctypes.cast(error, ctypes.POINTER(bindings.wasmtime_error_t)))
        else:
            found = wasmtime.Trap._from_ptr(ctypes.cast(trap.value or 0, ctypes.POINTER(bindings.wasm_trap_t)))
            trap.value = None
        raise self._raised(trap_of(found))

    def _raised(self, trap: WasmTrap) -> BaseException:
        """What a host function raised wins over the trap that carried it; it keeps the guest's frames."""
        failure, self.failure = self.failure, None
        if failure is None:
            return trap
        if isinstance(failure, WasmTrap):
            failure.frames = failure.frames or trap.frames
        return failure

    def memory_bytes(self) -> int:
        """The memory's size now."""
        return self.memory.renew()

    def close(self) -> None:
        """Free the store; functions handed out must not be called any more."""
        self._functions.clear()
        self.memory.unbind()
        if self.companion is not None:
            self.companion.unbind()
        self._instance = None
        self._linker.close()
        self._store.close()
        self._callbacks.clear()


_CALL = _own("wasmtime_func_call_unchecked")
_SET_DEADLINE = _own("wasmtime_context_set_epoch_deadline", None)
_NEW_TRAP = _own("wasmtime_trap_new")


def instantiate(
    compiler: Compiler,
    module: CompiledModule,
    functions: MakeFunctions,
    memory_limit_bytes: int,
    time_limit_s: float,
) -> UncheckedInstance:
    """A running instance.  Raises LinkError or WasmTrap."""
    instance = UncheckedInstance(compiler, memory_limit_bytes, time_limit_s)
    try:
        instance.start(module, functions)
    except BaseException:
        instance.close()
        raise
    return instance


def _caller(
    instance: UncheckedInstance, function: Any, values: Any, slots: int, count: int, nested: bool
) -> Callable[..., int]:
    """The closure that calls one exported function; one body for each number of parameters that is frequent."""
    context = _as_is(instance._context.value or 0)
    handle = ctypes.byref(function)
    slots_in = ctypes.byref(values)
    size = _as_is(slots)
    trap = ctypes.c_void_p()
    trap_out = ctypes.byref(trap)
    ticker = instance._ticker
    call = _CALL

    def call_1(first: int) -> int:
        if instance.armed != ticker.ticks:
            instance.arm()
        values[0] = first
        error = call(context, handle, slots_in, size, trap_out)
        if error is not None or trap:
            instance.raise_trap(error, trap)
        return values[0]  # type: ignore[no-any-return]

    def call_3(first: int, second: int, third: int) -> int:
        if instance.armed != ticker.ticks:
            instance.arm()
        values[0] = first
        values[4] = second
        values[8] = third
        error = call(context, handle, slots_in, size, trap_out)
        if error is not None or trap:
            instance.raise_trap(error, trap)
        return values[0]  # type: ignore[no-any-return]

    def call_any(*arguments: int) -> int:
        if instance.armed != ticker.ticks:
            instance.arm()
        for at in range(count):
            values[4 * at] = arguments[at]
        error = call(context, handle, slots_in, size, trap_out)
        if error is not None or trap:
            instance.raise_trap(error, trap)
        return values[0]  # type: ignore[no-any-return]

    def call_nested(first: int) -> int:
        values[0] = first
        error = call(context, handle, slots_in, size, trap_out)
        if error is not None or trap:
            instance.raise_trap(error, trap)
        return values[0]  # type: ignore[no-any-return]

    if nested and count == 1:
        return call_nested
    if count == 1:
        return call_1
    return call_3 if count == 3 else call_any


# --- host functions


def _fail(instance: UncheckedInstance, error: BaseException) -> int:
    """A host function raised: the guest must not run on.  Returns the trap that ends it."""
    instance.failure = error
    return _NEW_TRAP(_HOST_FAILED, ctypes.c_size_t(len(_HOST_FAILED))) or 0


def _trampoline(instance: UncheckedInstance, function: HostFunction) -> Any:
    """The C callback around a host function."""
    parameters, _, result = function.signature.partition(">")
    if "I" in parameters or result == "I":
        return _CALLBACK64(_wide(instance, function.run, parameters, bool(result)))
    run = _narrow(function.run, len(parameters), bool(result))

    def callback(_data: Any, caller: Any, values: Any, _count: Any) -> int:
        try:
            run(values)
        except MemoryNotBoundError:
            return _again(instance, caller, lambda: run(values))
        except BaseException as error:  # the wall of the extension: it goes on as a trap
            return _fail(instance, error)
        return 0

    return _CALLBACK(
        _FLAT[len(parameters)](instance, function.run) if result and len(parameters) in _FLAT else callback
    )


def _again(instance: UncheckedInstance, caller: int, run: Callable[[], None]) -> int:
    """The start section's first use of its memory: find the memory, then do the call once more."""
    try:
        instance.bind_by(caller)
        run()
    except BaseException as error:  # the wall of the extension
        return _fail(instance, error)
    return 0


def _narrow(run: Callable[..., Any], count: int, has_result: bool) -> Callable[[Any], None]:
    """Takes i32 values from their slots, and puts the result into the first."""
    slots = slice(0, 4 * count - 3 if count else 0, 4)

    def with_result(values: Any) -> None:
        values[0] = run(*values[slots]) if count else run()

    def without(values: Any) -> None:
        if count:
            run(*values[slots])
        else:
            run()

    return with_result if has_result else without


def _wide(instance: UncheckedInstance, run: Callable[..., Any], parameters: str, has_result: bool) -> Any:
    """As `_narrow` for signatures with an i64: every slot is read as 64 bits and cut where it is an i32."""
    masks = [0xFFFFFFFFFFFFFFFF if kind == "I" else 0xFFFFFFFF for kind in parameters]

    def once(values: Any) -> None:
        result = run(*[values[2 * at] & mask for at, mask in enumerate(masks)])
        if has_result:
            values[0] = result

    def callback(_data: Any, caller: Any, values: Any, _count: Any) -> int:
        try:
            once(values)
        except MemoryNotBoundError:
            return _again(instance, caller, lambda: once(values))
        except BaseException as error:  # the wall of the extension
            return _fail(instance, error)
        return 0

    return callback


def _flat_3(instance: UncheckedInstance, run: Callable[..., Any]) -> Any:
    def callback(_data: Any, caller: Any, values: Any, _count: Any) -> int:
        try:
            values[0] = run(values[0], values[4], values[8])
        except MemoryNotBoundError:
            return _again(instance, caller, lambda: _narrow(run, 3, True)(values))
        except BaseException as error:  # the wall of the extension
            return _fail(instance, error)
        return 0

    return callback


def _flat_4(instance: UncheckedInstance, run: Callable[..., Any]) -> Any:
    def callback(_data: Any, caller: Any, values: Any, _count: Any) -> int:
        try:
            values[0] = run(values[0], values[4], values[8], values[12])
        except MemoryNotBoundError:
            return _again(instance, caller, lambda: _narrow(run, 4, True)(values))
        except BaseException as error:  # the wall of the extension
            return _fail(instance, error)
        return 0

    return callback


def _flat_5(instance: UncheckedInstance, run: Callable[..., Any]) -> Any:
    def callback(_data: Any, caller: Any, values: Any, _count: Any) -> int:
        try:
            values[0] = run(values[0], values[4], values[8], values[12], values[16])
        except MemoryNotBoundError:
            return _again(instance, caller, lambda: _narrow(run, 5, True)(values))
        except BaseException as error:  # the wall of the extension
            return _fail(instance, error)
        return 0

    return callback


_FLAT = {3: _flat_3, 4: _flat_4, 5: _flat_5}
"""The hot numbers of parameters: reading slots one by one costs 0.1 microseconds less than a slice."""
