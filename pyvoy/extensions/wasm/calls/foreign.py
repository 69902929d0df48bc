"""Foreign functions: what Envoy offers beside the ABI.

`compress` and `uncompress` (zlib), `set_envoy_filter_state`, `declare_property`, `sign`, `verify_signature` (protobuf
arguments), `clear_route_cache`, and CEL: `expr_create`, `expr_evaluate`, `expr_delete`.  An unknown name is NOT_FOUND.
Source: Envoy's foreign.cc.
"""

from __future__ import annotations

import ipaddress
import zlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from pyvoy.extensions.wasm import abi, cel
from pyvoy.extensions.wasm.calls.properties import STATE_PREFIX, UnserializableError, attribute_of, encode
from pyvoy.extensions.wasm.calls.results import checked, giver
from pyvoy.extensions.wasm.cel_values import CelError
from pyvoy.extensions.wasm.declared import CONNECTION, declaration
from pyvoy.extensions.wasm.engine.interface import HostFunction

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.context import Context
    from pyvoy.extensions.wasm.vm import Vm

MAX_UNCOMPRESSED_BYTES = 16 << 20
"""A few bytes may uncompress to gigabytes: what is longer is refused."""

MAX_EXPRESSIONS = 4096
"""How many expressions a VM may keep."""

Answer = bytes | int
"""What a foreign function gives: bytes with status OK, or another status."""


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """The group's one function."""
    memory = vm.memory
    give = giver(vm)

    def call_foreign_function(
        name_at: int, name_size: int, arguments_at: int, arguments_size: int, at: int, size_at: int
    ) -> int:
        name = memory.read(name_at, name_size).decode("utf-8", "replace")
        arguments = memory.read(arguments_at, arguments_size)
        function = FOREIGN.get(name)
        if function is None or vm.current is None:
            return abi.NOT_FOUND
        answer = function(vm.current, arguments)
        if isinstance(answer, int):
            return answer
        if not at and not size_at:
            return abi.OK  # nobody wants the result; elsewhere 0 is an address like any other
        return give(answer, at, size_at)

    return {"proxy_call_foreign_function": HostFunction("iiiiii>i", checked(call_foreign_function))}


def _compress(_context: Context, arguments: bytes) -> Answer:
    return zlib.compress(arguments)


def _uncompress(_context: Context, arguments: bytes) -> Answer:
    stream = zlib.decompressobj()
    try:
        found = stream.decompress(arguments, MAX_UNCOMPRESSED_BYTES)
    except zlib.error:
        return abi.SERIALIZATION_FAILURE
    if not stream.eof:
        return abi.SERIALIZATION_FAILURE
    return found


def _clear_route_cache(context: Context, _arguments: bytes) -> Answer:
    context.clear_route_cache()
    return b""


def _set_filter_state(context: Context, arguments: bytes) -> Answer:
    """SetEnvoyFilterStateArguments: path 1, value 2, span 3."""
    fields = _fields(arguments)
    if fields is None or context.subject is None:
        return abi.BAD_ARGUMENT
    path, value = _text(fields.get(1)), _text(fields.get(2))
    accepts = STATE_OBJECTS.get(path)
    if accepts is None:
        return abi.NOT_FOUND
    if not accepts(value):
        return abi.BAD_ARGUMENT
    status = context.set_state(path, value, of_connection=fields.get(3) == CONNECTION)
    return b"" if status == abi.OK else status


def _text(value: bytes | int | None) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) < 1 << 64


def _is_ip(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_address(text: str) -> bool:
    """An IP address and a port."""
    ip, _, port = text.rpartition(":")
    return _is_number(port) and int(port) <= 0xFFFF and _is_ip(ip.removeprefix("[").removesuffix("]"))


def _is_text(_text: str) -> bool:
    return True


STATE_OBJECTS: Mapping[str, Callable[[str], bool]] = {
    "envoy.filters.listener.original_dst.local_ip": _is_address,
    "envoy.filters.listener.original_dst.remote_ip": _is_address,
    "envoy.hashable_string": _is_text,
    "envoy.network.application_protocols": _is_text,
    "envoy.network.ip": _is_ip,
    "envoy.network.transport_socket.original_dst_address": _is_address,
    "envoy.network.upstream_server_name": _is_text,
    "envoy.network.upstream_subject_alt_names": _is_text,
    "envoy.ratelimit.hits_addend": _is_number,
    "envoy.string": _is_text,
    "envoy.tcp_proxy.cluster": _is_text,
    "envoy.tcp_proxy.per_connection_idle_timeout_ms": _is_number,
    "envoy.upstream.dynamic_host": _is_text,
    "envoy.upstream.dynamic_port": _is_number,
}
"""Keys for which Envoy can make an object out of text, and which text; every other key is NOT_FOUND."""


def _declare_property(context: Context, arguments: bytes) -> Answer:
    """A property's name is declared once."""
    fields = _fields(arguments)
    if fields is None:
        return abi.BAD_ARGUMENT
    name = STATE_PREFIX + _text(fields.get(1))
    if context.declared is None:
        context.declared = {}
    if name in context.declared:
        return abi.BAD_ARGUMENT
    context.declared[name] = declaration(fields)
    return b""


def _sign(_context: Context, arguments: bytes) -> Answer:
    """SignArguments: hash_function 1, private_key 2 (DER), text 3, private_key_pem 4."""
    from pyvoy.extensions import keys

    fields = _fields(arguments)
    if fields is None or bool(fields.get(2)) is bool(fields.get(4)):
        return abi.BAD_ARGUMENT
    key = keys.load_private(_octets(fields[2])) if fields.get(2) else keys.load_private_pem(_octets(fields[4]))
    signature, error = keys.sign(_octets(fields.get(1)), key, _octets(fields.get(3)))
    return b"\x08\1" + _field(2, signature) if signature else _field(3, error)


def _verify_signature(_context: Context, arguments: bytes) -> Answer:
    """VerifySignatureArguments: hash_function 1, public_key 2 (DER), signature 3, text 4, public_key_pem 5."""
    from pyvoy.extensions import keys

    fields = _fields(arguments)
    if fields is None or bool(fields.get(2)) is bool(fields.get(5)):
        return abi.BAD_ARGUMENT
    key = keys.load(_octets(fields[2])) if fields.get(2) else keys.load_pem(_octets(fields[5]))
    error = keys.verify(_octets(fields.get(1)), key, _octets(fields.get(3)), _octets(fields.get(4)))
    return b"\x08\1" if error is None else _field(2, error)


def _octets(value: bytes | int | None) -> bytes:
    return value if isinstance(value, bytes) else b""


def _field(number: int, data: bytes) -> bytes:
    """A length-delimited field; nothing for an empty one."""
    size = len(data)
    length = bytes([size]) if size < 0x80 else bytes([size & 0x7F | 0x80, size >> 7])
    return bytes([number << 3 | 2]) + length + data if data else b""


def _expr_create(context: Context, arguments: bytes) -> Answer:
    """Compile an expression; its number, four bytes."""
    vm = context.vm
    if len(vm.expressions) >= MAX_EXPRESSIONS:
        return abi.INTERNAL_FAILURE
    try:
        text = arguments.decode()
        compiled = cel.compile_expression(text, lambda parts: attribute_of(context.root, parts, raw=True))
    except (UnicodeDecodeError, cel.CelSyntaxError):
        return abi.BAD_ARGUMENT
    number = vm.next_expression
    vm.next_expression = number + 1
    vm.expressions[number] = compiled
    return number.to_bytes(4, "little")


def _expr_evaluate(context: Context, arguments: bytes) -> Answer:
    """The value of an expression for the stream at hand."""
    if len(arguments) != 4:
        return abi.BAD_ARGUMENT
    compiled = context.vm.expressions.get(int.from_bytes(arguments, "little"))
    if compiled is None:
        return abi.NOT_FOUND
    try:
        return encode(compiled(context))
    except CelError:
        return abi.INTERNAL_FAILURE
    except UnserializableError:
        return abi.SERIALIZATION_FAILURE


def _expr_delete(context: Context, arguments: bytes) -> Answer:
    """Forget an expression; one that is not there is forgotten already."""
    if len(arguments) != 4:
        return abi.BAD_ARGUMENT
    context.vm.expressions.pop(int.from_bytes(arguments, "little"), None)
    return b""


_FIXED = {1: 8, 5: 4}
"""Wire types of a fixed size, and their sizes; no field that is read here has one."""


def _fields(data: bytes) -> dict[int, bytes | int] | None:
    """The length-delimited and varint fields of a protobuf message, the last of each number; None for what is none."""
    found: dict[int, bytes | int] = {}
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag is None or not 0 < tag >> 3 < 1 << 29:
            return None
        if tag & 7 in _FIXED:
            at += _FIXED[tag & 7]
            if at > len(data):
                return None
            continue
        length, at = _varint(data, at)
        if length is None or tag & 7 not in (0, 2):
            return None
        if tag & 7 == 2:
            if at + length > len(data):
                return None
            found[tag >> 3] = data[at : at + length]
            at += length
        else:
            found[tag >> 3] = length
    return found


def _varint(data: bytes, at: int) -> tuple[int | None, int]:
    value = shift = 0
    while at < len(data) and shift < 64:
        octet = data[at]
        at += 1
        value |= (octet & 0x7F) << shift
        if octet < 0x80:
            return value, at
        shift += 7
    return None, at


FOREIGN: Mapping[str, Callable[[Context, bytes], Answer]] = {
    "compress": _compress,
    "uncompress": _uncompress,
    "clear_route_cache": _clear_route_cache,
    "expr_create": _expr_create,
    "expr_evaluate": _expr_evaluate,
    "expr_delete": _expr_delete,
    "set_envoy_filter_state": _set_filter_state,
    "declare_property": _declare_property,
    "sign": _sign,
    "verify_signature": _verify_signature,
}
