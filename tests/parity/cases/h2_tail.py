"""HTTP/2 clients of filters and of connections that end: what differs from HTTP/1 by the codec alone."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import ROUTE_ALL, Case, answers, ask, request, response
from tests.parity.cases.http2_downstream import DIRECT, HCM, fine
from tests.support.h2wire import POST, data, head
from tests.support.steps import Answers, Step, Wait

LATE_503 = answers((Wait(0.6), response("503 Service Unavailable", body=b"")), response())
CALL = ("content-type: application/grpc", "te: trailers")


def buffered(name: str, want: str, *steps: Step) -> Case:
    """A body that is longer than the buffer filter takes, in an HTTP/2 client's pieces."""
    return fine(f"buffer-{name}", want, *steps, filters="- buffer: {max_request_bytes: 5}")


def told(name: str, route: str, *headers: str) -> Case:
    """What the upstream of a second attempt is told of the time that is left."""
    policy = "retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 0.001s}%s}"
    policy %= ", per_try_timeout: 3s" if name.startswith("per-try") else ""
    routes = f"- {{match: {{prefix: /}}, route: {{cluster: $up, {route}, {policy}}}}}"
    return Case(f"retry-told-{name}", "200", (ask(request("/", *headers)),), routes=routes, upstream={"up": LATE_503})


def ended(name: str, want: str, first: bytes, *others: Step, count: int = 1, hcm: str = "", routes: str = DIRECT) -> Case:
    """A connection that is to end: the notice, the last word, the end."""
    times = f"{HCM}\ndrain_timeout: 0.4s\ndelayed_close_timeout: 0.2s{hcm}"
    script = "function envoy_on_request(h) if h:headers():get('x-drain') then h:streamInfo():drainConnectionUponCompletion() end end"
    filters = f'- lua: {{default_source_code: {{inline_string: "{script}"}}}}'
    return fine(f"end-{name}", want, first, *others, count=count, hcm=times, routes=routes, filters=filters, settle_s=1.5)


OPEN = head(1, fields=POST, end=False)
DRAIN = (b"x-drain", b"1")
ONCE = "\ncommon_http_protocol_options: {max_requests_per_connection: 1}"
CASES = (
    buffered("one-piece", "200", OPEN + data(1, b"123456")),
    buffered("one-piece-apart", "200", OPEN, Wait(0.1), data(1, b"123456")),
    buffered("one-piece-length", "200", head(1, (b"content-length", b"6"), fields=POST, end=False) + data(1, b"123456")),
    buffered("two-frames", "413", OPEN + data(1, b"123", end=False) + data(1, b"456")),
    buffered("two-frames-apart", "413", OPEN + data(1, b"123", end=False), Wait(0.1), data(1, b"456")),
    buffered("piece-then-end", "413", OPEN + data(1, b"123456", end=False) + data(1, b"")),
    buffered("big-last", "413", OPEN + data(1, b"1", end=False), Wait(0.1), data(1, b"2" * 100)),
    buffered("trailers", "413", OPEN + data(1, b"123456", end=False) + head(1, fields=[(b"x-t", b"1")])),
    buffered("exact", "200", OPEN + data(1, b"12345")),
    told("plain", "timeout: 4s"),
    told("per-try", "timeout: 4s"),
    told("per-try-short", "timeout: 3.45s"),
    told("header", "timeout: 9s", "x-envoy-upstream-rq-timeout-ms: 4000"),
    told("grpc", "timeout: 4s", "grpc-timeout: 3S", *CALL),
    told("grpc-legacy", "max_grpc_timeout: 4s", "grpc-timeout: 3S", *CALL),
    told("grpc-legacy-max", "max_grpc_timeout: 4s", "grpc-timeout: 9S", *CALL),
    told("per-try-grpc-legacy", "max_grpc_timeout: 5s", "grpc-timeout: 9S", *CALL),
    told("grpc-duration", "max_stream_duration: {grpc_timeout_header_max: 4s}", "grpc-timeout: 3S", *CALL),
    told("grpc-duration-timeout", "timeout: 9s, max_stream_duration: {grpc_timeout_header_max: 4s}", "grpc-timeout: 3S", *CALL),
    told("per-try-grpc-duration", "timeout: 9s, max_stream_duration: {grpc_timeout_header_max: 4s}", "grpc-timeout: 8S", *CALL),
    told("grpc-duration-alone", "timeout: 9s, max_stream_duration: {max_stream_duration: 4s}", "grpc-timeout: 3S", *CALL),
    ended("drain", "200", head(1, DRAIN)),
    ended("drain-upstream", "200", head(1, DRAIN), routes=ROUTE_ALL),
    ended("drain-answer-before-end", "200", head(1, DRAIN, fields=POST, end=False)),
    ended("drain-others-open", "200 200", OPEN + head(3, DRAIN), count=2),
    ended("drain-then-more", "200 200", head(1, DRAIN), Answers(1), Wait(0.1), head(3), count=2),
    ended("max-requests", "200", head(1), hcm=ONCE),
    ended("max-requests-at-once", "200 200 200", head(1) + head(3) + head(5), count=3, hcm=ONCE),
)  # fmt: skip
