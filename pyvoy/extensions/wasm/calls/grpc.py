"""gRPC calls and streams to clusters.  All belong to the root context, whoever makes them.

Source: Proxy-Wasm specification; what is refused, and the ids, are Envoy's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls.results import checked
from pyvoy.extensions.wasm.engine.interface import HostFunction
from pyvoy.extensions.wasm.pairs import Pair, parse
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.extensions.grpc_stream import GrpcCallStream
    from pyvoy.extensions.wasm.grpc import AnyCallout
    from pyvoy.extensions.wasm.grpc_service import GrpcTarget
    from pyvoy.extensions.wasm.root import RootContext
    from pyvoy.extensions.wasm.vm import Vm


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """The group's functions."""
    return {**_beginnings(vm), **_continuations(vm)}


def _beginnings(vm: Vm) -> dict[str, HostFunction]:
    """A call or a stream is begun."""
    from pyvoy.extensions.wasm import grpc

    memory = vm.memory

    def read_text(at: int, size: int) -> str:
        return memory.read(at, size).decode("latin-1")

    def begin(wish: _Wish, id_at: int) -> int:
        if vm.current is None:
            return abi.BAD_ARGUMENT
        status, token = _begin(vm.current.root, wish)
        if token:
            memory.write_u32(id_at, token)
        return status

    def grpc_call(
        service: int,
        service_size: int,
        name: int,
        name_size: int,
        method: int,
        method_size: int,
        metadata: int,
        metadata_size: int,
        message_at: int,
        message_size: int,
        timeout_ms: int,
        id_at: int,
    ) -> int:
        target = memory.read(service, service_size)
        names = read_text(name, name_size), read_text(method, method_size)
        pairs = parse(memory.read(metadata, metadata_size))
        message = memory.read(message_at, message_size)
        if not timeout_ms:
            pairs.append((b"grpc-timeout", b"0m"))  # as Envoy's client says "no time-out"
        return begin(_Wish(grpc.GRPC_CALL, target, names, pairs, timeout_ms / 1000, message), id_at)

    def grpc_stream(
        service: int,
        service_size: int,
        name: int,
        name_size: int,
        method: int,
        method_size: int,
        metadata: int,
        metadata_size: int,
        id_at: int,
    ) -> int:
        target = memory.read(service, service_size)
        names = read_text(name, name_size), read_text(method, method_size)
        pairs = parse(memory.read(metadata, metadata_size))
        return begin(_Wish(grpc.GRPC_STREAM, target, names, pairs), id_at)

    return {
        "proxy_grpc_call": HostFunction("iiiiiiiiiiii>i", checked(grpc_call)),
        "proxy_grpc_stream": HostFunction("iiiiiiiii>i", checked(grpc_stream)),
    }


def _continuations(vm: Vm) -> dict[str, HostFunction]:
    """What may be done with one that has begun."""
    from pyvoy.extensions.wasm import grpc

    memory = vm.memory

    def send(token: int, message: int, message_size: int, end: int) -> int:
        data = memory.read(message, message_size)
        root = vm.current.root if vm.current is not None else None
        return abi.BAD_ARGUMENT if root is None else grpc.send(root, token, data, end=bool(end))

    def close(token: int) -> int:
        return abi.BAD_ARGUMENT if vm.current is None else grpc.close(vm.current.root, token)

    def cancel(token: int) -> int:
        return abi.BAD_ARGUMENT if vm.current is None else grpc.cancel(vm.current.root, token)

    return {
        "proxy_grpc_send": HostFunction("iiii>i", checked(send)),
        "proxy_grpc_close": HostFunction("i>i", close),
        "proxy_grpc_cancel": HostFunction("i>i", cancel),
    }


@dataclass(slots=True, frozen=True)
class _Wish:
    """A call or stream that a module wants; a call has a message."""

    kind: int
    service: bytes
    names: tuple[str, str]
    metadata: list[Pair]
    timeout_s: float = 0.0
    message: bytes | None = None


def _begin(root: RootContext, wish: _Wish) -> tuple[int, int]:
    """Begin it: a status, and an id when that is OK."""
    from pyvoy.extensions.host import NotRunning
    from pyvoy.extensions.http_call import CallRefused
    from pyvoy.extensions.wasm.grpc_service import GrpcTarget, NoService
    from pyvoy.extensions.wasm.grpc_service import parse as parse_service

    name = wish.service.decode("utf-8", "replace")
    try:
        target = GrpcTarget(name) if root.host.has_cluster(name) else parse_service(wish.service)
        token = _start(root, wish, target) if target.cluster else 0
    except NoService:
        return abi.PARSE_FAILURE, 0
    except NotRunning:
        return abi.INTERNAL_FAILURE, 0
    except CallRefused:
        return abi.BAD_ARGUMENT, 0
    if token is None:
        return abi.INTERNAL_FAILURE, 0
    return abi.OK if token else abi.BAD_ARGUMENT, token


def _start(root: RootContext, wish: _Wish, target: GrpcTarget) -> int | None:
    from pyvoy.extensions.http_call import CallOptions

    authority = target.authority or target.cluster
    options = CallOptions(wish.timeout_s or None, send_xff=False, hash_on=authority.encode())
    metadata = HeaderMap([(name.lower(), value) for name, value in (*target.metadata, *wish.metadata)])

    def begin(events: AnyCallout) -> GrpcCallStream:
        stream = root.host.grpc_stream(
            target.cluster, *wish.names, events, metadata=metadata, authority=authority, options=options
        )
        if wish.message is not None:
            stream.send(wish.message, end=True)
        return stream

    return root.begin_grpc(wish.kind, begin)
