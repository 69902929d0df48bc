"""TLS inspector: tells TLS from plain text by the ClientHello, and learns server name, ALPN and fingerprints from it.

It writes what it finds into the connection's facts, where the filter chain match and the access log read it; the bytes
stay for the transport socket.  Source: Envoy, listener filter "TLS Inspector" (stats, metadata and outcomes observed
on Envoy 1.40).  Looks at no more than `max_client_hello_size` bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import listener_filter, supports
from pyvoy.network.listener_filter import Accepted, ListenerFilter, ListenerVerdict
from pyvoy.network.tls.client_hello import MAX_CLIENT_HELLO_BYTES, ClientHelloReader, ClientHelloState
from pyvoy.network.tls.fingerprint import ja3_hash, ja4

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.observe.stream_info import ConnectionInfo
    from pyvoy.stats.store import Scope

TYPE = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector"
METADATA_NAMESPACE = "envoy.filters.listener.tls_inspector"

supports(
    TYPE,
    "enable_ja3_fingerprinting enable_ja4_fingerprinting max_client_hello_size "
    "close_connection_on_client_hello_parsing_errors",
    tuning="initial_read_buffer_size",
)


class TlsInspectorStats:
    """Counters at `tls_inspector.`, shared by all listeners."""

    __slots__ = (
        "alpn_found",
        "alpn_not_found",
        "bytes_processed",
        "client_hello_too_large",
        "sni_found",
        "sni_not_found",
        "tls_found",
        "tls_not_found",
    )

    def __init__(self, root: Scope) -> None:
        scope = root.scope("tls_inspector")
        self.alpn_found = scope.counter("alpn_found")
        self.alpn_not_found = scope.counter("alpn_not_found")
        self.client_hello_too_large = scope.counter("client_hello_too_large")
        self.sni_found = scope.counter("sni_found")
        self.sni_not_found = scope.counter("sni_not_found")
        self.tls_found = scope.counter("tls_found")
        self.tls_not_found = scope.counter("tls_not_found")
        self.bytes_processed = scope.histogram("bytes_processed", unit="bytes")


@dataclass(slots=True, frozen=True)
class TlsInspectorPlan:
    """`close_on_errors` refuses what is no acceptable ClientHello instead of passing it on as plain text."""

    stats: TlsInspectorStats
    max_client_hello_bytes: int = MAX_CLIENT_HELLO_BYTES
    ja3: bool = False
    ja4: bool = False
    close_on_errors: bool = False


@listener_filter(name="envoy.filters.listener.tls_inspector", type_url=TYPE, posture="robust_to_untrusted_downstream")
class TlsInspector(ListenerFilter):
    """One per connection; owns the reader of its first bytes."""

    __slots__ = ("plan", "reader")
    needs_bytes = True

    @staticmethod
    def build(message: Any, context: Context) -> TlsInspectorPlan:
        """The plan of a TlsInspector message."""
        limit_bytes = context.wrapped(message, "max_client_hello_size", MAX_CLIENT_HELLO_BYTES)
        if limit_bytes > MAX_CLIENT_HELLO_BYTES:
            text = f"max_client_hello_size of {limit_bytes} is greater than maximum of {MAX_CLIENT_HELLO_BYTES}."
            context.error("max_client_hello_size", text)
            limit_bytes = MAX_CLIENT_HELLO_BYTES
        return TlsInspectorPlan(
            TlsInspectorStats(context.root_scope),
            limit_bytes,
            context.wrapped(message, "enable_ja3_fingerprinting", False),
            context.wrapped(message, "enable_ja4_fingerprinting", False),
            message.close_connection_on_client_hello_parsing_errors,
        )

    def __init__(self, plan: TlsInspectorPlan) -> None:
        self.plan = plan
        self.reader = ClientHelloReader(plan.max_client_hello_bytes)

    def on_accept(self, accepted: Accepted) -> ListenerVerdict:
        """Wait for bytes."""
        return ListenerVerdict.MORE

    def on_data(self, accepted: Accepted, end: bool) -> ListenerVerdict:
        """Judge all bytes so far."""
        state = self.reader.inspect(accepted.buffer)
        if state is ClientHelloState.NEED_MORE:
            return ListenerVerdict.MORE
        self.plan.stats.bytes_processed.record(self.reader.consumed)
        info = accepted.info
        if state is ClientHelloState.HELLO:
            self._found(info)
            return ListenerVerdict.CONTINUE
        if state is ClientHelloState.NOT_TLS:
            return self._not_found(info, len(accepted.buffer))
        if state is ClientHelloState.INVALID_VERSION:
            self._learn(info)
            self._give_up(info, "ClientHelloInvalidTlsVersion")
        elif state is ClientHelloState.TOO_LARGE:
            self._give_up(info, "ClientHelloTooLarge")
        return ListenerVerdict.CLOSE

    def _found(self, info: ConnectionInfo) -> None:
        stats = self.plan.stats
        self._learn(info)
        info.transport_protocol = "tls"
        stats.tls_found.inc()
        (stats.alpn_found if info.application_protocols else stats.alpn_not_found).inc()

    def _learn(self, info: ConnectionInfo) -> None:
        """What the hello says, into the facts of the connection; the server name is lower-case from here on."""
        hello = self.reader.hello
        if hello is None:
            return
        plan = self.plan
        if plan.ja3:
            info.ja3 = ja3_hash(hello)
        if plan.ja4:
            info.ja4 = ja4(hello)
        if hello.alpn:
            info.application_protocols = tuple(name.decode("latin-1") for name in hello.alpn)
        if hello.server_name:
            info.requested_server_name = hello.server_name.lower().decode("latin-1")
            plan.stats.sni_found.inc()
        else:
            plan.stats.sni_not_found.inc()

    def _not_found(self, info: ConnectionInfo, seen_bytes: int) -> ListenerVerdict:
        """No TLS: plain text as far as we know, unless the configuration says that it must be TLS."""
        if not self.plan.close_on_errors:
            self._give_up(info, "ClientHelloNotDetected")
            return ListenerVerdict.CONTINUE
        too_large = seen_bytes >= self.plan.max_client_hello_bytes
        self._give_up(info, "ClientHelloTooLarge" if too_large else "ClientHelloNotDetected")
        return ListenerVerdict.CLOSE

    def _give_up(self, info: ConnectionInfo, failure_reason: str) -> None:
        stats = self.plan.stats
        too_large = failure_reason == "ClientHelloTooLarge"
        (stats.client_hello_too_large if too_large else stats.tls_not_found).inc()
        info.dynamic_metadata.setdefault(METADATA_NAMESPACE, {})["failure_reason"] = failure_reason
        if self.reader.refusal is not None:
            info.transport_failure_reason = self.reader.refusal.text


_: type[ListenerFilter] = TlsInspector
