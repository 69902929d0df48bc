"""What the handshakes of a context agree on again and again, worked out once for each: statistics and facts.

A look into this table is all that our bookkeeping adds to a handshake, unless there is something of the peer's own to
write down: a certificate, or a session.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyvoy.network.tls import openssl

if TYPE_CHECKING:
    from pyvoy.network.tls.certificates import CertificateFacts
    from pyvoy.network.tls.stats import TlsStats
    from pyvoy.stats.counters import Counter

_SURE = ("TLSv1.3", "TLSv1.2")
"""A cipher that these versions brought is used by them alone."""


@dataclass(slots=True, frozen=True)
class Agreed:
    """`counters` of cipher, version and group; `facts` are attributes of a TlsInfo."""

    version: str
    counters: tuple[Counter, ...]
    facts: dict[str, object]


class Agreements:
    """Those of one context.  Owned by it."""

    __slots__ = ("_known", "_stats", "local")

    def __init__(self, stats: TlsStats, local: CertificateFacts) -> None:
        """`local` is the certificate that is shown."""
        self._stats = stats
        self.local = local
        self._known: dict[tuple[str, str, int, str], Agreed] = {}

    def of(self, session: ssl.SSLObject) -> Agreed:
        """What a finished handshake has agreed on."""
        cipher, since, _ = session.cipher() or ("", "", 0)
        version = since if since in _SURE else session.version() or ""
        key = (cipher, version, openssl.group_number(session), session.selected_alpn_protocol() or "")
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._work_out(*key)
        return found

    def _work_out(self, cipher: str, version: str, group_number: int, alpn: str) -> Agreed:
        group = openssl.group_name(group_number)
        facts = {**local_facts(self.local), "cipher": cipher, "version": version, "group": group, "alpn": alpn}
        return Agreed(version, self._stats.used(cipher, version, group), facts)


def local_facts(facts: CertificateFacts) -> dict[str, object]:
    """What a TlsInfo says of our own certificate."""
    return {
        "local_oids": facts.oids,
        "local_subject": facts.subject,
        "local_uri_sans": facts.uri_sans,
        "local_dns_sans": facts.dns_sans,
        "local_ip_sans": facts.ip_sans,
        "local_email_sans": facts.email_sans,
    }
