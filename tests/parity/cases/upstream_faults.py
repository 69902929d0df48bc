"""Broken upstreams: what the client gets, and that the next request is answered well on the same proxy."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, get, response
from tests.support.steps import Close, Drip, Reset, Step, Wait

OK = b"HTTP/1.1 200 OK\r\n"


def fault(name: str, want: str, *steps: Step, **more: object) -> Case:
    """The first answer is the broken one, the second is good; two connections."""
    return Case(f"fault-up-{name}", f"{want} 200".strip(), (*get("/broken"), *get("/next")),
                upstream={"up": answers(steps, response())}, **more)  # type: ignore[arg-type]


CASES = (
    fault("ok", "200", OK + b"Content-Length: 5\r\n\r\nhello"),
    fault("http2-version", "200", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    fault("no-reason", "200", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
    fault("status-2-digits", "20", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    fault("status-4-digits", "2000", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
    fault("status-999", "999", b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n"),
    fault("status-000", "0", b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n"),
    fault("garbage", "502", b"\x00\xff\x13garbage\r\n\r\n"),
    fault("reset-before", "503", Reset()),
    fault("close-before", "503", Close()),
    fault("partial-head-close", "502", OK + b"Content-Le", Wait(0.05), Close()),
    fault("half-body-fin", "200", OK + b"Content-Length: 100\r\n\r\nhello", Wait(0.05), Close()),
    fault("half-body-rst", "200", OK + b"Content-Length: 100\r\n\r\nhello", Wait(0.05), Reset()),
    fault("chunk-trunc", "200", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Wait(0.05), Close()),
    fault("chunk-bad", "200", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Wait(0.05), b"zz\r\n"),
    fault("chunk-lf", "200", OK + b"Transfer-Encoding: chunked\r\n\r\n", Wait(0.05), b"5\nhello\n0\n\n"),
    fault("cl-te", "502", OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    fault("cl-dup-diff", "502", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    fault("cl-neg", "502", OK + b"Content-Length: -5\r\n\r\nhello"),
    fault("te-identity", "502", OK + b"Transfer-Encoding: identity\r\n\r\nhello", Wait(0.05), Close()),
    fault("te-gzip", "502", OK + b"Transfer-Encoding: gzip\r\n\r\nhello", Wait(0.05), Close()),
    fault("extra-after-body", "200", OK + b"Content-Length: 5\r\n\r\nhello" + OK + b"Content-Length: 6\r\n\r\nQUEUED"),
    fault("two-responses", "200", OK + b"Content-Length: 0\r\n\r\n" + OK + b"Content-Length: 3\r\n\r\nabc"),
    fault("obs-fold", "200", OK + b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n"),
    fault("nul", "502", OK + b"X-A: b\x00c\r\nContent-Length: 0\r\n\r\n"),
    fault("bare-cr", "200", OK + b"X-A: b\rSet-Cookie: x=1\r\nContent-Length: 0\r\n\r\n"),
    fault("space-colon", "502", OK + b"X-A : b\r\nContent-Length: 0\r\n\r\n"),
    fault("bad-name", "502", OK + b"X(A): b\r\nContent-Length: 0\r\n\r\n"),
    fault("head-70k", "200", OK + b"X-A: " + b"y" * 70000 + b"\r\nContent-Length: 0\r\n\r\n"),
    fault("head-100k", "502", OK + b"X-A: " + b"y" * 100000 + b"\r\nContent-Length: 0\r\n\r\n"),
    fault("headers-150", "502", OK + b"".join(b"X-%d: y\r\n" % n for n in range(150)) + b"Content-Length: 0\r\n\r\n"),
    fault("many-1xx", "200", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 500 + OK + b"Content-Length: 0\r\n\r\n"),
    fault("204-with-body", "502", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
    fault("204-chunked", "502", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    fault("dribble", "200", Drip(OK + b"Content-Length: 5\r\n\r\nhello")),
    fault("trailers", "200", OK + b"Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n0\r\nX-T: v\r\n\r\n"),
    fault("silent", "504", Wait(0.6), routes="- {match: {prefix: /}, route: {cluster: $up, timeout: 0.3s}}"),
    fault("body-after-head", "200", OK + b"Content-Length: 2\r\n\r\nokXX"),
    fault("only-crlf", "502", b"\r\n", Wait(0.05), Close()),
)
