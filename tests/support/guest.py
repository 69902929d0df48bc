"""Proxy-Wasm modules for tests, written as lists of steps and assembled to WebAssembly: no toolchain is needed.

A step calls a host function and notes its status and what it gave: `call("get_header_map_value", 0, "x-a", OUT)` notes
`get_header_map_value=0:value `.  Notes gather in the module's memory until a step shows them: in a header, in a local
response or in a log line.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import dataclass, field

import wasmtime

_NOTES = 0x10000
_HEAP = 0x30000
_OUT = 256
"""Where out-pointers point: address and size, 8 bytes apart for each call."""

_I64 = {"increment_metric": (1,), "record_metric": (1,)}
_COUNTS = {
    "log": 3, "get_log_level": 1, "get_current_time_nanoseconds": 1, "set_tick_period_milliseconds": 1,
    "set_effective_context": 1, "done": 0, "get_status": 3, "get_header_map_value": 5, "get_header_map_pairs": 3,
    "get_header_map_size": 2, "set_header_map_pairs": 3, "add_header_map_value": 5, "replace_header_map_value": 5,
    "remove_header_map_value": 3, "get_buffer_bytes": 5, "get_buffer_status": 3, "set_buffer_bytes": 5,
    "get_configuration": 2, "continue_stream": 1, "close_stream": 1, "continue_request": 0, "continue_response": 0,
    "send_local_response": 8, "clear_route_cache": 0, "http_call": 10, "grpc_call": 12, "grpc_stream": 9,
    "grpc_send": 4, "grpc_close": 1, "grpc_cancel": 1, "get_shared_data": 5, "set_shared_data": 5,
    "register_shared_queue": 3, "resolve_shared_queue": 5, "enqueue_shared_queue": 3, "dequeue_shared_queue": 3,
    "define_metric": 4, "increment_metric": 2, "record_metric": 2, "get_metric": 2, "get_property": 4,
    "set_property": 4, "call_foreign_function": 6, "resolve_dns": 3,
}  # fmt: skip
_CALLBACKS = {
    "vm_start": "iii", "configure": "iii", "tick": "i", "queue_ready": "ii", "context_create": "ii",
    "new_connection": "ir", "downstream_data": "iiir", "upstream_data": "iiir", "downstream_connection_close": "ii",
    "upstream_connection_close": "ii", "request_headers": "iiir", "request_body": "iiir", "request_trailers": "iir",
    "response_headers": "iiir", "response_body": "iiir", "response_trailers": "iir", "http_call_response": "iiiii",
    "grpc_receive_initial_metadata": "iii", "grpc_receive": "iii", "grpc_receive_trailing_metadata": "iii",
    "grpc_close": "iii", "resolve_dns": "iii", "done": "ir", "log": "i", "delete": "i", "foreign_function": "iii",
}  # fmt: skip
_CALLBACKS |= {"vm_start": "iir", "configure": "iir"}


@dataclass(frozen=True)
class Out:
    """A place for a result: `bytes` (address and size), `u32`, `u64`."""

    kind: str = "bytes"


OUT = Out()
OUT_U32 = Out("u32")
OUT_U64 = Out("u64")


@dataclass(frozen=True)
class P:
    """A parameter of the callback."""

    index: int


@dataclass(frozen=True)
class Raw:
    """A pair of numbers as it is: an address and a size."""

    at: int
    size: int


@dataclass(frozen=True)
class At:
    """A single out-pointer as it is, nothing noted."""

    address: int


@dataclass(frozen=True)
class Saved:
    """A number that an earlier `save` step kept."""

    slot: int = 0


Argument = int | str | bytes | Out | P | Raw | At | Saved


@dataclass
class Guest:
    """A module in the making.  `abi` is 0.1.0, 0.2.0 or 0.2.1; `headers_arity` the parameters of headers callbacks."""

    abi: str = "0.2.1"
    allocator: str = "malloc"
    extra: str = ""
    imports: str = ""
    entry: str = ""
    _strings: dict[bytes, int] = field(default_factory=dict)
    _end: int = 1024
    _used: list[str] = field(default_factory=list)
    _bodies: list[str] = field(default_factory=list)

    def on(self, callback: str, *steps: Callable[[Guest], str] | str, returns: int = 0) -> Guest:
        """Add `proxy_on_<callback>`.  Returns itself."""
        kinds = _CALLBACKS[callback]
        count, has_result = kinds.count("i"), kinds.endswith("r")
        if self.abi == "0.1.0" and callback in ("request_headers", "response_headers"):
            count = 2
        body = "\n".join(step if isinstance(step, str) else step(self) for step in steps)
        result = "(result i32)" if has_result else ""
        value = f"(i32.const {returns})" if has_result else ""
        parameters = "(param " + "i32 " * count + ")"
        self._bodies.append(
            f'(func $on_{callback} (export "{_owner(callback)}_on_{callback}") {parameters} {result}\n{body}\n{value})'
        )
        return self

    def text(self, value: str | bytes) -> tuple[int, int]:
        """Address and size of a string in the module's data."""
        data = value.encode() if isinstance(value, str) else value
        if data not in self._strings:
            self._strings[data] = self._end
            self._end += len(data)
            assert self._end < _NOTES, "too many strings"
        return self._strings[data], len(data)

    def uses(self, name: str) -> None:
        """Import a host function."""
        if name not in self._used:
            self._used.append(name)

    def wat(self) -> str:
        """The module's text."""
        for name in ("log", "add_header_map_value", "send_local_response"):
            self.uses(name)
        imports = "\n".join(_import(name) for name in self._used)
        data = "\n".join(f'(data (i32.const {at}) "{_escaped(text)}")' for text, at in self._strings.items() if text)
        marker = "proxy_abi_version_" + self.abi.replace(".", "_")
        return f"""(module
{imports}
{self.imports}
(memory (export "memory") 8)
{data}
(global $notes (mut i32) (i32.const {_NOTES}))
(global $heap (mut i32) (i32.const {_HEAP}))
(global $saved0 (mut i32) (i32.const 0)) (global $saved1 (mut i32) (i32.const 0))
(func (export "{marker}"))
(func $malloc (export "{self.allocator}") (param $size i32) (result i32) (local $at i32)
  (local.set $at (global.get $heap))
  (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
  (block $fits
    (br_if $fits (i32.le_u (global.get $heap) (i32.mul (memory.size) (i32.const 65536))))
    (br_if $fits (i32.ne (memory.grow (i32.add (i32.div_u (local.get $size) (i32.const 65536)) (i32.const 1)))
      (i32.const -1)))
    (global.set $heap (local.get $at))
    (return (i32.const 0)))
  (local.get $at))
(func $note (param $at i32) (param $size i32)
  (if (i32.gt_u (i32.add (global.get $notes) (local.get $size)) (i32.const {_HEAP}))
    (then (return)))
  (memory.copy (global.get $notes) (local.get $at) (local.get $size))
  (global.set $notes (i32.add (global.get $notes) (local.get $size))))
(func $digit (param $value i32)
  (if (i32.ge_u (local.get $value) (i32.const 10))
    (then (call $digit (i32.div_u (local.get $value) (i32.const 10)))))
  (i32.store8 (global.get $notes) (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10))))
  (global.set $notes (i32.add (global.get $notes) (i32.const 1))))
{self.entry}
{self.extra}
{chr(10).join(self._bodies)}
)"""

    def build(self) -> bytes:
        """The module's bytes."""
        return bytes(wasmtime.wat2wasm(self.wat()))

    def inline(self) -> str:
        """The bytes as base64, for `inline_bytes`."""
        return base64.b64encode(self.build()).decode()


def _owner(name: str) -> str:
    return "envoy" if name == "resolve_dns" else "proxy"


def _import(name: str) -> str:
    kinds = ["i64" if at in _I64.get(name, ()) else "i32" for at in range(_COUNTS[name])]
    return f'(import "env" "{_owner(name)}_{name}" (func ${name} (param {" ".join(kinds)}) (result i32)))'


def _escaped(data: bytes) -> str:
    return "".join(f"\\{octet:02x}" for octet in data)


# ---- steps ----

Step = Callable[[Guest], str]


def call(name: str, *arguments: Argument, quiet: bool = False, label: str = "") -> Step:
    """Call a host function and note `name=status`, and `:value` for each result when the status is OK."""

    def assemble(guest: Guest) -> str:
        guest.uses(name)
        words: list[str] = []
        shows: list[str] = []
        at = _OUT
        for argument in arguments:
            words += _words(guest, argument, at, len(words) in _I64.get(name, ()))
            if isinstance(argument, Out):
                shows.append(_shown(argument, at))
                at += 8
        result = f"(call ${name} {' '.join(words)})"
        if quiet:
            return f"(drop {result})"
        colon = guest.text(":")
        noted = [f"(call $note (i32.const {colon[0]}) (i32.const 1)) {show}" for show in shows]
        title = guest.text(f"{label or name}=")
        space = guest.text(" ")
        shown = f"(if (i32.eqz (i32.load (i32.const 240))) (then {' '.join(noted)}))" if noted else ""
        return f"""(i32.store (i32.const 240) {result})
(call $note (i32.const {title[0]}) (i32.const {title[1]}))
(call $digit (i32.load (i32.const 240)))
{shown}
(call $note (i32.const {space[0]}) (i32.const 1))"""

    return assemble


def _words(guest: Guest, argument: Argument, at: int, wide: bool) -> list[str]:
    if isinstance(argument, str | bytes):
        place, size = guest.text(argument)
        return [f"(i32.const {place})", f"(i32.const {size})"]
    if isinstance(argument, Raw):
        return [f"(i32.const {argument.at})", f"(i32.const {argument.size})"]
    if isinstance(argument, Out):
        return [f"(i32.const {at})", f"(i32.const {at + 4})"] if argument.kind == "bytes" else [f"(i32.const {at})"]
    if isinstance(argument, At):
        return [f"(i32.const {argument.address})"]
    if isinstance(argument, P):
        return [f"(local.get {argument.index})"]
    if isinstance(argument, Saved):
        return [f"(global.get $saved{argument.slot})"]
    return [f"({'i64' if wide else 'i32'}.const {argument})"]


def _shown(out: Out, at: int) -> str:
    if out.kind == "bytes":
        return f"(call $note (i32.load (i32.const {at})) (i32.load (i32.const {at + 4})))"
    if out.kind == "u64":
        return f"(call $digit (i32.wrap_i64 (i64.load (i32.const {at}))))"
    return f"(call $digit (i32.load (i32.const {at})))"


def note(*parts: str | P) -> Step:
    """Note texts and parameters of the callback, and a blank."""

    def assemble(guest: Guest) -> str:
        lines = []
        for part in (*parts, " "):
            if isinstance(part, P):
                lines.append(f"(call $digit (local.get {part.index}))")
            else:
                place, size = guest.text(part)
                lines.append(f"(call $note (i32.const {place}) (i32.const {size}))")
        return "\n".join(lines)

    return assemble


def save(slot: int = 0) -> Step:
    """Keep the first u32 result of the call before, for `Saved(slot)`."""
    return lambda guest: f"(global.set $saved{slot} (i32.load (i32.const {_OUT})))"


def keep(parameter: int, slot: int = 0) -> Step:
    """Keep a parameter of the callback, for `Saved(slot)`."""
    return lambda guest: f"(global.set $saved{slot} (local.get {parameter}))"


_SIZE = f"(i32.sub (global.get $notes) (i32.const {_NOTES}))"
_CLEAR = f"(global.set $notes (i32.const {_NOTES}))"


def show_header(kind: int = 2, name: str = "x-notes") -> Step:
    """Put the notes into a header of a map, and forget them."""

    def assemble(guest: Guest) -> str:
        place, size = guest.text(name)
        return f"""(drop (call $add_header_map_value (i32.const {kind}) (i32.const {place}) (i32.const {size})
(i32.const {_NOTES}) {_SIZE})) {_CLEAR}"""

    return assemble


def show_reply(status: int = 200) -> Step:
    """Answer with the notes, and forget them."""

    def assemble(guest: Guest) -> str:
        place, size = guest.text("notes")
        return f"""(drop (call $send_local_response (i32.const {status}) (i32.const {place}) (i32.const {size})
(i32.const {_NOTES}) {_SIZE} (i32.const 0) (i32.const 0) (i32.const -1))) {_CLEAR}"""

    return assemble


def show_log(level: int = 2) -> Step:
    """Log the notes, and forget them."""
    return lambda guest: f"(drop (call $log (i32.const {level}) (i32.const {_NOTES}) {_SIZE})) {_CLEAR}"


def log(text: str, level: int = 2) -> Step:
    """Log a text."""
    return call("log", level, text, quiet=True)


def when_path(path: str, *steps: Step | str) -> Step:
    """Steps for requests whose :path is `path` alone (asked of map 0, so in the request headers callback)."""

    def assemble(guest: Guest) -> str:
        guest.uses("get_header_map_value")
        key, key_size = guest.text(":path")
        place, size = guest.text(path)
        checks = f"""(block $other
(br_if $other (call $get_header_map_value (i32.const 0) (i32.const {key}) (i32.const {key_size}) (i32.const 224)
(i32.const 228)))
(br_if $other (i32.ne (i32.load (i32.const 228)) (i32.const {size})))"""
        for at in range(size):
            checks += f"""
(br_if $other (i32.ne (i32.load8_u (i32.add (i32.load (i32.const 224)) (i32.const {at})))
(i32.load8_u (i32.const {place + at}))))"""
        body = "\n".join(step if isinstance(step, str) else step(guest) for step in steps)
        return f"{checks}\n{body}\n)"

    return assemble


def answer(value: int) -> str:
    """Return from the callback."""
    return f"(return (i32.const {value}))"


TRAP = "unreachable"
SPIN = "(loop $spin (br $spin))"
GROW = "(loop $grow (br_if $grow (i32.ne (memory.grow (i32.const 100)) (i32.const -1))) unreachable)"


def plugin_yaml(guest: Guest, *, more: str = "", vm: str = "", configuration: str = "", name: str = "p") -> str:
    """The `config` of a Wasm filter as one line of YAML (flow style)."""
    configured = (
        f", configuration: {{'@type': type.googleapis.com/google.protobuf.StringValue, value: '{configuration}'}}"
        if configuration
        else ""
    )
    code = f"code: {{local: {{inline_bytes: '{guest.inline()}'}}}}"
    return (
        f"{{name: '{name}', vm_config: {{{code}{', ' + vm if vm else ''}}}{configured}{', ' + more if more else ''}}}"
    )
