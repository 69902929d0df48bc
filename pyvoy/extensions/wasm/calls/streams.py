"""Resuming, closing and answering a stream: recorded here, done when the callback has returned.

Source: Proxy-Wasm specification; Envoy for what each type of stream means.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls.results import checked, ends_line
from pyvoy.extensions.wasm.engine.interface import HostFunction
from pyvoy.extensions.wasm.pairs import parse

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.vm import Vm


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """The group's functions."""
    memory = vm.memory

    def continue_stream(kind: int) -> int:
        if kind > abi.UPSTREAM or vm.current is None:
            return abi.BAD_ARGUMENT
        return vm.current.continue_stream(kind)

    def close_stream(kind: int) -> int:
        if kind > abi.UPSTREAM or vm.current is None:
            return abi.BAD_ARGUMENT
        return vm.current.close_stream(kind)

    def send_local_response(
        status: int,
        details: int,
        details_size: int,
        body: int,
        body_size: int,
        headers: int,
        headers_size: int,
        grpc_status: int,
    ) -> int:
        reason = memory.read(details, details_size).decode("utf-8", "replace").replace(" ", "_")
        text = memory.read(body, body_size)
        found = parse(memory.read(headers, headers_size))
        pairs = [(name.lower(), value) for name, value in found if name and not name.startswith(b":")]
        if any(ends_line(name) or ends_line(value) for name, value in pairs):
            return abi.BAD_ARGUMENT
        if vm.current is not None:
            vm.current.send_local_response(status, reason, text, pairs, grpc_status if grpc_status <= 16 else None)
        return abi.OK

    def clear_route_cache() -> int:
        if vm.current is not None:
            vm.current.clear_route_cache()
        return abi.OK

    return {
        "proxy_continue_stream": HostFunction("i>i", continue_stream),
        "proxy_close_stream": HostFunction("i>i", close_stream),
        "proxy_continue_request": HostFunction(">i", lambda: continue_stream(abi.REQUEST_STREAM)),
        "proxy_continue_response": HostFunction(">i", lambda: continue_stream(abi.RESPONSE_STREAM)),
        "proxy_send_local_response": HostFunction("iiiiiiii>i", checked(send_local_response)),
        "proxy_clear_route_cache": HostFunction(">i", clear_route_cache),
    }
