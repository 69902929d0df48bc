"""What host functions act on: a context is a root (one plugin in a VM), a stream or a connection.

`Context` answers for everything that a kind of context does not have.  Source: Envoy's Wasm Context.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.wasm import abi

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.declared import Declaration
    from pyvoy.extensions.wasm.root import RootContext
    from pyvoy.extensions.wasm.vm import Vm
    from pyvoy.http.headers import HeaderMap


class Context:
    """The base: no stream, no maps but those of the root's answer, no buffers but configuration."""

    vm: Vm
    context_id = 0
    root: RootContext
    logging = False
    """The stream is being logged: what was released may be read once more."""
    declared: dict[str, Declaration] | None = None
    """Properties that were declared in this context; a root's hold for its streams."""

    @property
    def subject(self) -> Any:
        """The stream or connection whose attributes can be asked; None for a root."""
        return None

    @property
    def log_prefix(self) -> str:
        """What stands before the module's log lines."""
        return self.root.plugin.log_prefix

    def readable(self, kind: int) -> HeaderMap | None:
        """The map of a type (abi.REQUEST_HEADERS...) as far as it may be read now."""
        root = self.root
        answer = root.answer
        if answer is None:
            return root.metadata.get(kind)
        if kind == abi.CALL_HEADERS:
            return answer.headers
        if kind == abi.CALL_TRAILERS:
            return answer.trailers
        return None

    def writable(self, kind: int) -> HeaderMap | None:
        """The map of a type as far as it may be changed now."""
        return None

    def suspect(self, kind: int) -> bool:
        """Something is about to be written that no message may have: whether somebody keeps it from being sent."""
        return False

    def changed(self, kind: int) -> None:
        """A map was changed."""

    def buffer(self, kind: int) -> bytes | None:
        """The buffer of a type (abi.REQUEST_BODY...), None when there is none now."""
        root = self.root
        if kind == abi.VM_CONFIGURATION:
            return self.vm.settings.configuration
        if kind == abi.PLUGIN_CONFIGURATION:
            return root.plugin.configuration if root.configuring else None
        if kind == abi.CALL_BODY:
            return None if root.answer is None else root.answer.body
        if kind == abi.GRPC_MESSAGE:
            return root.message or b""
        if kind == abi.FOREIGN_ARGUMENTS:
            return root.names or b""
        return b""

    def set_buffer(self, kind: int, data: bytes) -> bool:
        """Put other bytes in place of a buffer; False when it cannot be changed."""
        root = self.root
        if kind != abi.GRPC_MESSAGE or root.message is None:
            return False
        root.message = data
        return True

    def continue_stream(self, kind: int) -> int:
        """Resume; a status."""
        return abi.UNIMPLEMENTED if kind == abi.UPSTREAM else abi.OK

    def close_stream(self, kind: int) -> int:
        """Reset or close; a status."""
        return abi.OK

    def send_local_response(
        self, status: int, details: str, body: bytes, headers: list[tuple[bytes, bytes]], grpc_status: int | None
    ) -> None:
        """Answer from here, once the callback has returned."""

    def clear_route_cache(self) -> None:
        """Match the route anew."""

    def set_state(self, key: str, value: bytes | str, *, of_connection: bool = False) -> int:
        """Put a value into the filter state of the stream, or of its connection; a status."""
        return abi.NOT_FOUND

    def get_state(self, key: str) -> bytes | None:
        """A value of the stream's filter state."""
        return None

    def vm_failed(self) -> None:
        """The VM has failed in another context's callback: a stream that waits for this one must not wait any more."""


Deferred = Callable[[], None]
