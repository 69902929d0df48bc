"""Properties: attributes of the stream by a path of segments with NUL between them, in binary.

Source: Proxy-Wasm specification; Envoy: values as CEL gives them, `set_property` writes filter state under `wasm.` and
the path as it is given, and only a path of one segment is read back from there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from struct import pack
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls.results import checked, giver
from pyvoy.extensions.wasm.cel_values import CelError, Duration, Timestamp
from pyvoy.extensions.wasm.declared import declared_field
from pyvoy.extensions.wasm.engine.interface import HostFunction, OutOfBounds
from pyvoy.extensions.wasm.pairs import serialize
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.context import Context
    from pyvoy.extensions.wasm.root import RootContext
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
        "xds.upstream_host_locality_metadata",
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
        context = vm.current
        if context is None:
            return abi.NOT_FOUND
        key = STATE_PREFIX + path.decode("utf-8", "surrogateescape")
        declared = (context.root.declared or {}).get(key)
        if declared is None:
            return context.set_state(key, value)
        if declared.readonly and context.get_state(key) is not None:
            return abi.BAD_ARGUMENT
        return context.set_state(key, value, of_connection=declared.of_connection)

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


def _compile(context: Context, path: bytes) -> Callable[[Context], Any]:
    """A path as a function of a context; kept by the root."""
    if not path:
        return _unserializable
    return attribute_of(context.root, tuple(path.decode("utf-8", "surrogateescape").removesuffix("\0").split("\0")))


def attribute_of(root: RootContext, parts: tuple[str, ...], *, raw: bool = False) -> Callable[[Context], Any]:
    """An attribute by its parts as a function of a context; it gives None for what is not there.

    `raw` leaves maps and messages as they are; otherwise those that have a form of their own in binary come so."""
    settings = root.plugin
    own = {"plugin_name": settings.name, "plugin_root_id": settings.root_id, "plugin_vm_id": settings.vm.vm_id}
    if len(parts) == 1 and parts[0] in own:
        text = own[parts[0]].encode()
        return lambda _context: text
    if parts == ("connection_id",):
        parts = ("connection", "id")
    strict = settings.vm.strict
    key = STATE_PREFIX + parts[0]
    if strict and ("." in parts[0] or parts[0] in _OLD_ROOTS):
        return (lambda context: context.get_state(key)) if len(parts) == 1 else _nothing
    if len(parts) == 1 and parts[0] in _OBJECTS and not raw:
        return _whole_object
    if parts[:2] == ("xds", "node") or parts[0] == "node":
        try:
            fixed = _of_node(root, parts[parts.index("node") + 1 :])
        except CelError as error:
            return partial(_no_field, str(error)) if raw else _nothing
        return lambda _context: fixed
    if strict and _misses_message_field(parts):
        return _nothing
    getter = root.compile_attribute(_without_message_fields(parts))
    if getter is None:
        if len(parts) > 1:
            return lambda context: _declared_field(context, key, parts[1:])
        return lambda context: context.get_state(key)
    if strict and parts in _TOTALS:
        return partial(_total, *_TOTALS[parts])
    return _reader(getter, parts, strict, raw=raw)


def _no_field(text: str, _context: Any) -> Any:
    raise CelError(text)


def _of_node(root: RootContext, path: tuple[str, ...]) -> Any:
    """What lies under names in the bootstrap's node: a message, whose fields are there without a value, too."""
    from envoy.config.core.v3.base_pb2 import Node
    from google.protobuf.json_format import ParseDict

    from pyvoy.extensions.wasm.cel_messages import below

    getter = root.compile_attribute(("xds", "node"))
    value: Any = ParseDict({} if getter is None else getter(None) or {}, Node())
    for part in path:
        value = below(value, part)
    return value


def _declared_field(context: Context, key: str, path: tuple[str, ...]) -> Any:
    """A field of a property that was declared as a message or a table."""
    declared = (context.root.declared or {}).get(key)
    data = context.get_state(key)
    return None if declared is None or data is None else declared_field(declared, data, path)


def _nothing(_context: Any) -> Any:
    return None


def _whole_object(context: Any) -> Any:
    """`request` alone, say: there is one, but it has no binary form."""
    if context.subject is not None:
        raise UnserializableError("an object of attributes")
    return None


def _total(field: str, kinds: tuple[int, ...], context: Context) -> int | None:
    """The bytes of the body and of those header maps that may be read now."""
    if context.subject is None:
        return None
    maps = [found for kind in kinds if (found := context.readable(kind)) is not None]
    return sum((found.byte_size() for found in maps), int(getattr(context.subject.info, field)))


def _reader(
    getter: Callable[[Any], Any], parts: tuple[str, ...], strict: bool, *, raw: bool
) -> Callable[[Context], Any]:
    name = ".".join(parts[:2])
    whole = ".".join(parts)
    needed = _NEEDED.get(name) if strict else None
    is_message = not raw and whole in _MESSAGES
    is_map = not raw and whole in _HEADER_MAPS
    is_empty = whole in _NEVER_MISSING
    is_struct = name in _MESSAGES or parts[0] in _MESSAGES
    of_host = whole in _OF_HOST

    def read(context: Context) -> Any:
        subject = context.subject
        if subject is None or (needed is not None and context.readable(needed) is None):
            value = None
        else:
            try:
                value = getter(subject)
            except (AttributeError, UnicodeError):  # a TCP session has no request; no header has such a name
                value = None
        if is_map:
            return None if subject is None else NO_PAIRS if value is None else encode(value)
        if is_message:
            return None if subject is None or (of_host and not has_host(subject)) else metadata_message(value or {})
        if value is None:
            return b"" if subject is not None and (is_empty or (of_host and has_host(subject))) else None
        return struct_value(value) if is_struct else value

    return read


def has_host(subject: Any) -> bool:
    """Whether the stream has an upstream host."""
    return subject.info.upstream_host is not None


def struct_value(value: Any) -> Any:
    """A value out of a Struct: its numbers are doubles, whatever they look like."""
    if type(value) is int:
        return float(value)
    if isinstance(value, Mapping):
        return {key: struct_value(item) for key, item in value.items()}
    return [struct_value(item) for item in value] if isinstance(value, list | tuple) else value


def _unserializable(_context: Context) -> Any:
    raise UnserializableError("an empty path")


NO_PAIRS = b"\0\0\0\0"
"""A map or a list without entries, as a property: the number of its pairs.  (Of headers it is an empty string.)"""
_HEADER_MAPS = frozenset(("request.headers", "response.headers", "response.trailers"))
_NEVER_MISSING = frozenset(("xds.filter_chain_name", "connection.requested_server_name"))
"""Text that is empty when there is none."""
_OF_HOST = frozenset(
    ("xds.upstream_host_metadata", "xds.upstream_host_locality_metadata", "upstream.transport_failure_reason")
)
"""What is there, empty as it may be, as soon as there is an upstream host."""
_OBJECTS = frozenset(
    (
        "request",
        "response",
        "connection",
        "source",
        "destination",
        "upstream",
        "xds",
        "filter_state",
    )
)
_OF_REQUEST_HEADERS = (
    "path", "url_path", "host", "scheme", "method", "headers", "referer", "useragent", "id", "query", "headers_bytes"
)  # fmt: skip
_NEEDED = {
    **{f"request.{name}": abi.REQUEST_HEADERS for name in _OF_REQUEST_HEADERS},
    "response.headers": abi.RESPONSE_HEADERS,
    "response.trailers": abi.RESPONSE_TRAILERS,
}
"""What Envoy reads from header maps, which it has only as long as the module may read them."""
_TOTALS = {
    ("request", "total_size"): ("bytes_received", (abi.REQUEST_HEADERS,)),
    ("response", "total_size"): ("bytes_sent", (abi.RESPONSE_HEADERS, abi.RESPONSE_TRAILERS)),
}


def metadata_message(value: Mapping[str, Any]) -> bytes:
    """{namespace: {key: value}} as a serialized Metadata message."""
    if not value:
        return b""
    from envoy.config.core.v3 import base_pb2

    message = base_pb2.Metadata()
    for namespace, fields in value.items():
        message.filter_metadata[namespace].update(fields)
    return bytes(message.SerializeToString())


def _misses_message_field(parts: tuple[str, ...]) -> bool:
    """`metadata\\0namespace`: a message has fields, and a namespace is none of them."""
    for length in (1, 2):
        if ".".join(parts[:length]) in _MESSAGES:
            return len(parts) > length and parts[length] != "filter_metadata"
    return False


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
        return serialize(value.items()) or NO_PAIRS
    if isinstance(value, Mapping):
        return serialize(_pairs(value)) or NO_PAIRS
    if isinstance(value, list | tuple):
        return serialize((encode(item), b"") for item in value) or NO_PAIRS
    if isinstance(value, Timestamp | Duration):
        return encode(value.ns)
    if hasattr(value, "SerializeToString"):
        return bytes(value.SerializeToString())
    raise UnserializableError(type(value).__name__)


def _pairs(value: Mapping[Any, Any]) -> Iterator[tuple[bytes, bytes]]:
    for key, item in value.items():
        if item is not None:
            yield encode(key), encode(item)
