"""The functions that the Lua side calls: what a script may do to its stream, about the hook that runs.

Each answers a value, or a text that the Lua side raises at the script's line.  Names and texts are bytes.
Source: Envoy's StreamHandleWrapper, HeaderMapWrapper, StreamInfoWrapper; texts observed on Envoy 1.40.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pyvoy.extensions import stream_facts
from pyvoy.extensions.http_call import CallOptions, CallRefused, CallResult, UnknownCluster
from pyvoy.extensions.lua import tls
from pyvoy.extensions.lua.changes import lower_name, read_changes
from pyvoy.extensions.lua.log_lines import LEVEL_NAMES, log, log_line
from pyvoy.extensions.lua.states import ABSENT, PRESENT, WAIT
from pyvoy.extensions.lua.values import ValueKindError, from_lua, to_lua
from pyvoy.http.header_changes import HeaderChanges
from pyvoy.http.headers import HeaderMap, is_valid_header
from pyvoy.http.known_heads import make_changes

if TYPE_CHECKING:
    from pyvoy.extensions.lua.hook import Hook, Owner
    from pyvoy.extensions.lua.script import LuaState
    from pyvoy.http.http_filter import Stream
    from pyvoy.network.address import Address

LOCKED = b"header map can no longer be modified"
RESPOND_TOO_LATE = b"respond() cannot be called if headers have been continued"
BAD_STATUS = b":status must be between 200-599"
NO_RESPONSE_REPLY = b"respond not currently supported in the response path"
NO_CLUSTER = b"http call cluster invalid. Must be configured"
CALL_HEADERS = b"http call headers must include ':path', ':method', and ':authority'"
BAD_UNIT = b"', expected 'ms', 'milliseconds', 'microseconds', 'nanoseconds', 'bytes', or 'unspecified'"

TEXT_FACTORIES = (
    b"envoy.string",
    b"envoy.hashable_string",
    b"envoy.tcp_proxy.cluster",
    b"envoy.network.upstream_server_name",
)
"""Factories of filter state objects that are a text."""

HEADERS, TRAILERS, REQUEST_HEADERS = range(3)
MOST_CHANGES = 256
NO_FUNCTIONS = (
    "functions",
    "hook",
    "make_hook",
    "begun",
    "running",
    "runtime",
    "state",
    "traced",
    "trace_line",
    "log_at",
)
NO_VALUES: Mapping[str, Any] = {}


class Bridge:
    """The host functions of one state.  `begun` is what the hook that runs was begun with, `running` the hook itself
    once something has been asked of it.  `traced`: what scripts log is noted for the traces of requests too."""

    __slots__ = ("_changes", "begun", "running", "runtime", "state", "traced")

    begun: tuple[type[Hook], Owner, Stream, HeaderMap, bool]
    runtime: Any
    state: LuaState

    def __init__(self, *, traced: bool = False) -> None:
        self.running: Hook | None = None
        self.traced = traced
        self._changes: tuple[dict[bytes, HeaderChanges], ...] = ({}, {})
        """Of responses and of requests: those that scripts make again and again."""

    def functions(self) -> dict[bytes, Callable[..., Any]]:
        """The functions by the names that the prelude uses."""
        names = [name for name in vars(Bridge) if not name.startswith("_") and name not in NO_FUNCTIONS]
        found = {name.encode(): getattr(self, name) for name in names} | {b"log": log_line}
        return found | {b"log_at": self.log_at} if self.traced else found

    @property
    def hook(self) -> Hook:
        """The hook that runs at the moment: what the functions are about."""
        running = self.running
        if running is None:
            running = self.running = self.make_hook()
        return running

    def make_hook(self) -> Hook:
        """The hook that was begun last, as an object."""
        kind, owner, stream, headers, ended = self.begun
        return kind(owner, self.state, stream, headers, ended)

    # ---- traces ----

    def log_at(self, level: int, text: bytes, place: bytes) -> None:
        """A log line of the script, and where in the script it comes from."""
        log_line(level, text)
        self.trace_line(self.hook, LEVEL_NAMES[level], place, text)

    def trace_line(self, hook: Hook, level: str, place: bytes, text: bytes) -> None:
        """A line for the trace of the hook's stream."""
        if self.traced:
            stream: Any = hook.stream
            side = "request" if hook.on_request else "response"
            words = [part.decode("utf-8", "replace") for part in (place, text)]
            stream.trace_line(hook.owner, side, level, *words)

    # ---- header maps ----

    def _map(self, which: int) -> HeaderMap:
        hook = self.hook
        if which == HEADERS:
            return hook.headers
        if which == TRAILERS:
            assert hook.trailers is not None
            return hook.trailers
        return hook.stream.request_headers

    def _name(self, which: int, name: bytes) -> bytes:
        """The name as the map has it: lower case, and `:authority` for the Host of a request."""
        if b"\0" in name:
            name = _text(name)
        of_request = which == REQUEST_HEADERS or (which == HEADERS and self.hook.on_request)
        return lower_name(name, of_request=of_request)

    def header_get(self, which: int, name: bytes) -> bytes | None:
        return self._map(which).joined(self._name(which, name))

    def header_at(self, which: int, name: bytes, index: int) -> bytes | None:
        if index < 0:
            return None
        found = self._map(which).get_all(self._name(which, name))
        return found[index] if index < len(found) else None

    def header_count(self, which: int, name: bytes) -> int:
        return len(self._map(which).get_all(self._name(which, name)))

    def header_items(self, which: int) -> bytes:
        items = self._map(which).items()
        return b"\0".join([part for pair in items for part in pair]) + b"\0"

    def _may_change(self, which: int) -> bool:
        """Whether the map has not gone on yet."""
        return which != HEADERS or not self.hook.continued

    def _changed(self, which: int) -> None:
        """A change of the request may mean another route."""
        hook = self.hook
        if which == HEADERS and hook.on_request and hook.owner.clear_route_cache:
            hook.stream.clear_route_cache()

    def header_changes(self, text: bytes) -> None:
        """Changes of the hook's own headers, as prelude/core.lua has collected them."""
        kind, owner, stream, headers, _ = self.begun
        known = self._changes[kind.on_request]
        changes = known.get(text)
        if changes is None:
            if len(known) >= MOST_CHANGES:
                known.clear()
            changes = known[text] = read_changes(text, on_request=kind.on_request)
        make_changes(headers, text, changes)
        if kind.on_request:
            if changes.suspect:
                stream.suspect_headers = True
            if owner.clear_route_cache:
                stream.clear_route_cache()

    def header_add(self, which: int, name: bytes, value: bytes) -> bytes | None:
        if not self._may_change(which):
            return LOCKED
        name, value = self._name(which, name), _text(value)
        self._map(which).add(name, value)
        self._check(name, value)
        self._changed(which)
        return None

    def header_replace(self, which: int, name: bytes, value: bytes) -> bytes | None:
        if not self._may_change(which):
            return LOCKED
        name, value = self._name(which, name), _text(value)
        self._map(which).replace(name, value)
        self._check(name, value)
        self._changed(which)
        return None

    def _check(self, name: bytes, value: bytes) -> None:
        """A request with a header that no request may carry is answered by the router."""
        if self.hook.on_request and not is_valid_header(name, value):
            self.hook.stream.suspect_headers = True

    def header_remove(self, which: int, name: bytes) -> bytes | None:
        if not self._may_change(which):
            return LOCKED
        self._map(which).remove(self._name(which, name))
        self._changed(which)
        return None

    def header_reason(self, which: int, phrase: bytes) -> bytes | None:
        if not self._may_change(which):
            return LOCKED
        self.hook.stream.reason_phrase = _text(phrase)
        return None

    def has_request_headers(self) -> bool:
        return self.hook.stream.request_headers is not None

    # ---- body and trailers ----

    def body(self, always_wrap: bool) -> int | bytes:
        return self.hook.body(always_wrap)

    def body_chunks(self) -> bytes | None:
        return self.hook.chunks()

    def at_end(self) -> bool:
        return self.hook.ended

    def buffer(self) -> bytes:
        return self.hook.buffer()

    def set_buffer(self, data: bytes) -> None:
        self.hook.set_buffer(data)

    def trailers(self) -> int:
        hook = self.hook
        if hook.trailers is not None:
            return PRESENT
        return ABSENT if hook.ended else WAIT

    # ---- replies ----

    def may_respond(self) -> bytes | None:
        return RESPOND_TOO_LATE if self.hook.continued else None

    def respond(self, flat: bytes, body: bytes | None) -> bytes | None:
        """Answer the request from here; the hook does not go on."""
        hook = self.hook
        headers = unflatten(flat)
        status = headers.map.get(b":status", b"")
        if not status.isdigit() or not 200 <= int(status) < 600:
            return BAD_STATUS
        if not hook.on_request:
            return NO_RESPONSE_REPLY
        for name in (b":status", b"content-length", b"transfer-encoding"):
            headers.remove(name)
        hook.reply = (int(status), body or b"", list(headers.items()))
        return None

    def http_call(
        self, cluster: bytes, flat: bytes, body: bytes | None, timeout_ms: float, asynchronous: bool, send_xff: bool
    ) -> bytes | None:
        """Begin a call; one that is not asynchronous is what the hook waits for."""
        headers = unflatten(flat, of_request=True)
        if body is not None:
            headers.set(b"content-length", b"%d" % len(body))
        complete = all(name in headers.map for name in (b":path", b":method", b":authority"))
        options = CallOptions(timeout_s=timeout_ms / 1000 if timeout_ms else None, send_xff=send_xff)
        hook = self.hook
        name = cluster.decode("utf-8", "replace")
        on_done = _nobody_waits if asynchronous else hook.answered
        try:
            call = hook.owner.host.http_call(name, headers, body or b"", on_done, options=options)
        except UnknownCluster:
            return NO_CLUSTER
        except CallRefused as refused:
            if not complete:
                return CALL_HEADERS
            if not asynchronous:
                hook.stream.services.loop.call_soon(hook.refused, str(refused).encode())
        else:
            hook.call = None if asynchronous else call
        return None

    def answer(self) -> tuple[bytes, bytes | None]:
        """Headers and body that the hook's call was answered with."""
        return self.hook.answer

    # ---- routing ----

    def clear_route_cache(self) -> None:
        self.hook.stream.clear_route_cache()

    def override_host(self, address: bytes, strict: bool) -> bytes | None:
        try:
            stream_facts.override_upstream_host(self.hook.stream, address.decode("utf-8", "replace"), strict=strict)
        except ValueError as error:
            return str(error).encode()
        return None

    # ---- metadata ----

    def metadata(self, what: bytes) -> Any:
        """The fields of a metadata object: of the route under the filter's name, or of route, host, context."""
        hook = self.hook
        owner = hook.owner
        values: Mapping[str, Any] = NO_VALUES
        if what == b"filter_context":
            values = owner.filter_context(hook.stream)
        else:
            route = hook.stream.route
            if route is not None:
                found = route.virtual_host.metadata if what == b"virtualHost" else route.metadata
                values = found.get(hook.stream.filter_name(owner), NO_VALUES)
                if not values and what == b"route_or_default":
                    values = found.get("envoy.filters.http.lua", NO_VALUES)
        return to_lua(self.runtime, values)

    def dynamic_metadata(self, of_connection: bool, name: bytes) -> Any:
        found = self._namespaces(of_connection).get(name.decode("utf-8", "replace"))
        return None if found is None else to_lua(self.runtime, found)

    def all_dynamic_metadata(self, of_connection: bool) -> Any:
        return to_lua(self.runtime, self._namespaces(of_connection))

    def _namespaces(self, of_connection: bool) -> Mapping[str, Any]:
        stream = self.hook.stream
        return stream.connection.dynamic_metadata if of_connection else stream.info.dynamic_metadata

    def set_dynamic_metadata(self, name: bytes, key: bytes, value: Any) -> bytes | None:
        try:
            plain = from_lua(value)
        except ValueKindError as error:
            return str(error).encode()
        stream = self.hook.stream
        stream_facts.set_metadata(stream, name.decode("utf-8", "replace"), key.decode("utf-8", "replace"), plain)
        return None

    def typed_metadata(self, of_connection: bool, name: bytes) -> Any:
        stream = self.hook.stream
        state: Any = stream.connection if of_connection else stream.info
        found = getattr(state, "typed_metadata", NO_VALUES).get(name.decode("utf-8", "replace"))
        return None if found is None else to_lua(self.runtime, found)

    # ---- stream info ----

    def stream_info(self, question: bytes) -> bytes:
        return _STREAM_INFO[question](self.hook.stream)

    def drain_connection(self) -> None:
        stream: Any = self.hook.stream
        stream.connection_close = True

    def filter_state(self, name: bytes, field: bytes | None) -> Any:
        found = stream_facts.filter_state(self.hook.stream, name.decode("utf-8", "replace"))
        if found is None:
            return None
        if field is not None:
            value = getattr(found, "get_field", lambda _: None)(field.decode("utf-8", "replace"))
            return value.encode() if isinstance(value, str) else value
        return found if isinstance(found, bytes) else str(found).encode()

    def set_filter_state(self, name: bytes, factory: bytes, value: bytes) -> bytes | None:
        if factory not in TEXT_FACTORIES:
            return b"'" + factory + b"' does not have an object factory"
        text = value.decode("utf-8", "replace")
        stream_facts.set_filter_state(self.hook.stream, name.decode("utf-8", "replace"), text)
        return None

    # ---- connection ----

    def deprecated_ssl(self) -> None:
        log.warning("`connection():ssl()` is deprecated; use `streamInfo():downstreamSslConnection()`")

    def has_tls(self) -> bool:
        return self.hook.stream.connection.tls is not None

    def tls(self, question: bytes) -> Any:
        info = self.hook.stream.connection.tls
        assert info is not None
        return to_lua(self.runtime, tls.ANSWERS[question](info))

    # ---- statistics ----

    def metric(self, kind: bytes, name: bytes, unit: bytes | None = None) -> Any:
        scope = self.hook.owner.host.scope
        text = name.decode("utf-8", "replace")
        if kind == b"counter":
            return scope.counter(text)
        if kind == b"gauge":
            return scope.gauge(text)
        chosen = _UNITS.get(unit or b"unspecified")
        if chosen is None:
            return b"invalid histogram unit '" + (unit or b"") + BAD_UNIT
        return scope.histogram(text, chosen)

    def metric_value(self, metric: Any) -> int:
        return int(metric.value)

    # ---- keys ----

    def import_key(self, der: bytes) -> bytes | None:
        from pyvoy.extensions import keys

        key = keys.load(der)
        if key is None:
            return None
        hook = self.hook
        if hook.keys is None:
            hook.keys = {}
        name = _text(der)
        hook.keys.setdefault(name, key)
        return name

    def has_key(self, name: bytes) -> bool:
        return name in (self.hook.keys or ())

    def verify(self, hash_name: bytes, key: bytes, signature: bytes, data: bytes) -> tuple[bool, bytes | None]:
        from pyvoy.extensions import keys

        known = self.hook.keys
        assert known is not None
        wrong = keys.verify(hash_name, known[key], signature, data)
        return wrong is None, wrong

    # ---- time ----

    def timestamp(self) -> int:
        return int(time.time() * 1000)

    def timestamp_text(self, unit: int) -> bytes:
        return b"%d" % (time.time_ns() // (1000 if unit else 1_000_000))


def _nobody_waits(result: CallResult) -> None:
    """The end of an asynchronous call."""


def _text(value: bytes) -> bytes:
    """What Envoy sees of a Lua string that it takes as a C string."""
    return value.partition(b"\0")[0] if b"\0" in value else value


def unflatten(flat: bytes, *, of_request: bool = False) -> HeaderMap:
    """The header map of a Lua table, as prelude/handle.lua writes it.  A request's Host is its `:authority`."""
    parts = flat.split(b"\0")
    headers = HeaderMap()
    for index in range(0, len(parts) - 1, 2):
        headers.add(lower_name(parts[index], of_request=of_request), parts[index + 1])
    return headers


def _address(address: Address) -> bytes:
    return address.text.encode()


def _remote(stream: Any) -> bytes:
    return _address(stream.info.downstream_remote or stream.connection.remote)


_STREAM_INFO: dict[bytes, Callable[[Any], bytes]] = {
    b"protocol": lambda stream: stream.info.protocol.encode(),
    b"routeName": lambda stream: stream.info.route_name.encode(),
    b"virtualClusterName": lambda stream: stream.info.virtual_cluster_name.encode(),
    b"downstreamLocalAddress": lambda stream: _address(stream.connection.local),
    b"downstreamDirectLocalAddress": lambda stream: _address(stream.connection.direct_local),
    b"downstreamRemoteAddress": _remote,
    b"downstreamDirectRemoteAddress": lambda stream: _address(stream.connection.direct_remote),
    b"requestedServerName": lambda stream: stream.connection.requested_server_name.encode(),
}

_UNITS = {
    b"ms": "ms",
    b"milliseconds": "ms",
    b"us": "us",
    b"microseconds": "us",
    b"ns": "unspecified",
    b"nanoseconds": "unspecified",
    b"bytes": "bytes",
    b"unspecified": "unspecified",
}
