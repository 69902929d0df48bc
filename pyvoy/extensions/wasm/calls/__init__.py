"""The functions that a module may import, by the module and name under which it imports them.

One file per group.  All versions of the ABI get the union: a 0.2.0 module that imports a function of 0.1.0 links, other
than in Envoy.  A function that the plugin's capability list does not name answers INTERNAL_FAILURE, a WASI function
`notcapable`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls import (
    buffers,
    callouts,
    dns,
    foreign,
    general,
    grpc,
    headers,
    metrics,
    properties,
    shared,
    streams,
    wasi,
)
from pyvoy.extensions.wasm.calls.tracing import traced
from pyvoy.extensions.wasm.engine.interface import LOAD, HostFunction, ImportName

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.vm import Vm

_GROUPS: tuple[Callable[[Vm], Mapping[str, HostFunction]], ...] = (
    general.functions,
    headers.functions,
    buffers.functions,
    streams.functions,
    callouts.functions,
    dns.functions,
    grpc.functions,
    shared.functions,
    metrics.functions,
    properties.functions,
    foreign.functions,
)
WASI_MODULES = ("wasi_snapshot_preview1", "wasi_unstable")


def host_functions(vm: Vm) -> dict[ImportName, HostFunction]:
    """Everything a module may import, bound to its VM."""
    allowed = vm.settings.capabilities
    found: dict[ImportName, HostFunction] = {}
    for group in _GROUPS:
        for name, function in group(vm).items():
            refused = allowed and name.startswith("proxy_") and name not in allowed
            found[("env", name)] = _refusing(function, abi.INTERNAL_FAILURE) if refused else function
    settings = vm.settings
    if not allowed and not settings.trace and not settings.trace_streams:
        found[LOAD] = HostFunction(">", vm.load_mirror)
    for name, function in wasi.functions(vm).items():
        # proc_exit has no status to refuse with.
        refused = allowed and name not in allowed and function.signature.endswith(">i")
        offered = _refusing(function, wasi.NOT_CAPABLE) if refused else function
        for module in WASI_MODULES:
            found[(module, name)] = offered
    if settings.trace or settings.trace_streams:
        return {key: traced(vm, key[1], function) for key, function in found.items()}
    return found


def _refusing(function: HostFunction, status: int) -> HostFunction:
    def refuse(*_: Any) -> int:
        return status

    return HostFunction(function.signature, refuse)
