"""HTTP/2 from clients: messages, faults, floods, limits, settings."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import ROUTE_ALL, Case, answers, response
from tests.support import h2wire as h2
from tests.support.h2wire import GET, POST, data, frame, head, opening, rst, settings, window
from tests.support.steps import Answers, Drip, Step, UntilEnd, Wait

HCM = "codec_type: HTTP2"
DIRECT = "- {match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hello}}, name: direct}"
BODY = response("200 OK", "Content-Type: text/plain", body=b"hello")
LARGE = frame(h2.HEADERS, h2.END_STREAM, 1, h2.block(*GET)) + b"".join(frame(h2.CONTINUATION, 0, 1, h2.block((b"x-%d" % n, b"y" * 14000))) for n in range(5))
"""A head that does not end, of 70 kB."""
TRAILERS = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nx-t: 1\r\n\r\n"


def unfolding(count: int) -> bytes:
    """A head with a field of 4,000 bytes that is referred to so many times."""
    field = b"\x40\x01a\x7f\x80\x1e" + b"x" * 3967
    return frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, 1, h2.block(*GET) + field + b"\xbe" * count)


def talk(*steps: Step, first: bytes = opening(), count: int = 1) -> tuple[tuple[Step, ...], ...]:
    """One connection: the opening with the first step, the others, and so many answers."""
    start = first + steps[0] if steps and isinstance(steps[0], bytes) else first
    return ((start, *steps[1:], Answers(count, 3.0)),)


def fault(
    name: str, *steps: Step, want: str = "", first: bytes = opening(), hcm: str = HCM, routes: str = DIRECT
) -> Case:
    """A client that breaks a rule, and is cut off."""
    start = first + steps[0] if steps and isinstance(steps[0], bytes) else first
    return Case(f"h2-fault-{name}", want, ((start, *steps[1:], UntilEnd(3.0)),), routes=routes, hcm=hcm, settle_s=0.1)


def changed(name: bytes, value: bytes | None) -> h2.Headers:
    """A GET's fields with one of them changed or left out."""
    return [(key, value if key == name else old) for key, old in GET if key != name or value is not None]


def bad(name: str, *more: tuple[bytes, bytes], fields: h2.Headers | None = None, want: str = "") -> Case:
    """A malformed head."""
    return fault(f"head-{name}", head(1, *more, fields=fields), want=want)


def fine(name: str, want: str, *steps: Step, count: int = 1, **more: object) -> Case:
    """An exchange that goes well."""
    more.setdefault("hcm", HCM)
    return Case(f"h2-{name}", want, talk(*steps, count=count), **more)  # type: ignore[arg-type]


MESSAGES = (
    fine("get", "200", head(1), upstream={"up": answers(BODY)}),
    fine("auto", "200", head(1), upstream={"up": answers(BODY)}, hcm=""),
    fine("head", "200", head(1, fields=changed(b":method", b"HEAD"))),
    fine("post", "200", head(1, fields=POST, end=False) + data(1, b"hello")),
    fine("post-length", "200", head(1, (b"content-length", b"5"), fields=POST, end=False) + data(1, b"hello")),
    fine("post-empty", "200", head(1, fields=POST)),
    fine("post-pieces", "200", head(1, fields=POST, end=False) + data(1, b"he", end=False), Wait(0.05), data(1, b"llo", end=False), Wait(0.05), data(1, b"")),
    fine("post-trailers", "200", head(1, fields=POST, end=False) + data(1, b"hi", end=False) + head(1, fields=[(b"x-t", b"1")])),
    fine("response-trailers", "200", head(1), upstream={"up": answers(TRAILERS)}, cluster="{typed_extension_protocol_options: {envoy.extensions.upstreams.http.v3.HttpProtocolOptions: {'@type': type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: {http_protocol_options: {enable_trailers: true}}}}}"),
    fine("three-streams", "200 200 200", head(1) + head(3) + head(5), count=3),
    fine("three-in-turn", "200 200 200", head(1), Answers(1), head(3), Answers(2), head(5), count=3),
    Case("h2-byte-by-byte", "200", ((Drip(opening() + head(1)), Answers(1)),), hcm=HCM),
    fine("padding", "200", head(1, fields=POST, end=False) + frame(h2.DATA, h2.PADDED | h2.END_STREAM, 1, b"\x03hello\0\0\0")),
    fine("priority", "200", frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM | h2.HAS_PRIORITY, 1, b"\0\0\0\0\x10" + h2.block(*GET))),
    fine("continuation", "200", frame(h2.HEADERS, h2.END_STREAM, 1, h2.block(*GET[:2])) + frame(h2.CONTINUATION, h2.END_HEADERS, 1, h2.block(*GET[2:]))),
    fine("unknown-frame", "200", frame(0xFE, 0, 0, b"what") + head(1)),
    fine("cookie-crumbs", "200", head(1, (b"cookie", b"a=1"), (b"x", b"y"), (b"cookie", b"b=2"))),
    fine("te-trailers", "200", head(1, (b"te", b"trailers"))),
    fine("host-too", "200", head(1, (b"host", b"b.test"))),
    fine("host-alone", "200", head(1, (b"host", b"b.test"), fields=changed(b":authority", None))),
    fine("scheme-https", "200", head(1, fields=changed(b":scheme", b"https"))),
    fine("value-blanks", "200", head(1, (b"a", b" b "))),
    fine("repeated-field", "200", head(1, (b"x", b"1"), (b"x", b"2"))),
    fine("fragment", "400", head(1, fields=changed(b":path", b"/a#b")), routes=DIRECT),
    fine("options-star", "404", head(1, fields=[(b":method", b"OPTIONS"), *changed(b":path", b"*")[1:]]), routes=DIRECT),
    fine("no-route", "404", head(1), routes="- {match: {prefix: /x}, route: {cluster: $up}}"),
    fine("refused-upstream", "503", head(1), routes="- {match: {prefix: /}, route: {cluster: $dead}}"),
    fine("upstream-garbage", "502", head(1), upstream={"up": answers(b"garbage\r\n\r\n")}),
    fine("direct", "200", head(1), routes=DIRECT),
    fine("direct-empty", "204", head(1), routes="- {match: {prefix: /}, direct_response: {status: 204}}"),
    fine("grpc-local-reply", "200", head(1, (b"content-type", b"application/grpc"), fields=POST), routes="- {match: {prefix: /x}, route: {cluster: $up}}"),
    Case("h2-big-request", "200", ((opening(), Wait(0.3), frame(h2.SETTINGS, h2.ACK) + head(1, fields=POST, end=False) + b"".join(data(1, b"x" * 16384, end=False) for _ in range(40)) + data(1, b"y"), Answers(1)),), hcm=HCM),
    fine("connect-no-route", "404", head(1, fields=[(b":method", b"CONNECT"), (b":authority", b"a.test:443")], end=False)),
    fine("answer-before-end", "200", head(1, fields=POST, end=False), routes=DIRECT),
    fine("upgrade-not-allowed", "403", head(1, fields=[(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]], end=False), hcm=HCM + "\nhttp2_protocol_options: {allow_connect: true}"),
    fine("underscore-reject", "0", head(1, (b"a_b", b"c")), hcm=HCM + "\ncommon_http_protocol_options: {headers_with_underscores_action: REJECT_REQUEST}", routes=DIRECT),
    fine("underscore-drop", "200", head(1, (b"a_b", b"c")), hcm=HCM + "\ncommon_http_protocol_options: {headers_with_underscores_action: DROP_HEADER}"),
    Case("h2-stream-window-1", "200", talk(head(1), Wait(0.2), window(1, 3), Wait(0.1), window(1, 100), first=opening((4, 1))), routes=DIRECT, hcm=HCM),
    Case("h2-window-by-settings", "200", talk(head(1), Wait(0.2), settings((4, 100)), first=opening((4, 0))), routes=DIRECT, hcm=HCM),
    fine("reset-by-client", "", head(1, fields=POST, end=False), Wait(0.2), rst(1), Wait(0.2), count=0),
    fine("reset-and-next", "200", head(1, fields=POST, end=False), Wait(0.5), rst(1) + head(3)),
    fine("max-streams", "0", head(1, fields=POST, end=False) + head(3), hcm=HCM + "\nhttp2_protocol_options: {max_concurrent_streams: 1}"),
    fine("max-requests", "200 200", head(1), Answers(1), head(3), count=2, routes=DIRECT, hcm=HCM + "\ncommon_http_protocol_options: {max_requests_per_connection: 2}\ndrain_timeout: 0.3s"),
    fine("too-many-headers", "0", head(1, *((b"x-%d" % n, b"y") for n in range(101)))),
)  # fmt: skip

FAULTS = (
    fault("preface", first=h2.PREFACE[:-4] + b"XX\r\n"),
    fault("no-settings", head(1), first=h2.PREFACE),
    fault("settings-ack-length", frame(h2.SETTINGS, h2.ACK, 0, b"\0" * 6)),
    fault("settings-length", frame(h2.SETTINGS, 0, 0, b"\0" * 5)),
    fault("settings-stream", frame(h2.SETTINGS, 0, 1)),
    fault("push-2", settings((2, 2))),
    fault("window-setting", settings((4, 1 << 31))),
    fault("frame-size-setting", settings((5, 100))),
    fault("frame-too-big", head(1, fields=POST, end=False) + data(1, b"x" * 16385), routes=ROUTE_ALL),
    fault("data-0", data(0, b"x")),
    fault("headers-0", head(0)),
    fault("even-stream", head(2)),
    fault("data-idle", data(1, b"x")),
    fault("window-zero", window(0, 0)),
    fault("window-overflow", window(0, 0x7FFFFFFF)),
    fault("window-length", frame(h2.WINDOW_UPDATE, 0, 0, b"\0\0\1")),
    fault("ping-length", frame(h2.PING, 0, 0, b"1234567")),
    fault("ping-stream", frame(h2.PING, 0, 1, b"12345678")),
    fault("rst-idle", rst(1)),
    fault("goaway-stream", frame(h2.GOAWAY, 0, 1, b"\0" * 8)),
    fault("priority-length", frame(h2.PRIORITY, 0, 1, b"\0" * 4)),
    fault("continuation-alone", frame(h2.CONTINUATION, h2.END_HEADERS, 1, h2.block(*GET))),
    fault("interleaved", frame(h2.HEADERS, h2.END_STREAM, 1, h2.block(*GET)) + frame(h2.PING, 0, 0, b"12345678")),
    fault("hpack-index", frame(h2.HEADERS, 5, 1, b"\xfe")),
    fault("hpack-index-0", frame(h2.HEADERS, 5, 1, b"\x80")),
    fault("hpack-table-size", frame(h2.HEADERS, 5, 1, b"\x3f\xff\xff\x7f" + h2.block(*GET))),
    fault("hpack-truncated", frame(h2.HEADERS, 5, 1, h2.block(*GET)[:-3])),
    bad("upper-name", (b"X-Upper", b"a")),
    bad("connection", (b"connection", b"close")),
    bad("keep-alive", (b"keep-alive", b"timeout=5")),
    bad("te", (b"te", b"gzip")),
    bad("transfer-encoding", (b"transfer-encoding", b"chunked")),
    bad("no-path", fields=changed(b":path", None)),
    bad("no-method", fields=changed(b":method", None)),
    bad("no-scheme", fields=changed(b":scheme", None)),
    bad("empty-path", fields=changed(b":path", b"")),
    bad("double-path", fields=[*GET, (b":path", b"/b")]),
    bad("unknown-pseudo", fields=[*GET, (b":foo", b"b")]),
    bad("status", fields=[*GET, (b":status", b"200")]),
    bad("late-pseudo", fields=[*GET[:3], (b"a", b"b"), GET[3]]),
    bad("no-authority", fields=changed(b":authority", None)),
    bad("relative-path", fields=changed(b":path", b"foo")),
    bad("path-space", fields=changed(b":path", b"/a b")),
    bad("method-space", fields=changed(b":method", b"GET /x")),
    bad("authority-crlf", fields=changed(b":authority", b"a\r\nX: y")),
    bad("authority-user", fields=changed(b":authority", b"u@a.test")),
    bad("scheme", fields=changed(b":scheme", b"ht tp")),
    bad("value-lf", (b"a", b"b\nX: y")),
    bad("value-nul", (b"a", b"b\0c")),
    bad("name-colon", (b"a:b", b"c")),
    bad("name-space", (b"a b", b"c")),
    bad("name-empty", (b"", b"c")),
    bad("length-and-end", (b"content-length", b"5")),
    bad("extended-connect-off", fields=[(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]]),
    fault("data-after-end", head(1, fields=POST, end=False) + data(1, b"x") + data(1, b"x"), routes=ROUTE_ALL),
    fault("headers-after-end", head(1) + head(1), routes=ROUTE_ALL),
    fault("trailers-without-end", head(1, fields=POST, end=False) + head(1, fields=[(b"x-t", b"1")], end=False), routes=ROUTE_ALL),
    fault("trailers-pseudo", head(1, fields=POST, end=False) + head(1, fields=[(b":path", b"/x")]), routes=ROUTE_ALL),
    fault("window-zero-stream", head(1, fields=POST, end=False) + window(1, 0), routes=ROUTE_ALL),
    fault("padding", head(1, fields=POST, end=False) + frame(h2.DATA, h2.PADDED, 1, b"\x09hello"), routes=ROUTE_ALL),
    fault("rst-length", head(1, fields=POST, end=False) + frame(h2.RST_STREAM, 0, 1, b"\0\0\1"), routes=ROUTE_ALL),
    fine("length-short", "0", head(1, (b"content-length", b"10"), fields=POST, end=False) + data(1, b"hello")),
    fine("length-long", "0", head(1, (b"content-length", b"1"), fields=POST, end=False) + data(1, b"hello")),
    fine("stream-errors", "0", head(1, (b"connection", b"close")), hcm=HCM + "\nhttp2_protocol_options: {override_stream_error_on_invalid_http_message: true}"),
    fault("many-empty-data", head(1, fields=POST, end=False) + data(1, b"", end=False) * 10, routes=ROUTE_ALL),
    fault("many-priority", frame(h2.PRIORITY, 0, 1, b"\0\0\0\0\x10") * 300),
    fault("many-window-updates", window(0, 1) * 100),
    fault("many-pings", frame(h2.PING, 0, 0, b"12345678") * 30000),
    fault("many-settings", settings() * 30000),
    fault("settings-acknowledged-twice", frame(h2.SETTINGS, h2.ACK) * 2 + head(1)),
    fault("continuations-empty", frame(h2.HEADERS, h2.END_STREAM, 1, h2.block(*GET)) + frame(h2.CONTINUATION, 0, 1) + frame(h2.CONTINUATION, h2.END_HEADERS, 1)),
    Case("h2-auto-neither", "400", ((b"INVALID CONNECTION PREFACE\r\n\r\n", UntilEnd(3.0)),), routes=DIRECT, settle_s=0.1),
    Case("h2-auto-other-version", "400", ((b"GET / FTP/1.0\r\n\r\n", UntilEnd(3.0)),), routes=DIRECT, settle_s=0.1),
    Case("h2-head-unfolds", "0 200", ((opening() + unfolding(30), Wait(0.3), head(3), Answers(2, 3.0)),), routes=DIRECT, hcm=HCM),
    Case("h2-head-bomb", "0 200", ((opening() + unfolding(2000), Wait(0.3), head(3), Answers(2, 3.0)),), routes=DIRECT, hcm=HCM),
    Case("h2-head-70-kb", "0 200", ((opening() + LARGE + frame(h2.CONTINUATION, h2.END_HEADERS, 1), Wait(0.3), head(3), Answers(2, 3.0)),), routes=DIRECT, hcm=HCM),
    Case("h2-head-70-kb-open", "0", ((opening() + LARGE, Wait(0.5)),), routes=DIRECT, hcm=HCM),
    Case("h2-fault-many-resets", " ".join(["0"] * 0), ((opening() + b"".join(head(n, fields=POST, end=False) + rst(n) for n in range(1, 1201, 2)), UntilEnd(3.0)),), hcm=HCM, routes=DIRECT, filters="- fault: {delay: {fixed_delay: 9s, percentage: {numerator: 100}}}", settle_s=0.1),
)  # fmt: skip

CASES = (*MESSAGES, *FAULTS)
