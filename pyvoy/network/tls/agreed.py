"""What the handshakes of a context agree on again and again, worked out once for each: statistics and facts.

A look into this table is all that our bookkeeping adds to a handshake, unless there is something of the peer's own to
write down: a certificate, or a session.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyvoy.network.tls import openssl

if TYPE_CHECKING:
    from pyvoy.network.tls.certificates import CertificateFacts
    from pyvoy.network.tls.session import Session
    from pyvoy.network.tls.stats import TlsStats

_SURE = ("TLSv1.3", "TLSv1.2")
"""A cipher that these versions brought is used by them alone."""

_BEFORE_SESSION_ID = 43
"""Of a ServerHello: record header (5), message header (4), version (2), random (32)."""
_VERSION_13_KEY_SHARE = b"\0\x2b\0\x02\x03\x04\0\x33"
"""The extension that says TLS 1.3, and the begin of the one that says which group."""


def spoken_key(said: bytes) -> bytes:
    """Cipher and group of a server's first message in a handshake of TLS 1.3, as it stands there between the session id
    and the key; b"" for anything else.  Two slices say what four calls of OpenSSL would."""
    if said[5:6] != b"\x02":
        return b""
    at = _BEFORE_SESSION_ID + 1 + said[_BEFORE_SESSION_ID]
    # Cipher (2), compression (1), length of the extensions (2), version (6), head of the key share (4), group (2).
    return said[at : at + 17] if said[at + 5 : at + 13] == _VERSION_13_KEY_SHARE else b""


@dataclass(slots=True, frozen=True)
class Agreed:
    """`indexes` are the counters that every such handshake moves, in the cells of the store; `facts` are attributes of
    a TlsInfo."""

    version: str
    cells: memoryview
    indexes: tuple[int, ...]
    facts: dict[str, object]


class Agreements:
    """Those of one context.  Owned by it."""

    __slots__ = ("_asks", "_known", "_spoken", "_stats", "local")

    def __init__(self, stats: TlsStats, local: CertificateFacts, *, asks: bool) -> None:
        """`local` is the certificate that is shown; `asks`: the peer may show one too."""
        self._stats = stats
        self._asks = asks
        self.local = local
        self._known: dict[tuple[str, str, int, str], Agreed] = {}
        self._spoken: dict[tuple[bytes, str | None], Agreed] = {}

    def of(self, session: Session, said: bytes) -> Agreed:
        """What a finished handshake has agreed on; `said` is what a server said first (b"" on clients)."""
        key = spoken_key(said)
        alpn = session.selected_alpn_protocol()
        if not key:
            return self._ask(session, alpn)
        found = self._spoken.get((key, alpn))
        if found is None:
            found = self._spoken[key, alpn] = self._ask(session, alpn)
        return found

    def _ask(self, session: Session, alpn: str | None) -> Agreed:
        cipher, since, _ = session.cipher() or ("", "", 0)
        version = since if since in _SURE else session.version() or ""
        key = (cipher, version, openssl.group_number(session), alpn or "")
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._work_out(*key)
        return found

    def _work_out(self, cipher: str, version: str, group_number: int, alpn: str) -> Agreed:
        group = openssl.group_name(group_number)
        facts = {**local_facts(self.local), "cipher": cipher, "version": version, "group": group, "alpn": alpn}
        stats = self._stats
        counters = [stats.handshake, *stats.used(cipher, version, group)]
        if not self._asks:
            counters.append(stats.no_certificate)
        indexes = tuple(counter.index for counter in counters)
        return Agreed(version, stats.handshake.cells, indexes, facts)


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
