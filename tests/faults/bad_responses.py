"""Bad input from the upstream: what it sends, and what the client may get.

Answers: a status; cut (a 200 whose body visibly ends too early: connection closed, message incomplete); wait.
The next request through the same proxy must get a good answer with nothing left over from the broken one.
"""
# ruff: noqa: E501 - a table: a row reads best on its own line

from dataclasses import dataclass

from tests.support.steps import Close, Drip, Reset, Step, Wait

OK = b"HTTP/1.1 200 OK\r\n"


@dataclass(frozen=True, slots=True)
class Row:
    """`early`: the upstream answers before it has the whole request."""

    id: str
    steps: tuple[Step, ...]
    tolerated: frozenset[str]
    source: str
    post: bool = False


def row(name: str, tolerated: str, source: str, *steps: Step, post: bool = False) -> Row:
    return Row(name, steps, frozenset(tolerated.split()), source, post)


GONE = (Wait(0.05), Close())
EITHER = "200 502 503"
ROWS: tuple[Row, ...] = (
    row("u-ok", "200", "9112", OK + b"Content-Length: 5\r\n\r\nhello"),
    row("u-close-delimited", "200", "9112 6.3", OK + b"\r\nhello", *GONE),
    row("u-http10", "200", "9112", b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    row("u-http2-version", EITHER, "9112 2.3", b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n"),
    row("u-no-reason", EITHER, "9112 4", b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
    row("u-status-2-digits", "502 503", "9112 4", b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n"),
    row("u-status-4-digits", "502 503", "9112 4", b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n"),
    row("u-status-999", "502 503 999", "9110 15", b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n"),
    row("u-status-000", "502 503", "9110 15", b"HTTP/1.1 000 X\r\nContent-Length: 0\r\n\r\n"),
    row("u-garbage", "502 503", "9112 4", b"\x00\xff\x13garbage\r\n\r\n"),
    row("u-reset-before", "502 503", "no answer", Reset()),
    row("u-close-before", "502 503", "no answer", Close()),
    row("u-partial-head-close", "502 503", "9112 8", OK + b"Content-Le", *GONE),
    row("u-half-body-fin", "cut", "9112 8", OK + b"Content-Length: 100\r\n\r\nhello", *GONE),
    row("u-half-body-rst", "cut", "9112 8", OK + b"Content-Length: 100\r\n\r\nhello", Wait(0.05), Reset()),
    row("u-chunk-trunc", "cut", "9112 8", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", *GONE),
    row("u-chunk-bad", "502 503 cut", "9112 7.1", OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n"),
    row("u-chunk-lf", "200 502 503 cut", "9112 7.1", OK + b"Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n"),
    row("u-cl-te", EITHER, "9112 6.3", OK + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    row("u-cl-dup-diff", "502 503", "9112 6.3: must be 502", OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello"),
    row("u-cl-neg", "502 503", "9112 6.3", OK + b"Content-Length: -5\r\n\r\nhello"),
    row("u-te-identity", EITHER, "9112 6.1", OK + b"Transfer-Encoding: identity\r\n\r\nhello", *GONE),
    row("u-te-gzip", EITHER, "9112 6.3", OK + b"Transfer-Encoding: gzip\r\n\r\nhello", *GONE),
    row("u-extra-after-body", "200", "9112 9.2: must not reach the next client", OK + b"Content-Length: 5\r\n\r\nhello" + OK + b"Content-Length: 6\r\n\r\nQUEUED"),
    row("u-two-responses", "200", "9112 9.2", OK + b"Content-Length: 0\r\n\r\n" + OK + b"Content-Length: 3\r\n\r\nabc"),
    row("u-hdr-obs-fold", EITHER, "9112 5.2", OK + b"X-A: b\r\n c\r\nContent-Length: 0\r\n\r\n"),
    row("u-hdr-nul", EITHER, "9110 5.5", OK + b"X-A: b\x00c\r\nContent-Length: 0\r\n\r\n"),
    row("u-hdr-bare-cr", EITHER, "9110 5.5", OK + b"X-A: b\rSet-Cookie: x=1\r\nContent-Length: 0\r\n\r\n"),
    row("u-hdr-space-colon", EITHER, "9112 5.1", OK + b"X-A : b\r\nContent-Length: 0\r\n\r\n"),
    row("u-hdr-bad-name", EITHER, "9110 5.1", OK + b"X(A): b\r\nContent-Length: 0\r\n\r\n"),
    row("u-hdr-70k", EITHER, "limit", OK + b"X-A: " + b"y" * 70000 + b"\r\nContent-Length: 0\r\n\r\n"),
    row("u-hdr-100k", "502 503", "limit", OK + b"X-A: " + b"y" * 100000 + b"\r\nContent-Length: 0\r\n\r\n"),
    row("u-hdr-150", EITHER, "max_headers_count", OK + b"".join(b"X-%d: y\r\n" % n for n in range(150)) + b"Content-Length: 0\r\n\r\n"),
    row("u-100-then-200", "200", "9110 15.2", b"HTTP/1.1 100 Continue\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello"),
    row("u-103-then-200", "200", "8297", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nhello"),
    row("u-1xx-flood", EITHER, "limit", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 5000 + OK + b"Content-Length: 0\r\n\r\n"),
    row("u-101-unasked", "502 503", "9110 7.8", b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: foo\r\nConnection: upgrade\r\n\r\n"),
    row("u-204-with-body", "204 502 503", "9112 6.3", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello"),
    row("u-304-with-cl", "304", "9110 15.4.5", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    row("u-204-chunked", "204 502 503", "9112 6.1", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    row("u-hop-headers", "200", "9110 7.6.1", OK + b"Connection: X-Secret, close\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\nContent-Length: 0\r\n\r\n", Close()),
    row("u-dribble", "200", "9112", Drip(OK + b"Content-Length: 5\r\n\r\nhello")),
    row("u-silent", "504", "route timeout", Wait(1.5)),
    row("u-trailers", "200", "9112 7.1.2", OK + b"Transfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n5\r\nhello\r\n0\r\nX-T: v\r\n\r\n"),
    row("u-early-response", "413", "9112 9.3", b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", Close(), post=True),
)
