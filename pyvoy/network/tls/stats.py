"""The `ssl.*` statistics of a listener or a cluster, under Envoy's names.

Source: Envoy, SslStats and ContextImpl::logHandshake (names observed on Envoy 1.40).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.network.tls import openssl

if TYPE_CHECKING:
    from pyvoy.network.tls.session import Session
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

_NEVER = (1 << 63) - 1
_HASH_OF_NOTHING = "e3b0c442"
"""Envoy names what came with no secret by a hash of its name, which is empty."""
_COUNTERS = (
    "connection_error",
    "fail_verify_cert_hash",
    "fail_verify_error",
    "fail_verify_no_cert",
    "fail_verify_san",
    "handshake",
    "no_certificate",
    "ocsp_staple_failed",
    "ocsp_staple_omitted",
    "ocsp_staple_requests",
    "ocsp_staple_responses",
    "session_reused",
)


class TlsStats:
    """Counters of one TLS context."""

    __slots__ = (*_COUNTERS, "_scope", "_used")

    connection_error: Counter
    fail_verify_cert_hash: Counter
    fail_verify_error: Counter
    fail_verify_no_cert: Counter
    fail_verify_san: Counter
    handshake: Counter
    no_certificate: Counter
    ocsp_staple_failed: Counter
    ocsp_staple_omitted: Counter
    ocsp_staple_requests: Counter
    ocsp_staple_responses: Counter
    session_reused: Counter

    def __init__(self, scope: Scope) -> None:
        """`scope` is the listener's or the cluster's."""
        self._scope = scope.scope("ssl")
        self._used: dict[str, Counter] = {}
        for name in _COUNTERS:
            setattr(self, name, self._scope.counter(name))

    def used(self, cipher: str, version: str, group: str) -> tuple[Counter, ...]:
        """The counters of what a handshake has agreed on."""
        pairs = (("ciphers", cipher), ("versions", version), ("curves", group))
        return tuple(self._used_counter(kind, name) for kind, name in pairs if name)

    def count_peer(self, session: Session) -> None:
        """A handshake is complete in which the peer may have shown a certificate."""
        name = openssl.peer_signature_name(session)
        if name:
            self._used_counter("sigalgs", name).inc()
        if session.getpeercert(True) is None:
            self.no_certificate.inc()

    def show_expiry(self, name: str, kind: str, valid_to_s: float) -> None:
        """When a certificate ends; `kind` is "cert" or "ca_cert", `name` that of its secret or ""."""
        shown = name or f"unnamed_{kind}_{_HASH_OF_NOTHING}"
        gauge = self._scope.gauge(f"certificate.{shown}.expiration_unix_time_seconds", "max")
        gauge.set(int(valid_to_s))

    def show_no_expiry(self) -> None:
        """Certificates are checked, but not by an authority's."""
        self._scope.gauge("certificate.unnamed_ca_cert.expiration_unix_time_seconds", "max").set(_NEVER)

    def _used_counter(self, kind: str, name: str) -> Counter:
        key = f"{kind}.{name}"
        counter = self._used.get(key)
        if counter is None:
            counter = self._used[key] = self._scope.counter(key)
        return counter
