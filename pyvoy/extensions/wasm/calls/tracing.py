"""Host calls written down as they happen, for whoever looks for a fault in a module or traces a request.

Linked only where the configuration says so (`pyvoy.wasm.trace_calls`), or is built with tracing on.

A line names the function, its arguments, what it answered and how long it took.  Texts that the module hands over are
shown as such, everything else is the number that it is.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.wasm.engine.interface import HostFunction, OutOfBounds
from pyvoy.server.logs import TRACE

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.engine.interface import Memory
    from pyvoy.extensions.wasm.vm import Vm

log = logging.getLogger("pyvoy.wasm")

STATUS = {
    0: "OK",
    1: "NOT_FOUND",
    2: "BAD_ARGUMENT",
    3: "SERIALIZATION_FAILURE",
    4: "PARSE_FAILURE",
    5: "BAD_EXPRESSION",
    6: "INVALID_MEMORY_ACCESS",
    7: "EMPTY",
    8: "CAS_MISMATCH",
    10: "INTERNAL_FAILURE",
    11: "BROKEN_CONNECTION",
    12: "UNIMPLEMENTED",
}


_TEXTS: Mapping[str, tuple[int, ...]] = {
    "proxy_log": (1,),
    "proxy_get_header_map_value": (1,),
    "proxy_add_header_map_value": (1, 3),
    "proxy_replace_header_map_value": (1, 3),
    "proxy_remove_header_map_value": (1,),
    "proxy_set_buffer_bytes": (3,),
    "proxy_send_local_response": (1, 3),
    "proxy_http_call": (0, 4),
    "proxy_grpc_call": (0, 2, 4),
    "proxy_grpc_stream": (0, 2, 4),
    "proxy_get_shared_data": (0,),
    "proxy_set_shared_data": (0, 2),
    "proxy_register_shared_queue": (0,),
    "proxy_resolve_shared_queue": (0, 2),
    "proxy_enqueue_shared_queue": (1,),
    "proxy_define_metric": (1,),
    "proxy_get_property": (0,),
    "proxy_set_property": (0, 2),
    "proxy_call_foreign_function": (0,),
}
"""Which arguments are an address with the size of a text behind it."""
_SHOWN_BYTES = 60


def traced(vm: Vm, name: str, function: HostFunction) -> HostFunction:
    """The same function with a line for each call, also for one that ends the module.

    The line goes to the log, or to the stream for which the module calls, as the settings say."""
    is_logged = vm.settings.trace
    named = STATUS if name.startswith("proxy_") else {}
    texts = _TEXTS.get(name, ())
    memory = vm.memory

    def run(*arguments: int) -> Any:
        context = vm.current
        trace = None if context is None else getattr(context.subject, "trace", None)
        if trace is None and not is_logged:
            return function.run(*arguments)
        shown = _shown(memory, texts, arguments)
        began_s = time.perf_counter()
        outcome = "raised"
        try:
            result = function.run(*arguments)
            outcome = "" if result is None else str(named.get(result, result))
            return result
        finally:
            taken_us = (time.perf_counter() - began_s) * 1e6
            line = f"{name}({shown}) {outcome} {taken_us:.1f} us"
            if trace is not None:
                trace.call(line)
            if is_logged:
                vm.recent_calls.append(line)
                log.log(TRACE, "wasm call %s: %s", vm.settings.vm_id, line)

    return HostFunction(function.signature, run)


def _shown(memory: Memory, texts: tuple[int, ...], arguments: tuple[int, ...]) -> str:
    parts: list[str] = []
    at = 0
    while at < len(arguments):
        if at in texts:
            parts.append(_text(memory, arguments[at], arguments[at + 1]))
            at += 2
        else:
            parts.append(str(arguments[at]))
            at += 1
    return ", ".join(parts)


def _text(memory: Memory, at: int, size: int) -> str:
    try:
        data = memory.read(at, min(size, _SHOWN_BYTES))
    except OutOfBounds:
        return f"{at}, {size}"
    text = data.decode("utf-8", "backslashreplace").replace("\0", ".")
    return f"{text!r}{'...' if size > _SHOWN_BYTES else ''}"
