"""Host calls written down as they happen, for whoever looks for a fault in a module; not linked otherwise.

A line names the function, its arguments as numbers, what it answered and how long it took.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.wasm.engine.interface import HostFunction
from pyvoy.server.logs import TRACE

if TYPE_CHECKING:
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


def traced(vm: Vm, name: str, function: HostFunction) -> HostFunction:
    """The same function with a line for each call, also for one that ends the module."""
    named = STATUS if name.startswith("proxy_") else {}

    def run(*arguments: int) -> Any:
        began_s = time.perf_counter()
        outcome = "raised"
        try:
            result = function.run(*arguments)
            outcome = "" if result is None else str(named.get(result, result))
            return result
        finally:
            taken_us = (time.perf_counter() - began_s) * 1e6
            line = f"{name}({', '.join(map(str, arguments))}) {outcome} {taken_us:.1f} us"
            vm.recent_calls.append(line)
            log.log(TRACE, "wasm call %s: %s", vm.settings.vm_id, line)

    return HostFunction(function.signature, run)
