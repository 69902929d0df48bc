"""A plugin as an access logger: the module is told of each stream that has ended.

Source: Envoy, access logger "Wasm".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.extensions.stream_facts import filter_state
from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.context import Context

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.plugin import Plugin
    from pyvoy.extensions.wasm.root import RootContext
    from pyvoy.extensions.wasm.vm import Vm
    from pyvoy.http.headers import HeaderMap


class LogContext(Context):
    """What the module may ask of the stream that is logged: everything can be read, nothing changed."""

    logging = True

    def __init__(self, vm: Vm, root: RootContext, stream: Any) -> None:
        self.vm = vm
        self.root = root
        self._stream = stream

    @property
    def log_prefix(self) -> str:
        """The root's: it is the root that logs."""
        return self.root.log_prefix

    @property
    def subject(self) -> Any:
        return self._stream

    def readable(self, kind: int) -> HeaderMap | None:
        names = {
            abi.REQUEST_HEADERS: "request_headers",
            abi.RESPONSE_HEADERS: "response_headers",
            abi.RESPONSE_TRAILERS: "response_trailers",
        }
        name = names.get(kind)
        return super().readable(kind) if name is None else getattr(self._stream, name, None)

    def get_state(self, key: str) -> bytes | None:
        found = filter_state(self._stream, key)
        return found if isinstance(found, bytes) else None


class WasmAccessLog:
    """The logger; implements `AccessLog`."""

    def __init__(self, plugin: Plugin) -> None:
        self._plugin = plugin

    def log(self, stream: Any) -> None:
        """Show a stream to the module: in its root context, as Envoy does."""
        vm = self._plugin.ready()
        if vm is None or not vm.has("proxy_on_log"):
            return
        root = self._plugin.root
        context = LogContext(vm, root, stream)
        context.context_id = root.context_id
        vm.run_safely(context, "proxy_on_log", root.context_id)
