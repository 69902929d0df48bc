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
_EITHER = (
    "Envoy closes before or after the end of the TLS handshake, as the moment has it, without the text; pyvoy before"
)
_NOT_AGREED = "BoringSSL says TLSv1.2 before a version is agreed on, OpenSSL what it would like best"
_OTHER_WORDS = "OpenSSL notices something else first in the same bad bytes"
_RESUMED = "a resumed session of OpenSSL does not know how its peer signed"
_LAST_PIECE = (
    "Envoy's HTTP/1 codec tells the end of a body apart from its last piece, so that the request is not whole yet"
)
_DRAINED = "Envoy counts a protocol error when it closes a drained HTTP/2 connection in the middle of a read"
_NO_PUSH = "an upstream reads that pushes are refused before it reads a request: a push is an error, settled or not"
_BLOWN_UP = (
    "a header block that unfolds to 256 KiB more than a head may have is not decoded any further: the connection ends"
)
_NEITHER = "a first line that is none of HTTP/1 is a broken preface of HTTP/2: closed without an answer (RFC 9113 3.4)"
_NO_STATUS = "a status below 100 is none (RFC 9110 15): a 502"
_HOST = "a request of HTTP/1.1 has a Host (RFC 9112 3.2): without an authority it is an empty one"
_BEFORE_UPSTREAM = "a header that no request may carry is found before an upstream connection is taken"
_EMPTY_BODY = "a body that is known to be empty before the head has left is announced as such, not chunked"
_CHUNK_LENGTH = "setBytes of a chunk never sets content-length: in Envoy that depends on when the pool is ready"
_AT_THE_PROXY = "bytes of a TCP session are counted as the TCP proxy sees them, behind the filters before it"
_WHOLE = "a response that came in one piece is read whole, so that its connection is free before a filter drops it"
_BEFORE = "a request that lacks what it needs is refused before there is a connection for it, not by its codec"
_SAME_PIECE = "the end of a request that came with its last piece is known when a filter looks at the piece"
_COUNTED = "what a script counts through pyvoy's own module is not counted in Envoy, which has none"
_HELD = "Envoy never takes back from the transcoder's gauges what it has added: here they tell what is held now"
_ENDED = "every piece is flushed and the last one ends the stream; Envoy ends it behind, and flushes no piece of zstd"
_NO_PIECE = "there is no empty piece at the end of a body for a broken stream to fail on again"
_BEHIND = "the library tells that there is more than the stream, and then not what was in it"
_BOMB = "how much of a body that grows too much is passed on depends on the steps it is unpacked in"

_GIVEN_UP = "a call that is given up is reset: its end is not sent before, as nobody reads on"
_SOON = "the end of a WebSocket's upstream reaches the client at once, who may close before the delayed close does"

_TUNNELS = ("length", "unannounced", "reset")

_OPEN = "FAIL_OPEN lets the streams go on, as fail_open does"
_DEAD_REPLY = "the details of a reply that was not sent are not told"
_REPLY_FIRST = "a reply asked for beside a resume is known before the request is sent on"
_RESET_FIRST = "a close beside a reply leaves no answer: none is logged"
_AT_ONCE = "the streams of a VM that has failed end at once, not at their next event"
_MAIN_TOO = "Envoy's main thread starts a VM of its own, which calls too"
_NO_BODY = "a response of this status has no body (RFC 9110 6.4.1)"

KNOWN: tuple[Known, ...] = (
    Known("coding-*", "body", _ENDED),
    Known("coding-*", "log:tx", _ENDED),
    Known("coding-*", "stat:*.total_compressed_bytes", _ENDED),
    Known("decoding-brotli-broken", "stat:*.brotli_error", _NO_PIECE),
    Known("decoding-brotli-behind", "*", _BEHIND),
    Known("decoding-*-bomb", "*", _BOMB),
    Known("gallery-*-lua", "stat:*.lua.*", _COUNTED),
    Known("wasm-trap-response-body", "stat:cluster.*.upstream_cx_destroy_*", _WHOLE),
    Known("wasm-trap-response-body-kept", "stat:cluster.*.upstream_cx_destroy_*", _WHOLE),
    Known("*json-*", "stat:*.transcoder_*_buffer_bytes", _HELD),
    Known("json-*", "stat:*.downstream_rq_response_before_rq_complete", _LAST_PIECE),
    Known("json-*", "stat:*.downstream_rq_rx_reset", _LAST_PIECE),
    Known("json-request-limit*", "end", _LAST_PIECE),
    Known("json-request-limit*", "header:connection", _LAST_PIECE),
    Known("json-request-limit*", "stat:*.downstream_cx_*", _LAST_PIECE),
    Known("up2-h2-grpc-reverse-*", "stat:cluster.*", _WHOLE),
    Known("up2-h2-grpc-deadline-zer*", "upstream up:*", "a call without any time is not begun"),
    Known("up2-h2-grpc-deadline-zer*", "stat:cluster.*", "a call without any time is not begun"),
    Known("up2-h2-grpc-reverse-sized-wrong", "*", "a message of another size than announced is not begun"),
    Known("json-pieces-over-limit", "*", "max_request_body_size limits the body, as documented, not each piece of it"),
    Known("json-out-any-broken", "*", "a message in an Any that is cut off is an error, as it is elsewhere"),
    Known("json-in-bad-map-object-value", "*", "an object for a number in a map: Envoy sends what no server can read"),
    Known("json-in-bad-json-before-value", "*", "of two errors in a body, the one in its JSON is told"),
    Known("fault-up-status-2-digits", "*", _STRICT),
    Known("fault-up-status-4-digits", "*", _STRICT),
    Known("fault-up-status-000", "*", _STRICT),
    Known("fault-up-obs-fold", "*", _STRICT),
    Known("fault-up-bare-cr", "*", _STRICT),
    Known("hcm-internal-address", "upstream up:header:x-envoy-expected-rq-timeout-ms", _NO_HEDGING),
    *(
        Known(case, f"stat:*.downstream_cx_{name}", _SOON)
        for case in ("upgrade-upstream-closes", "up2-websocket", *(f"up2-bad-websocket-{bad}" for bad in _TUNNELS))
        for name in ("delayed_close_timeout", "destroy_local", "destroy_remote")
    ),
    Known("upgrade-unasked-101", "*", "a 101 that nobody asked for answers nothing (RFC 9110 15.2.2): a 502"),
    Known("grpc-web-text-pieces", "stat:*.downstream_rq_response_before_rq_complete", _LAST_PIECE),
    Known("grpc-web-text-pieces", "stat:*.downstream_rq_rx_reset", _LAST_PIECE),
    Known("grpc-web-text-bad", "stat:*.downstream_rq_response_before_rq_complete", _LAST_PIECE),
    Known("grpc-web-text-bad", "stat:*.downstream_rq_rx_reset", _LAST_PIECE),
    Known("up2-goaway-then-next", "stat:*.upstream_cx_protocol_error", _DRAINED),
    Known("up2-max-requests", "stat:*.upstream_cx_protocol_error", _DRAINED),
    Known("upa-max-requests", "stat:*.upstream_cx_protocol_error", _DRAINED),
    *(
        Known(f"up2-bad-goaway-{name}", "stat:*.upstream_cx_protocol_error", _DRAINED)
        for name in ("unknown-code", "error-after", "debug", "twice", "close")
    ),
    Known("up2-bad-websocket-end", "end", _SOON),
    Known("up2-bad-push-promise", "*", _NO_PUSH),
    Known("h2-auto-neither", "*", _NEITHER),
    Known("h2-head-bomb", "*", _BLOWN_UP),
    Known("up2-bad-status-99", "*", _NO_STATUS),
    Known("upa-*", "stat:*.sigalgs.*", _RESUMED),
    Known("breaker-track-remaining", "stat:*.remaining_cx_pools", "a cell of the statistics has 63 bits, not 64"),
    Known("tls-up-upstream-*", "upstream up:bytes", "a ClientHello has random bytes, and OpenSSL's own order"),
    Known("tls-l4-direct-response*", "*", _EITHER),
    Known("tls-refused-pin*", "tls", _ALERT),
    Known("tls-refused-staple-*", "tls", "OpenSSL's alert for a client that gets no OCSP response is internal_error"),
    Known("tls-refused-staple-*", "log:ve", _NOT_AGREED),
    Known("proc-duplex*", "stat:*.ext_proc.stream_msgs_*", _LAST_PIECE),
    Known("proc-duplex*", "upstream b:body", _LAST_PIECE),
    Known("proc-eager-body", "stat:*.ext_proc.stream_msgs_*", _LAST_PIECE),
    Known("proc-eager-body", "upstream b:body", _LAST_PIECE),
    Known("proc-observe", "stat:*.ext_proc.stream_msgs_*", _LAST_PIECE),
    Known("proc-observe", "upstream b:body", _LAST_PIECE),
    Known("proc-observe", "upstream b:framing", _GIVEN_UP),
    Known("proc-timeout*", "upstream b:framing", _GIVEN_UP),
    Known("proc-no-server", "upstream b:framing", _GIVEN_UP),
    Known("proc-response-streamed-cleared", "framing", _EMPTY_BODY),
    Known("proc-response-streamed-cleared", "header:*", _EMPTY_BODY),
    Known("authz-grpc-*", "upstream b:body", "a CheckRequest has an id, a time and ports of its own"),
    Known("bw-slow*", "stat:*response_enforced", "how often a body waits depends on the moment"),
    Known("bw-slow*", "stat:*response_allowed_size", "how often a body waits depends on the moment"),
    Known("tun-h2*", "upstream up:bytes", "the same settings and head have several right encodings in HTTP/2"),
    Known("tls-refused-plain-text", "log:ve", _NOT_AGREED),
    Known("tls-refused-garbage", "log:ve", _NOT_AGREED),
    Known("tls-refused-garbage", "log:tf", _OTHER_WORDS),
    Known("tls-refused-garbage", "bytes", _OTHER_WORDS),
    Known("tls-refused-cipher", "log:tf", _OTHER_WORDS),
    Known("tls-lua-mutual-resumed", "stat:*.sigalgs.*", _RESUMED),
    Known("tls-resumed-mutual", "stat:*.sigalgs.*", _RESUMED),
    Known("tls-route-*", "stat:*.sigalgs.*", _RESUMED),
    Known("tls-up-resumed*", "stat:*.sigalgs.*", _RESUMED),
    Known("tls-up-sni-san-validation-wrong", "log:*", "the text says which name was expected"),
    Known("lua-remove-authority", "upstream up:header:host", _HOST),
    Known("lua-bad-*", "stat:cluster.*", _BEFORE_UPSTREAM),
    Known("lua-bad-*", "upstream up:*", _BEFORE_UPSTREAM),
    *(
        Known(f"wasm-suspect-{how}*", part, _BEFORE_UPSTREAM)
        for how in ("added", "replaced", "pairs", "mirrored", "authz")
        for part in ("stat:cluster.*", "upstream *")
    ),
    Known("lua-body-empty-chunked", "upstream up:*", _EMPTY_BODY),
    Known("lua-chunks-set", "upstream up:*", _CHUNK_LENGTH),
    Known("wasm-reply-twice", "log:de", "the first of two local responses counts, its details too"),
    Known("wasm-reply-from-response", "stat:cluster.*", _WHOLE),
    Known("wasm-close-response", "stat:cluster.*", _WHOLE),
    Known("wasm-trap-response", "stat:cluster.*", _WHOLE),
    Known("wasm-status-*", "stat:cluster.*", _WHOLE),
    Known("wasm-method-gone", "stat:cluster.*", _BEFORE),
    Known("wasm-method-gone", "upstream up:*", _BEFORE),
    Known("wasm-authority-gone", "upstream up:header:host", "a request needs a Host line (RFC 9112 3.2): it is empty"),
    Known("wasm-trap-body", "end", _SAME_PIECE),
    Known("wasm-trap-body", "header:connection", _SAME_PIECE),
    Known("wasm-trap-body", "stat:*", _SAME_PIECE),
    Known("wasm-trap-open", "*", _OPEN),
    Known("wasm-trap-in-*-open", "*", _OPEN),
    Known("wasm-l4-trap-*-open", "*", _OPEN),
    Known("wasm-trap-in-*-fail_open", "*", _OPEN),
    *(
        Known(f"wasm-{case}", "stat:cluster.*", _WHOLE)
        for case in (
            "response-body-limit",
            "reply-in-response-body",
            "reply-in-response-body-kept",
            "reply-in-response-headers-body",
            "trap-in-response_headers",
            "trap-in-response_headers-fail_reload",
            "close-in-response-body",
            "reply-over-upstream-*",
        )
    ),
    *(
        Known(f"wasm-{case}", part, _SAME_PIECE)
        for case in ("reply-in-body*", "trap-in-request_body-fail_reload")
        for part in ("end", "header:connection", "stat:*")
    ),
    Known("wasm-trap-in-request_body-fail_reload", "*", _SAME_PIECE),
    Known("wasm-reply-in-body-twice", "log:de", "the first of two local responses counts, its details too"),
    Known("wasm-reply-in-*-then-trap", "log:de", _DEAD_REPLY),
    *(
        Known(f"wasm-{case}", part, _REPLY_FIRST)
        for case in ("reply-in-headers-and-continue", "tick-reply-then-continue")
        for part in ("log:at", "log:up", "stat:*", "upstream up:*")
    ),
    *(
        Known(f"wasm-reply-in-headers-{how}-close", part, _RESET_FIRST)
        for how in ("and", "then")
        for part in ("log:de", "log:st", "stat:*")
    ),
    *(Known(f"wasm-reply-in-status-{status}", "*", _NO_BODY) for status in (204, 304)),
    Known("wasm-trap-in-tick-before-response", "stat:cluster.*", _AT_ONCE),
    Known("wasm-trap-in-call-answer", "stat:cluster.*", _AT_ONCE),
    Known("wasm-trap-in-queue", "stat:cluster.*", _AT_ONCE),
    Known("wasm-trap-in-queue", "upstream up:*", _AT_ONCE),
    Known("wasm-start-logs", "said", "a line from the start of a VM names the VM"),
    Known("wasm-http-call-in-start", "stat:cluster.*", "Envoy's main thread starts a VM of its own, which calls too"),
    Known(
        "wasm-http-call-in-configure", "stat:cluster.*", "Envoy's main thread starts a VM of its own, which calls too"
    ),
    Known("wasm-continue-unpaused-response", "*", "Envoy answers twice when a response that goes on is resumed"),
    Known("wasm-l4-*", "log:rx", _AT_THE_PROXY),
    *(
        Known(f"wasm-l4-{case}", "log*:tx", _AT_THE_PROXY)
        for case in ("notes", "order", "properties", "removed", "trap-upstream_data", "*end-held")
    ),
    Known("l4-connection-limit-off", "stat:*.active_connections", "switched off, Envoy's gauge wraps below 0"),
)
