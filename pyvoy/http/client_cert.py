"""The header x-forwarded-client-cert: what a connection's certificate makes of it.  Pure.

Source: Envoy, ConnectionManagerUtility::mutateXfccRequestHeader (order and quoting observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.observe.tls_info import TlsInfo

XFCC = b"x-forwarded-client-cert"


class ForwardMode(IntEnum):
    """What happens to the header: Envoy's forward_client_cert_details."""

    SANITIZE = 0
    FORWARD_ONLY = 1
    APPEND_FORWARD = 2
    SANITIZE_SET = 3
    ALWAYS_FORWARD_ONLY = 4


@dataclass(slots=True, frozen=True)
class ClientCertPlan:
    """The mode, and which details of the certificate are told beside its hash: set_current_client_cert_details."""

    mode: ForwardMode = ForwardMode.SANITIZE
    cert: bool = False
    chain: bool = False
    subject: bool = False
    uri: bool = False
    dns: bool = False


NO_CLIENT_CERT = ClientCertPlan()
Forwarder = Callable[["HeaderMap", "TlsInfo | None"], None]


def forwarder(plan: ClientCertPlan) -> Forwarder | None:
    """What to do with the header of a request on a connection; None where it is always removed, or never touched."""
    mode = plan.mode
    if mode in (ForwardMode.SANITIZE, ForwardMode.ALWAYS_FORWARD_ONLY):
        return None

    def forward(headers: HeaderMap, tls: TlsInfo | None) -> None:
        if tls is None or not tls.peer_presented:
            headers.remove(XFCC)
        elif mode is ForwardMode.SANITIZE_SET:
            headers.set(XFCC, _details(plan, tls))
        elif mode is ForwardMode.APPEND_FORWARD:
            headers.append_value(XFCC, _details(plan, tls), b",")

    return forward


def _details(plan: ClientCertPlan, tls: TlsInfo) -> bytes:
    """The element for a certificate; made once for a connection, as its manager does not change its mind."""
    if not tls.forwarded:
        tls.forwarded = ";".join(_parts(plan, tls)).encode("utf-8")
    return tls.forwarded


def _parts(plan: ClientCertPlan, tls: TlsInfo) -> list[str]:
    parts = [f"By={uri}" for uri in tls.local_uri_sans]
    if tls.peer_fingerprint_256:
        parts.append(f"Hash={tls.peer_fingerprint_256}")
    if plan.cert and tls.peer_certificate:
        parts.append(f'Cert="{tls.peer_certificate}"')
    if plan.chain and tls.peer_chain:
        parts.append(f'Chain="{tls.peer_chain}"')
    if plan.subject:
        parts.append(f'Subject="{tls.peer_subject}"')
    if plan.uri:
        parts += [f"URI={uri}" for uri in tls.peer_uri_sans] or ["URI="]
    if plan.dns:
        parts += [f"DNS={name}" for name in tls.peer_dns_sans]
    return parts
