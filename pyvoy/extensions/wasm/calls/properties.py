"""Properties: attributes of the stream by a path of segments with NUL between them, in binary.

Source: Proxy-Wasm specification; Envoy: values as CEL gives them, `set_property` writes filter state under `wasm.` and
the path as it is given, and only a path of one segment is read back from there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import pack
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls.results import checked, giver
from pyvoy.extensions.wasm.engine.interface import HostFunction, OutOfBounds
from pyvoy.extensions.wasm.pairs import serialize
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.context import Context
    from pyvoy.extensions.wasm.vm import Vm

STATE_PREFIX = "wasm."
_OLD_ROOTS = frozenset(
    [
        "node",
        "cluster_name",
        "cluster_metadata",
        "route_name",
        "route_metadata",
        "listener_direction",
        "listener_metadata",
        "upstream_host_metadata",
    ]
)
"""Roots that SDKs of 2020 ask for, and that Envoy has no longer; a VM that is not strict answers them."""
_MESSAGES = frozenset(
    (
        "metadata",
        "xds.cluster_metadata",
        "xds.route_metadata",
        "xds.listener_metadata",
        "xds.virtual_host_metadata",
        "xds.upstream_host_metadata",
    )
)
"""Attributes that are Metadata messages in Envoy: their one field stands between their name and a namespace."""


class UnserializableError(Exception):
    """A value that has no binary form."""


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """The group's functions."""
    memory = vm.memory
    give = giver(vm)

    def get(path_at: int, path_size: int, at: int, size_at: int) -> int:
        context = vm.current
        try:
            path = memory.read(path_at, path_size)
            if context is None:
                return abi.NOT_FOUND
            value = find(context, path)
            if value is None:
                return abi.NOT_FOUND
            return give(value if type(value) is bytes else encode(value), at, size_at)
        except OutOfBounds:
            return abi.INVALID_MEMORY_ACCESS
        except UnserializableError:
            return abi.SERIALIZATION_FAILURE

    def put(path_at: int, path_size: int, value_at: int, value_size: int) -> int:
        path, value = memory.read(path_at, path_size), memory.read(value_at, value_size)
        if vm.current is None:
            return abi.NOT_FOUND
        return vm.current.set_state(STATE_PREFIX + path.decode("utf-8", "surrogateescape"), value)

    return {
        "proxy_get_property": HostFunction("iiii>i", get),
        "proxy_set_property": HostFunction("iiii>i", checked(put)),
    }


def find(context: Context, path: bytes) -> Any:
    """The value at a path, None when there is none."""
    root = context.root
    read = root.attributes.get(path)
    if read is None:
        read = root.attributes[path] = _compile(context, path)
    return read(context)


def _compile(context: Context, path: bytes) -> Any:
    """A path as a function of a context; kept by the root."""
    parts = tuple(path.decode("utf-8", "surrogateescape").removesuffix("\0").split("\0"))
    settings = context.root.plugin
    own = {"plugin_name": settings.name, "plugin_root_id": settings.root_id, "plugin_vm_id": settings.vm.vm_id}
    if len(parts) == 1 and parts[0] in own:
        text = own[parts[0]].encode()
        return lambda _context: text
    if parts == ("connection_id",):
        parts = ("connection", "id")
    strict = settings.vm.strict
    getter = None
    if not (strict and (parts[0] in _OLD_ROOTS or "." in parts[0])):
        getter = context.root.compile_attribute(_without_message_fields(parts))
    key = STATE_PREFIX + parts[0] if len(parts) == 1 else None

    def read(context: Context) -> Any:
        subject = context.subject
        if subject is None:
            return getter(_NOBODY) if getter is not None and parts[0] == "xds" and parts[1:2] in _PLACED else None
        value = getter(subject) if getter is not None else None
        return context.get_state(key) if value is None and key is not None else value

    return read


_PLACED = (("node",), ("listener_direction",), ("listener_metadata",))
"""What can be asked where there is no stream."""
_NOBODY = object()


def _without_message_fields(parts: tuple[str, ...]) -> tuple[str, ...]:
    """`metadata\\0filter_metadata\\0namespace\\0key` without the message's field: the attribute table has none."""
    for length in (1, 2):
        if ".".join(parts[:length]) in _MESSAGES and parts[length : length + 1] == ("filter_metadata",):
            return (*parts[:length], *parts[length + 1 :])
    return parts


def encode(value: Any) -> bytes:
    """A value in binary: text as it is, numbers as eight bytes, a bool as one, maps and lists as pairs.

    Raises UnserializableError."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, bool):
        return b"\1" if value else b"\0"
    if isinstance(value, int):
        return (value & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little")
    if isinstance(value, float):
        return pack("<d", value)
    if isinstance(value, HeaderMap):
        return serialize(value.items())
    if isinstance(value, Mapping):
        return serialize(_pairs(value))
    if isinstance(value, list | tuple):
        return serialize((encode(item), b"") for item in value)
    raise UnserializableError(type(value).__name__)


def _pairs(value: Mapping[Any, Any]) -> Iterator[tuple[bytes, bytes]]:
    for key, item in value.items():
        if item is not None:
            yield encode(key), encode(item)
