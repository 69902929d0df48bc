"""Network (L4) filters in Lua: what becomes of a connection's events.

A script defines any of on_new_connection(conn), on_data(conn, data, is_end), on_write(conn, data, is_end) and
on_close(conn); a text that on_data or on_write returns goes on in place of the data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.failure import FailurePolicy, Failures
from pyvoy.extensions.host import Host
from pyvoy.extensions.lua import helpers
from pyvoy.extensions.lua.log_lines import log_line
from pyvoy.extensions.lua.options import options_of
from pyvoy.extensions.lua.plan import ScriptFailure
from pyvoy.extensions.lua.script import try_load
from pyvoy.extensions.lua.values import ValueKindError, from_lua
from pyvoy.extensions.lua.vm import NETWORK_PARTS, LuaVm
from pyvoy.network.network_filter import CloseType, Connection, NetworkFilter, NetworkVerdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context

DETAILS = "extension_failed"
Call = Callable[..., Any]


class ConnectionBridge:
    """The host functions of one state; `connection` is the one whose event is being handled."""

    __slots__ = ("connection", "runtime")

    connection: Connection
    runtime: Any

    def functions(self) -> dict[bytes, Call]:
        """The functions by the names that prelude/connection.lua uses."""
        return {
            b"log": log_line,
            b"write": self._write,
            b"close": lambda: self.connection.close(CloseType.FLUSH),
            b"fact": self._fact,
            b"set_metadata": self._set_metadata,
        }

    def _write(self, data: bytes) -> None:
        self.connection.write(data)

    def _fact(self, name: bytes) -> bytes:
        info = self.connection.info
        if name == b"requestedServerName":
            return info.requested_server_name.encode()
        return (info.remote if name == b"remoteAddress" else info.local).text.encode()

    def _set_metadata(self, namespace: bytes, key: bytes, value: Any) -> bytes | None:
        try:
            plain = from_lua(value)
        except ValueKindError as error:
            return str(error).encode()
        found = self.connection.info.dynamic_metadata.setdefault(namespace.decode("utf-8", "replace"), {})
        found[key.decode("utf-8", "replace")] = plain
        return None


@dataclass(slots=True, frozen=True, eq=False)
class LuaNetworkPlan:
    """One configured filter.  `filter_class` has just the events that the script handles."""

    bridge: ConnectionBridge
    calls: dict[str, Call]
    forget: Callable[[int], None]
    failures: Failures
    filter_class: type[NetworkFilter]


class LuaNetworkFilter(NetworkFilter):
    """One connection.  The methods that answer a script's function are given to a class made for it."""

    __slots__ = ("_failed", "_number", "_plan")

    def __init__(self, plan: LuaNetworkPlan) -> None:
        self._plan = plan
        self._number = id(self)
        self._failed = False

    def _call(self, event: str, connection: Connection, *arguments: Any) -> Any:
        """The script's answer; None after a failure, and for the rest of a connection that has seen one."""
        if self._failed:
            return None
        plan = self._plan
        plan.bridge.connection = connection  # also that of a call that runs already: a script writes to its own only
        try:
            found = plan.calls[event](self._number, *arguments)
        except Exception as error:  # the wall of the extension
            found = False, str(error).encode(), b""
        if found[0]:
            return found[1]
        self._failed = True
        text, traceback = (part.decode("utf-8", "replace") for part in found[1:3])
        plan.failures.note(ScriptFailure(text, traceback))
        if plan.failures.policy is not FailurePolicy.OPEN:
            connection.close(CloseType.NO_FLUSH, DETAILS)
        return None


def _on_new_connection(self: LuaNetworkFilter, connection: Connection) -> NetworkVerdict:
    self._call("on_new_connection", connection)
    return NetworkVerdict.CONTINUE if connection.is_open else NetworkVerdict.STOP


def _on_data(self: LuaNetworkFilter, connection: Connection, data: bytes, end: bool) -> NetworkVerdict | bytes:
    answer = self._call("on_data", connection, data, end)
    if not connection.is_open:
        return NetworkVerdict.STOP
    return answer if isinstance(answer, bytes) else NetworkVerdict.CONTINUE


def _on_write(self: LuaNetworkFilter, connection: Connection, data: bytes, end: bool) -> NetworkVerdict | bytes:
    answer = self._call("on_write", connection, data, end)
    return answer if isinstance(answer, bytes) else NetworkVerdict.CONTINUE


def _on_close(self: LuaNetworkFilter, connection: Connection) -> None:
    if "on_close" in self._plan.calls:
        self._call("on_close", connection)
    self._plan.forget(self._number)


EVENTS: dict[str, Callable[..., Any]] = {
    "on_new_connection": _on_new_connection,
    "on_data": _on_data,
    "on_write": _on_write,
}


def build(message: Any, context: Context) -> LuaNetworkPlan:
    """The plan of a Lua message of a network filter."""
    options = options_of(context, message.stat_prefix)
    scope = context.root_scope.scope("lua").scope(message.stat_prefix)
    host = Host.of(context, scope, "lua")
    bridge = ConnectionBridge()
    functions = bridge.functions() | helpers.functions(bridge, host)
    vm = LuaVm(functions, NETWORK_PARTS, options)
    bridge.runtime = vm.runtime
    file = message.source_code.filename
    if file:
        context.env.files.add(file)
    code = context.data_source(message, "source_code")
    try_load(vm, code, context, "source_code", file if options.log_tracebacks else "")
    calls: dict[str, Call] = {}
    for event in (*EVENTS, "on_close"):
        function = vm.function(event.encode())
        if function is not None:
            calls[event] = vm.core(b"connection_caller")(function)
    members = {event: method for event, method in EVENTS.items() if event in calls}
    cls = type("LuaNetworkFilter", (LuaNetworkFilter,), {"__slots__": (), **members, "on_close": _on_close})
    failures = Failures(message.stat_prefix or "lua", options.failure_policy, scope, host.logger)
    return LuaNetworkPlan(bridge, calls, vm.core(b"connection_over"), failures, cls)
