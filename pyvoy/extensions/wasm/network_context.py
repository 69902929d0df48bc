"""A plugin's context for one connection: a network filter whose callbacks are the module's.

What the module holds back stays here, with whatever it makes of it, until a callback continues or the module resumes.
Source: Envoy's Wasm Context as a network filter (the order of events at the end as observed on 1.40).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.context import Context
from pyvoy.network.connection_source import ConnectionSource
from pyvoy.network.network_filter import CloseType, Connection, NetworkFilter, NetworkVerdict

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.plugin import Plugin
    from pyvoy.extensions.wasm.root import RootContext
    from pyvoy.extensions.wasm.vm import Vm

NOTHING = b""


class Held:
    """What waits in one direction."""

    __slots__ = ("data", "end", "live", "paused")

    def __init__(self) -> None:
        self.data = b""
        self.end = False
        self.paused = False
        self.live = False
        """A data callback runs, or has stopped: the buffer can be changed."""


class WasmNetworkPlan:
    """What a chain keeps of a plugin."""

    __slots__ = ("filter_class", "plugin")

    def __init__(self, plugin: Plugin) -> None:
        self.plugin = plugin
        self.filter_class = NetworkContext


class NetworkContext(Context, NetworkFilter):
    """One connection."""

    vm: Vm
    root: RootContext
    handles_half_close = True

    def __init__(self, plan: WasmNetworkPlan) -> None:
        self.plugin = plan.plugin
        self._downstream = Held()
        self._upstream = Held()
        self._upstream_ended = False
        self._ended_first = False
        """The client ended its side before the upstream did."""
        self._reading_paused = False
        self._closing = False
        self._source: ConnectionSource | None = None
        self._connection: Connection

    # ---- events of the connection ----

    def on_new_connection(self, connection: Connection) -> NetworkVerdict:
        """Create the context, then show the connection."""
        self._connection = connection
        vm = self.plugin.ready()
        if vm is None:
            return self._fail()
        self.vm = vm
        self.root = self.plugin.root
        self.context_id = vm.add(self)
        self._run("proxy_on_context_create", self.root.context_id)
        result = self._run("proxy_on_new_connection")
        if self._failed():
            return self._fail()
        if not result:
            return NetworkVerdict.CONTINUE
        self._pause_reading()
        return NetworkVerdict.STOP

    def on_data(self, connection: Connection, data: bytes, end: bool) -> NetworkVerdict | bytes:
        """Bytes of the client; what is handed on in their place."""
        if not self.context_id:
            return NetworkVerdict.CONTINUE
        if end and not self._upstream_ended:
            self._ended_first = True
        passed = self._show(self._downstream, "proxy_on_downstream_data", data, end)
        if passed is None:
            limit = getattr(connection, "buffer_limit_bytes", 0)
            if limit and len(self._downstream.data) >= limit:
                self._pause_reading()
            return NetworkVerdict.TAKEN
        self._resume_reading()
        return passed

    def on_write(self, connection: Connection, data: bytes, end: bool) -> NetworkVerdict | bytes:
        """Bytes to the client."""
        if not self.context_id:
            return NetworkVerdict.CONTINUE
        passed = self._show(self._upstream, "proxy_on_upstream_data", data, end)
        if end and not self._upstream_ended:
            self._upstream_ended = True
            self._run("proxy_on_upstream_connection_close", abi.CLOSED_UNKNOWN)
        if passed is None:
            return NetworkVerdict.STOP if end else NOTHING
        return passed

    def _show(self, held: Held, name: str, data: bytes, end: bool) -> bytes | None:
        """Run a data callback; what is to be handed on, None when the module holds it."""
        if self._failed():
            self._fail()
            return data if self.plugin.fails_open else None
        held.data += data
        held.end = held.end or end
        held.live = True
        held.paused = bool(self._run(name, len(held.data), int(end)))
        if self._failed():
            self._fail()
            if not self.plugin.fails_open:
                return None
        elif held.paused:
            return None
        held.live = False
        passed, held.data = held.data, b""
        return passed

    def _pause_reading(self) -> None:
        """The client sends too much, or too early: a TCP proxy does not read either before it has an upstream."""
        if not self._reading_paused:
            self._reading_paused = True
            self._connection.read_disable(True)

    def _resume_reading(self) -> None:
        if self._reading_paused:
            self._reading_paused = False
            self._connection.read_disable(False)

    def on_close(self, connection: Connection) -> None:
        """The connection is gone."""
        if not self.context_id or self.vm.failed:
            return
        local = getattr(connection, "closed_locally", False)
        if self._ended_first and not getattr(connection, "reset_by_peer", False):
            local = True  # the client had ended its side, and waited for ours
        self._run("proxy_on_downstream_connection_close", abi.CLOSED_LOCAL if local else abi.CLOSED_REMOTE)

    def on_log(self, connection: Connection) -> None:
        """The last thing: done, log, delete (for HTTP streams log comes first)."""
        if not self.context_id:
            return
        vm = self.vm
        for name in ("proxy_on_done", "proxy_on_log", "proxy_on_delete"):
            if not vm.failed:
                self.logging = name == "proxy_on_log"
                vm.run_safely(self, name, self.context_id)
        vm.contexts.pop(self.context_id, None)
        if vm.retired:
            vm.close_if_unused()

    # ---- running the module ----

    def _run(self, name: str, *arguments: int) -> int:
        return self.vm.run_safely(self, name, self.context_id, *arguments)

    def _failed(self) -> bool:
        return self.vm.failed

    def _fail(self) -> NetworkVerdict:
        """There is no VM for this connection: it is closed, unless the plugin fails open."""
        if self.plugin.fails_open:
            return NetworkVerdict.CONTINUE
        if not self._closing:
            self._closing = True
            self._connection.close(CloseType.FLUSH)
        return NetworkVerdict.STOP

    def vm_failed(self) -> None:
        """The VM has failed elsewhere: do not keep a client waiting for it."""
        services = self.root.host.services
        if (self._downstream.paused or self._upstream.paused) and services is not None:
            services.loop.call_soon(self._fail)

    @property
    def holds(self) -> tuple[str, ...]:
        """The directions in which the module keeps bytes back: downstream, upstream."""
        sides = (("downstream", self._downstream), ("upstream", self._upstream))
        return tuple(name for name, held in sides if held.paused and held.data)

    # ---- what host functions ask ----

    @property
    def subject(self) -> Any:
        if self._source is None:
            connection = self._connection
            found = getattr(connection, "source", None)  # what the TCP proxy writes its upstream into
            self._source = ConnectionSource(connection.info, connection.services) if found is None else found
        self._source.update()
        return self._source

    def _held(self, kind: int) -> Held | None:
        return {abi.DOWNSTREAM_DATA: self._downstream, abi.UPSTREAM_DATA: self._upstream}.get(kind)

    def buffer(self, kind: int) -> bytes | None:
        held = self._held(kind)
        return super().buffer(kind) if held is None else held.data

    def set_buffer(self, kind: int, data: bytes) -> bool:
        held = self._held(kind)
        if held is None or not held.live:
            return False
        held.data = data
        return True

    def continue_stream(self, kind: int) -> int:
        if kind == abi.UPSTREAM:
            return abi.UNIMPLEMENTED
        if kind == abi.DOWNSTREAM:
            self.vm.deferred.append(self._continue_reading)
        return abi.OK

    def _continue_reading(self) -> None:
        held = self._downstream
        connection = self._connection
        if self._closing or not connection.is_open:
            return
        connection.continue_reading(self)
        self._resume_reading()
        if held.paused:
            held.paused = held.live = False
            data, held.data = held.data, b""
            if data or held.end:
                runner: Any = getattr(connection, "runner", None)
                if runner is not None:
                    runner.inject(self, data, end=held.end)

    def close_stream(self, kind: int) -> int:
        if kind in (abi.DOWNSTREAM, abi.UPSTREAM):
            self.vm.deferred.append(self._close)
        return abi.OK

    def _close(self) -> None:
        self._closing = True
        self._connection.close(CloseType.FLUSH)

    def set_state(self, key: str, value: bytes | str, *, of_connection: bool = True) -> int:
        self._connection.info.filter_state[key] = value
        return abi.OK

    def get_state(self, key: str) -> bytes | None:
        found = self._connection.info.filter_state.get(key)
        return found if isinstance(found, bytes) else None
