"""A root context: one plugin in a VM.  It owns the plugin's timer, its calls to clusters and its queues.

Source: Envoy's Wasm Context for roots; Proxy-Wasm, timers, HTTP calls, shared queues.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.grpc_call import GrpcStatus
from pyvoy.extensions.http_call import UnknownCluster
from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.context import Context
from pyvoy.extensions.wasm.grpc import GRPC_CALL, HTTP_CALL, AnyCallout, GrpcCall, GrpcStream

if TYPE_CHECKING:
    from pyvoy.extensions.grpc_stream import GrpcCallStream
    from pyvoy.extensions.host import Host, HostTimer
    from pyvoy.extensions.http_call import CallResult, RunningCall
    from pyvoy.extensions.wasm.settings import PluginSettings
    from pyvoy.extensions.wasm.vm import Vm
    from pyvoy.http.headers import HeaderMap


@dataclass(slots=True, frozen=True)
class Answer:
    """What a call has brought, while its callback runs."""

    headers: HeaderMap
    body: bytes
    trailers: HeaderMap | None


class RootContext(Context):
    """One plugin.  Owned by its VM."""

    def __init__(self, vm: Vm, plugin: PluginSettings, host: Host, attribute: Callable[[tuple[str, ...]], Any]) -> None:
        self.vm = vm
        self.root = self
        self.plugin = plugin
        self.host = host
        self.compile_attribute = attribute
        """Compiles a path into a function of a stream, or None."""
        self.attributes: dict[bytes, Any] = {}
        self.configuring = False
        self.answer: Answer | None = None
        self.status: tuple[int, bytes] = (0, b"")
        """Code and text of the last call, for proxy_get_status."""
        self.done_pending = False
        self.calls: dict[int, RunningCall | AnyCallout] = {}
        """Calls and streams that the module has not heard the end of, by id."""
        self.metadata: dict[int, HeaderMap] = {}
        """The gRPC metadata that can be read while its callback runs, by map type."""
        self.message: bytes | None = None
        """The gRPC message that can be read, and changed, while its callback runs."""
        self.questions: dict[int, asyncio.Task[Any] | None] = {}
        """Names that are being resolved, by token; None for those that the next turn of the loop asks for."""
        self.names: bytes | None = None
        """The addresses of a name, while the module is told of them."""
        self._period_s = 0.0
        self._timer: HostTimer | None = None
        self._unwatch: dict[int, Callable[[], None]] = {}

    @property
    def log_prefix(self) -> str:
        """A root's lines carry no plugin name, as in Envoy."""
        plugin = self.plugin
        return " ".join(part for part in (plugin.root_id, plugin.vm.vm_id) if part)

    # ---- start ----

    def start(self) -> str:
        """Create, start and configure; what the plugin said no to, or "".  Raises WasmTrap."""
        vm = self.vm
        settings = vm.settings
        self.context_id = vm.add(self)
        self.configuring = True
        try:
            vm.run(self, "proxy_on_context_create", self.context_id, 0)
            self.configuring = False
            size = len(settings.configuration)
            if vm.run(self, "proxy_on_vm_start", self.context_id, size, absent=1) == 0:
                return "proxy_on_vm_start returned false"
            self.configuring = True
            if vm.run(self, "proxy_on_configure", self.context_id, len(self.plugin.configuration), absent=1) == 0:
                return "proxy_on_configure returned false"
        finally:
            self.configuring = False
        return ""

    # ---- timer ----

    def set_tick_period(self, milliseconds: int) -> None:
        """Tick every so often; 0 stops.  Setting it again starts anew."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._period_s = milliseconds / 1000
        if milliseconds:
            self._timer = self.host.call_later(self._period_s, self._tick)

    def _tick(self) -> None:
        """Armed again when the callback has returned, so that ticks never pile up."""
        self._timer = None
        vm = self.vm
        if vm.failed:
            return
        vm.run_safely(self, "proxy_on_tick", self.context_id)
        if self._timer is None and self._period_s and not vm.failed:
            self._timer = self.host.call_later(self._period_s, self._tick)

    # ---- calls ----

    def expect(self, start: Callable[[Callable[[CallResult], None]], RunningCall]) -> int | None:
        """Begin an HTTP call; its id, or None for one that has failed already: nothing more is heard of that.

        The answer comes to this context whoever asked.  Raises CallRefused."""
        call = start(lambda result: self._answered(call_id, result))
        call_id = self.vm.next_call(HTTP_CALL)  # a call that is refused takes none
        if call.done:
            call.cancel()
            return None
        self.calls[call_id] = call
        return call_id

    def _answered(self, call_id: int, result: CallResult) -> None:
        vm = self.vm
        if self.calls.pop(call_id, None) is None or vm.failed:
            return
        if not result.answered:
            self.status = (abi.BROKEN_CONNECTION, b"reset")
            vm.run_safely(self, "proxy_on_http_call_response", self.context_id, call_id, 0, 0, 0)
            self.status = (abi.BROKEN_CONNECTION, b"")
            return
        headers, trailers = result.headers, result.trailers
        count = len(list(headers.items()))
        trailer_count = 0 if trailers is None else len(list(trailers.items()))
        self.answer = Answer(headers, result.body, trailers)
        try:
            vm.run_safely(
                self,
                "proxy_on_http_call_response",
                self.context_id,
                call_id,
                count,
                len(result.body),
                trailer_count,
            )
        finally:
            self.answer = None

    def begin_grpc(self, kind: int, begin: Callable[[AnyCallout], GrpcCallStream]) -> int | None:
        """Begin a gRPC call or stream; its id, or None when it has failed already (its callbacks still come).

        Raises CallRefused."""
        token = self.vm.next_call(kind)
        callout: AnyCallout = GrpcCall(self, token) if kind == GRPC_CALL else GrpcStream(self, token)
        try:
            callout.stream = begin(callout)
        except UnknownCluster:
            self.vm.when_idle(partial(self.tell_grpc_end, token, GrpcStatus.UNAVAILABLE, b"Cluster not available"))
            return None
        self.calls[token] = callout
        return None if callout.stream.failed_at_once else token

    def tell_grpc_metadata(self, token: int, metadata: HeaderMap, *, trailing: bool) -> None:
        """The metadata of a stream, at its beginning or its end."""
        kind = abi.GRPC_TRAILING_METADATA if trailing else abi.GRPC_INITIAL_METADATA
        name = "proxy_on_grpc_receive_trailing_metadata" if trailing else "proxy_on_grpc_receive_initial_metadata"
        self.metadata[kind] = metadata
        try:
            self._tell(name, token, len(list(metadata.items())))
        finally:
            self.metadata.clear()

    def tell_grpc_message(self, token: int, message: bytes) -> None:
        """A message of a stream, or the answer of a call."""
        self.message = message
        try:
            self._tell("proxy_on_grpc_receive", token, len(message))
        finally:
            self.message = None

    def tell_grpc_end(self, token: int, status: int, text: bytes) -> None:
        """The status of a stream, or of a call that has failed."""
        self.status = (status, text)
        self._tell("proxy_on_grpc_close", token, status)
        self.status = (status, b"")

    def _tell(self, name: str, *arguments: int) -> None:
        if not self.vm.failed:
            self.vm.run_safely(self, name, self.context_id, *arguments)

    def tell_names(self, token: int, names: bytes) -> None:
        """The addresses of a name; empty when it could not be resolved."""
        self.names = names
        try:
            self._tell("envoy_on_resolve_dns", token, len(names))
        finally:
            self.names = None

    def cancel_calls(self) -> None:
        """Nobody waits for the answers any more."""
        questions, self.questions = self.questions, {}
        for question in questions.values():
            if question is not None:
                question.cancel()
        calls, self.calls = self.calls, {}
        for call in calls.values():
            call.cancel()

    # ---- queues ----

    def watch_queue(self, queue_id: int, watch: Callable[[Callable[[], None]], Callable[[], None]]) -> None:
        """Be told of new items."""
        if queue_id in self._unwatch:
            self._unwatch.pop(queue_id)()
        self._unwatch[queue_id] = watch(partial(self._queue_ready, queue_id))

    def _queue_ready(self, queue_id: int) -> None:
        if not self.vm.failed:
            self.vm.run_safely(self, "proxy_on_queue_ready", self.context_id, queue_id)

    # ---- the end ----

    def stop(self) -> None:
        """No stream begins under this plugin any more: it ends with its last one.

        Until then it has its timer and its calls, which streams may wait for (as in Envoy)."""
        vm = self.vm
        if vm.has_streams(self):
            vm.ending.append(self)
        else:
            self.end()

    def end(self) -> None:
        """The plugin is not needed any more: done, and delete at once or when it says so."""
        self.set_tick_period(0)
        for unwatch in self._unwatch.values():
            unwatch()
        self._unwatch.clear()
        vm = self.vm
        if vm.failed:
            self.release()
            return
        if vm.run_safely(self, "proxy_on_done", self.context_id, absent=1) == 0 and not vm.failed:
            self.done_pending = True
        else:
            self.delete()

    def delete(self) -> None:
        """The last callback."""
        self.done_pending = False
        if not self.vm.failed:
            self.vm.run_safely(self, "proxy_on_delete", self.context_id)
        self.release()

    def release(self) -> None:
        """Nothing may call back any more."""
        self.set_tick_period(0)
        self.cancel_calls()
        self.vm.contexts.pop(self.context_id, None)
        if self.vm.retired:
            self.vm.close_if_unused()
