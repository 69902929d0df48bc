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
_LAST_PIECE = (
    "Envoy's HTTP/1 codec tells the end of a body apart from its last piece, so that the request is not whole yet"
)
_DRAINED = "Envoy counts a protocol error when it closes a drained HTTP/2 connection in the middle of a read"
_NO_CONNECT = "CONNECT is forwarded, not ended here: connect_config is refused at load"

KNOWN: tuple[Known, ...] = (
    Known("fault-up-status-2-digits", "*", _STRICT),
    Known("fault-up-status-4-digits", "*", _STRICT),
    Known("fault-up-status-000", "*", _STRICT),
    Known("fault-up-obs-fold", "*", _STRICT),
    Known("fault-up-bare-cr", "*", _STRICT),
    Known("hcm-internal-address", "upstream up:header:x-envoy-expected-rq-timeout-ms", _NO_HEDGING),
    Known("upgrade-unasked-101", "*", "a 101 that nobody asked for answers nothing (RFC 9110 15.2.2): a 502"),
    Known("connect-terminated", "*", _NO_CONNECT),
    Known("connect-upstream-refuses", "*", _NO_CONNECT),
    Known("grpc-web-text-pieces", "stat:*.downstream_rq_response_before_rq_complete", _LAST_PIECE),
    Known("grpc-web-text-pieces", "stat:*.downstream_rq_rx_reset", _LAST_PIECE),
    Known("grpc-web-text-bad", "stat:*.downstream_rq_response_before_rq_complete", _LAST_PIECE),
    Known("grpc-web-text-bad", "stat:*.downstream_rq_rx_reset", _LAST_PIECE),
    Known("up2-goaway-then-next", "stat:*.upstream_cx_protocol_error", _DRAINED),
    Known("up2-max-requests", "stat:*.upstream_cx_protocol_error", _DRAINED),
    Known("breaker-track-remaining", "stat:*.remaining_cx_pools", "a cell of the statistics has 63 bits, not 64"),
    Known("l4-connection-limit-off", "stat:*.active_connections", "switched off, Envoy's gauge wraps below 0"),
)
