"""A plugin's context for one HTTP stream: an HTTP filter whose callbacks are the module's.

Source: Envoy's Wasm Context as a stream filter: which map is there when, what the results mean, what a local
reply and a failed VM do.  The class that a chain gets has just the events whose callbacks the module
exports (`filter_class`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.stream_facts import filter_state
from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.body import REQUEST, RESPONSE, BodyView
from pyvoy.extensions.wasm.context import Context
from pyvoy.extensions.wasm.mirror import CHANGED, STATUS_CHANGED
from pyvoy.extensions.wasm.plugin import FAIL_STREAM, UNAVAILABLE
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, STOP_AND_WATERMARK, HttpFilter, Stream, Verdict
from pyvoy.http.known_heads import KnownHeaders

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.plugin import Plugin
    from pyvoy.extensions.wasm.root import RootContext
    from pyvoy.extensions.wasm.vm import Vm
    from pyvoy.http.headers import HeaderMap

CLOSE_STREAM = "wasm_close_stream"
MAX_STATUS_DIGITS = 19

_STOP_ALL = (CONTINUE, STOP_AND_WATERMARK, CONTINUE, STOP_AND_BUFFER, STOP_AND_WATERMARK)
_STOP_HEADERS = (CONTINUE, STOP, CONTINUE, STOP_AND_BUFFER, STOP_AND_WATERMARK)
"""What the results of headers callbacks mean, without and with allow_on_headers_stop_iteration."""
_TRAILERS = (CONTINUE, STOP)


class WasmPlan:
    """What a chain keeps of a plugin."""

    __slots__ = ("filter_class", "header_verdicts", "plugin")

    def __init__(self, plugin: Plugin) -> None:
        vm = plugin.vm
        self.plugin = plugin
        self.header_verdicts = _STOP_HEADERS if plugin.settings.headers_stop_iteration else _STOP_ALL
        names = ("request_body", "request_trailers", "response_headers", "response_body", "response_trailers")
        # Without a VM yet (its code is being fetched) the module may turn out to have everything.
        self.filter_class = filter_class([vm is None or vm.has(f"proxy_on_{name}") for name in (*names, "log")])


class HttpContext(Context, HttpFilter):
    """One stream.  The defaults on the class hold until the module has seen the stream."""

    knows_heads = True

    vm: Vm
    root: RootContext
    stream: Stream

    held = False
    """The module keeps the stream waiting."""
    replied = False
    """The module has answered the stream itself."""
    _request_headers: HeaderMap | None = None
    _request_trailers: HeaderMap | None = None
    _response_headers: HeaderMap | None = None
    _response_trailers: HeaderMap | None = None
    _request_view: BodyView | None = None
    _response_view: BodyView | None = None
    _rerouted = False
    """The request's headers were changed, and its route has not been forgotten yet."""

    def __init__(self, plan: WasmPlan) -> None:
        self.plan = plan

    # ---- events of the stream ----

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """The stream begins: create its context, then show the headers."""
        plugin = self.plan.plugin
        vm = plugin.vm
        if vm is None or vm.failed or vm.retired:
            vm = plugin.ready()
            if vm is None:
                return self._without_vm(stream)
        self.vm = vm
        self.root = plugin.root
        self.stream = stream
        self._request_headers = headers
        context_id = self.context_id = vm.add(self)
        vm.current = vm.running = self
        mirror = vm.mirror
        result = 0
        try:
            if vm.on_context_create is not None:
                vm.on_context_create(context_id, self.root.context_id)
            if mirror is not None:
                mirror.enter(self, abi.REQUEST_HEADERS, headers)
            if vm.on_request_headers is not None:
                count = headers.head.count if type(headers) is KnownHeaders else len(headers)
                result = vm.on_request_headers(context_id, count, end)
        except Exception as error:  # the wall of the extension
            return self._trapped(error)
        vm.current = vm.running = None
        if mirror is not None and mirror.finish() >= CHANGED:
            self._rerouted = False
            stream.clear_route_cache()  # another request may take another route
        if vm.deferred:
            vm.run_deferred()
        if not result:
            self._request_headers = None
            return CONTINUE
        return self._headers_verdict(result)

    def _headers_verdict(self, result: int) -> Verdict:
        verdict = self.plan.header_verdicts[min(result, 4)]
        if verdict is CONTINUE:
            self._request_headers = self._response_headers = None
        else:
            self.held = True
        return verdict

    def _request_body(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        if self._alive(stream) is None:
            return self._verdict_without(stream)
        view = self._request_view
        if view is None:
            view = self._request_view = BodyView(self, REQUEST)
        return view.show(stream, data, end)

    def _request_trailers_(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        vm = self._alive(stream)
        if vm is None:
            return self._verdict_without(stream)
        self._request_trailers = trailers
        result = self.run_callback(vm.on_request_trailers, len(list(trailers.items())))
        verdict = self.verdict(result, _TRAILERS)
        if verdict is CONTINUE:
            self._request_trailers = None
        return verdict

    def _response_headers_(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        if not self.context_id or self.vm.failed:
            return self._verdict_without(stream)
        vm = self.vm
        self.stream = stream  # a light stream may have become a full one
        self._response_headers = headers
        self.replied = False  # what comes here may be the module's own reply, and another may take its place
        vm.current = vm.running = self
        mirror = vm.mirror
        result = 0
        try:
            if mirror is not None:
                mirror.enter(self, abi.RESPONSE_HEADERS, headers)
            if vm.on_response_headers is not None:
                count = headers.head.count if type(headers) is KnownHeaders else len(headers)
                result = vm.on_response_headers(self.context_id, count, end)
        except Exception as error:  # the wall of the extension
            return self._trapped(error)
        vm.current = vm.running = None
        if mirror is not None and mirror.finish() == STATUS_CHANGED:
            self.changed(abi.RESPONSE_HEADERS)
        if vm.deferred:
            vm.run_deferred()
        if not result:
            self._response_headers = None
            return CONTINUE
        return self._headers_verdict(result)

    def _response_body(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        if self._alive(stream) is None:
            return self._verdict_without(stream)
        view = self._response_view
        if view is None:
            view = self._response_view = BodyView(self, RESPONSE)
        return view.show(stream, data, end)

    def _response_trailers_(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        vm = self._alive(stream)
        if vm is None:
            return self._verdict_without(stream)
        self._response_trailers = trailers
        result = self.run_callback(vm.on_response_trailers, len(list(trailers.items())))
        verdict = self.verdict(result, _TRAILERS)
        if verdict is CONTINUE:
            self._response_trailers = None
        return verdict

    def _on_log(self, stream: Stream) -> None:
        """The stream is over; it gets a context for this alone if it died before the module saw it."""
        if not self.context_id:
            plugin = self.plan.plugin
            vm = plugin.vm
            if vm is None or vm.failed:
                return
            self.vm, self.root, self.stream = vm, plugin.root, stream
            self.context_id = vm.add(self)
            vm.run_safely(self, "proxy_on_context_create", self.context_id, self.root.context_id)
        self.stream = stream
        vm = self.vm
        if vm.failed or vm.on_log is None:
            return
        self.logging = True
        vm.run_safely(self, "proxy_on_log", self.context_id)
        self.logging = False

    def on_destroy(self, stream: Stream) -> None:
        """Nothing comes after this: done (whatever it says) and delete."""
        if not self.context_id:
            return
        vm = self.vm
        if not vm.failed:
            if vm.on_done is not None:
                vm.run_safely(self, "proxy_on_done", self.context_id)
            if vm.on_delete is not None and not vm.failed:
                vm.run_safely(self, "proxy_on_delete", self.context_id)
        vm.contexts.pop(self.context_id, None)
        if vm.retired:
            vm.close_if_unused()

    # ---- running the module ----

    def _alive(self, stream: Stream) -> Vm | None:
        """The VM that has seen this stream and still works."""
        if not self.context_id or self.vm.failed:
            return None
        self.stream = stream  # a light stream may have become a full one
        return self.vm

    def run_callback(self, callback: Any, *arguments: int) -> int:
        """Run a callback and what it asked for; -1 when it failed."""
        if callback is None:
            return 0
        vm = self.vm
        vm.current = vm.running = self
        try:
            result: int = callback(self.context_id, *arguments)
        except Exception as error:  # the wall of the extension
            self._trapped(error)
            return -1
        vm.current = vm.running = None
        if vm.deferred:
            vm.run_deferred()
        return result

    def verdict(self, result: int, table: tuple[Verdict, ...]) -> Verdict:
        """What a callback's result means; -1 for one that failed."""
        if result < 0:
            return CONTINUE if self.plan.plugin.fails_open else STOP_AND_WATERMARK
        verdict = table[min(result, len(table) - 1)]
        self.held = verdict is not CONTINUE
        return verdict

    # ---- failure ----

    def _trapped(self, error: Exception) -> Verdict:
        """The module failed in this stream's own callback; what it did to the headers before stays."""
        if self.vm.mirror is not None:
            self.vm.mirror.leave()
        self.vm.fail(error)
        self._request_headers = self._response_headers = None
        self.replied = False  # an answer that was still to be sent died with the VM
        return self._fail_stream(self.stream)

    def _without_vm(self, stream: Stream) -> Verdict:
        """A new stream finds no VM that works."""
        return self._fail_stream(stream)

    def _verdict_without(self, stream: Stream) -> Verdict:
        """An event of a stream that the module has not seen, or whose VM has failed."""
        if not self.context_id:
            return CONTINUE
        return self._fail_stream(stream)

    def _fail_stream(self, stream: Stream) -> Verdict:
        if self.plan.plugin.fails_open:
            return CONTINUE
        if self.replied or (stream.local_replied and stream.info.response_code_details == FAIL_STREAM):
            return CONTINUE  # the reply of this very failure passes by
        self.replied = True
        stream.send_local_reply(503, details=FAIL_STREAM, grpc_status=UNAVAILABLE)
        return STOP_AND_WATERMARK

    def vm_failed(self) -> None:
        """The VM has failed elsewhere: the stream fails too, or goes on without the module.

        It does so at once, where Envoy fails it at its next event, and lets one that the module holds wait for ever."""
        services = self.root.host.services
        if services is not None and (self.held or not self.plan.plugin.fails_open):
            services.loop.call_soon(self._give_up)

    def _give_up(self) -> None:
        stream = self.stream
        if self.context_id not in self.vm.contexts:
            return  # it has ended meanwhile
        self.replied = False
        if self.plan.plugin.fails_open:
            stream.continue_request(self)
            stream.continue_response(self)
        else:
            self._fail_stream(stream)

    # ---- what host functions ask ----

    @property
    def subject(self) -> Any:
        mirror = self.vm.mirror
        if mirror is not None and mirror.headers is not None:
            mirror.sync()
        self._reroute()
        return self.stream

    def readable(self, kind: int) -> HeaderMap | None:
        mirror = self.vm.mirror
        if mirror is not None and mirror.headers is not None:
            mirror.sync()
        if kind == abi.REQUEST_HEADERS:
            if self._request_headers is None and (self.logging or not self.vm.settings.strict):
                return self.stream.request_headers
            return self._request_headers
        if kind == abi.RESPONSE_HEADERS:
            if self.logging or (self._response_headers is None and not self.vm.settings.strict):
                return self.stream.response_headers  # a reply may have taken the place of those that were held
            return self._response_headers
        if kind == abi.REQUEST_TRAILERS:
            return self._request_trailers
        if kind == abi.RESPONSE_TRAILERS:
            return self.stream.response_trailers if self.logging else self._response_trailers
        return super().readable(kind)

    def writable(self, kind: int) -> HeaderMap | None:
        mirror = self.vm.mirror
        if mirror is not None and mirror.headers is not None:
            mirror.sync()
            mirror.stale()
        if kind == abi.REQUEST_HEADERS:
            return self._request_headers
        if kind == abi.RESPONSE_HEADERS:
            return self._response_headers
        if kind == abi.REQUEST_TRAILERS:
            if self._request_trailers is None and _at_end(self._request_view):
                self._request_trailers = self.stream.add_request_trailers()
            return self._request_trailers
        if kind == abi.RESPONSE_TRAILERS:
            if self._response_trailers is None and _at_end(self._response_view):
                self._response_trailers = self.stream.add_response_trailers()
            return self._response_trailers
        return None

    def suspect(self, kind: int) -> bool:
        """The router answers requests with such a head, whatever becomes of it later."""
        if kind == abi.REQUEST_HEADERS:
            self.stream.suspect_headers = True
            return True
        return False

    def changed(self, kind: int) -> None:
        """Another request may take another route: forgotten once, when the callback has returned or somebody asks.  A
        response whose status is no number has none, as in Envoy."""
        if kind == abi.REQUEST_HEADERS:
            if not self._rerouted:
                self._rerouted = True
                self.vm.deferred.append(self._reroute)
        elif kind == abi.RESPONSE_HEADERS and self._response_headers is not None:
            status = self._response_headers.map.get(b":status")
            if status is not None and (not status.isdigit() or len(status) > MAX_STATUS_DIGITS):
                self._response_headers.remove(b":status")

    def _reroute(self) -> None:
        if self._rerouted:
            self._rerouted = False
            self.stream.clear_route_cache()

    def _view(self, kind: int) -> BodyView | None:
        if kind == abi.REQUEST_BODY:
            return self._request_view
        return self._response_view if kind == abi.RESPONSE_BODY else None

    def buffer(self, kind: int) -> bytes | None:
        view = self._view(kind)
        return super().buffer(kind) if view is None else view.read()

    def set_buffer(self, kind: int, data: bytes) -> bool:
        view = self._view(kind)
        return view is not None and view.write(data)

    def continue_stream(self, kind: int) -> int:
        if kind == abi.UPSTREAM:
            return abi.UNIMPLEMENTED
        if kind == abi.REQUEST_STREAM:
            self.vm.deferred.append(self._continue_request)
        elif kind == abi.RESPONSE_STREAM:
            self.vm.deferred.append(self._continue_response)
        if self.vm.mirror is not None:
            self.vm.mirror.leave()
        self._request_headers = self._request_trailers = None
        return abi.OK

    def _continue_request(self) -> None:
        self.held = False
        self.stream.continue_request(self)

    def _continue_response(self) -> None:
        self.held = False
        self.stream.continue_response(self)

    def close_stream(self, kind: int) -> int:
        if kind in (abi.REQUEST_STREAM, abi.RESPONSE_STREAM):
            self.replied = True
            self.vm.deferred.insert(0, self._reset)  # it counts whatever else the callback has asked for
        return abi.OK

    def _reset(self) -> None:
        stream = self.stream
        stream.reset(CLOSE_STREAM if stream.info.response_code_details is None else "")

    def send_local_response(
        self, status: int, details: str, body: bytes, headers: list[tuple[bytes, bytes]], grpc_status: int | None
    ) -> None:
        if self.replied:
            return
        self.replied = True
        stream = self.stream
        self.vm.deferred.append(
            lambda: stream.send_local_reply(status, body, details=details, headers=headers, grpc_status=grpc_status)
        )

    def clear_route_cache(self) -> None:
        self.stream.clear_route_cache()

    def set_state(self, key: str, value: bytes | str, *, of_connection: bool = False) -> int:
        stream = self.stream
        (stream.connection.filter_state if of_connection else stream.info.filter_state)[key] = value
        return abi.OK

    def get_state(self, key: str) -> bytes | None:
        found = filter_state(self.stream, key)
        return found if isinstance(found, bytes) else None


def _at_end(view: BodyView | None) -> bool:
    """Whether the last piece of a body is at hand: then a message can be given trailers."""
    return view is not None and view.piece is not None and view.end


_EVENTS = (
    ("request_data", HttpContext._request_body),
    ("request_trailers", HttpContext._request_trailers_),
    ("response_headers", HttpContext._response_headers_),
    ("response_data", HttpContext._response_body),
    ("response_trailers", HttpContext._response_trailers_),
    ("on_log", HttpContext._on_log),
)


def filter_class(wanted: Sequence[bool]) -> type[HttpContext]:
    """The class with just these events, so that a chain does not call what a module does not have."""
    events = {name: method for (name, method), want in zip(_EVENTS, wanted, strict=True) if want}
    return type("WasmHttpContext", (HttpContext,), events)
