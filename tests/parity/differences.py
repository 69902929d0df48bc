"""Known differences between pyvoy and Envoy, each with its reason.

A listing holds for a case (or for every case: "*") and for parts of the comparison (patterns of fnmatch, see
tests/parity/compare.py).  A listing that no longer differs fails, so that this table stays true.
"""

from dataclasses import dataclass
from fnmatch import fnmatch


@dataclass(frozen=True, slots=True)
class Known:
    """A difference that is meant: why it is there."""

    case: str
    part: str
    reason: str

    def covers(self, case: str, part: str) -> bool:
        """Whether this listing explains a difference."""
        return fnmatch(case, self.case) and fnmatch(part, self.part)


_STRICT = "llhttp, the parser, is stricter, and its lenient flags stay off: a response that is no HTTP is a 502"
_NO_HEDGING = "requests are not hedged, so that the per-try time-out is what the upstream has"
_ALERT = "OpenSSL cannot send bad_certificate_hash_value for a certificate that is not pinned"
_NOT_AGREED = "BoringSSL says TLSv1.2 before a version is agreed on, OpenSSL what it would like best"
_OTHER_WORDS = "OpenSSL notices something else first in the same bad bytes"
_RESUMED = "a resumed session of OpenSSL does not know how its peer signed"

KNOWN: tuple[Known, ...] = (
    Known("fault-up-status-2-digits", "*", _STRICT),
    Known("fault-up-status-4-digits", "*", _STRICT),
    Known("fault-up-status-000", "*", _STRICT),
    Known("fault-up-obs-fold", "*", _STRICT),
    Known("fault-up-bare-cr", "*", _STRICT),
    Known("hcm-internal-address", "upstream up:header:x-envoy-expected-rq-timeout-ms", _NO_HEDGING),
    Known("upgrade-unasked-101", "*", "a 101 that nobody asked for answers nothing (RFC 9110 15.2.2): a 502"),
    Known("breaker-track-remaining", "stat:*.remaining_cx_pools", "a cell of the statistics has 63 bits, not 64"),
    Known("tls-up-upstream-*", "upstream up:bytes", "a ClientHello has random bytes, and OpenSSL's own order"),
    Known("tls-refused-pin*", "tls", _ALERT),
    Known("tls-refused-plain-text", "log:ve", _NOT_AGREED),
    Known("tls-refused-garbage", "log:ve", _NOT_AGREED),
    Known("tls-refused-garbage", "log:tf", _OTHER_WORDS),
    Known("tls-refused-garbage", "bytes", _OTHER_WORDS),
    Known("tls-refused-cipher", "log:tf", _OTHER_WORDS),
    Known("tls-resumed-mutual", "stat:*.sigalgs.*", _RESUMED),
    Known("tls-up-resumed*", "stat:*.sigalgs.*", _RESUMED),
    Known("tls-up-sni-san-validation-wrong", "log:*", "the text says which name was expected"),
    Known("l4-connection-limit-off", "stat:*.active_connections", "switched off, Envoy's gauge wraps below 0"),
)
