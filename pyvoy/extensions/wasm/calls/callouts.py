"""HTTP calls to clusters.  All belong to the root context, whoever makes them.

Source: Proxy-Wasm specification; what is refused, and the ids, are Envoy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls.results import checked
from pyvoy.extensions.wasm.engine.interface import HostFunction
from pyvoy.extensions.wasm.pairs import parse
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.vm import Vm


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """The group's functions."""
    from pyvoy.extensions.host import NotRunning
    from pyvoy.extensions.http_call import CallOptions, CallRefused

    memory = vm.memory

    def http_call(
        cluster: int,
        cluster_size: int,
        headers_at: int,
        headers_size: int,
        body_at: int,
        body_size: int,
        trailers_at: int,
        trailers_size: int,
        timeout_ms: int,
        id_at: int,
    ) -> int:
        name = memory.read(cluster, cluster_size).decode("utf-8", "replace")
        headers = HeaderMap((key.lower(), value) for key, value in parse(memory.read(headers_at, headers_size)))
        body = memory.read(body_at, body_size)
        memory.read(trailers_at, trailers_size)  # Envoy sends none, whatever the upstream speaks
        memory.write_u32(id_at, 0)
        if timeout_ms >> 31 or vm.current is None:
            return abi.BAD_ARGUMENT
        root = vm.current.root
        headers.remove(b"content-length")
        options = CallOptions(
            timeout_s=timeout_ms / 1000 or None, send_xff=False, hash_on=headers.map.get(b":authority")
        )
        try:
            call_id = root.expect(lambda on_done: root.host.http_call(name, headers, body, on_done, options=options))
        except NotRunning:
            return abi.INTERNAL_FAILURE
        except CallRefused:
            return abi.BAD_ARGUMENT
        if call_id is None:
            return abi.INTERNAL_FAILURE
        memory.write_u32(id_at, call_id)
        return abi.OK

    return {"proxy_http_call": HostFunction("iiiiiiiiii>i", checked(http_call))}
