"""Local replies that can occur on HTTP/1: status, body, flags, details."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from tests.parity.case import Case, answers, ask, get, request, response
from tests.support.steps import Answers, Close, Reset, Wait


def h2c(*headers: str) -> bytes:
    """A POST that offers HTTP/2 as curl and Java's client do."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    return request("/", *offer, *headers, method="POST")


CASES = (
    Case("reply-no-route", "404", get("/"), routes="- {match: {path: /x}, route: {cluster: $up}}"),
    Case("reply-no-route-post", "404", (ask(request("/", method="POST", body=b"hello")),),
         routes="- {match: {path: /x}, route: {cluster: $up}}"),
    Case("reply-no-route-head", "404", (ask(request("/", method="HEAD")),),
         routes="- {match: {path: /x}, route: {cluster: $up}}"),
    Case("reply-no-healthy", "503", get("/"), routes="- {match: {prefix: /}, route: {cluster: $empty}}"),
    Case("reply-no-healthy-head", "503", (ask(request("/", method="HEAD")),),
         routes="- {match: {prefix: /}, route: {cluster: $empty}}"),
    Case("reply-connect-refused", "503", get("/"), routes="- {match: {prefix: /}, route: {cluster: $dead}}"),
    Case("reply-connect-refused-post", "503", (ask(request("/", method="POST", body=b"hello")),),
         routes="- {match: {prefix: /}, route: {cluster: $dead}}"),
    Case("reply-connect-timeout", "503", get("/"), routes="- {match: {prefix: /}, route: {cluster: $stuck}}",
         clusters={"stuck": "connect_timeout: 0.2s"}),
    Case("reply-upstream-closed", "503", get("/"), upstream={"up": answers((Close(),))}),
    Case("reply-upstream-reset", "503", get("/"), upstream={"up": answers((Reset(),))}),
    Case("reply-upstream-closed-late", "503", get("/"), upstream={"up": answers((Wait(0.1), Close()))}),
    Case("reply-upstream-garbage", "502", get("/"), upstream={"up": answers(b"garbage\r\n\r\n")}),
    Case("reply-upstream-dies-in-body", "200", get("/"),
         upstream={"up": answers((b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", Wait(0.1), Close()))}),
    Case("reply-upstream-resets-in-body", "200", get("/"),
         upstream={"up": answers((b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", Wait(0.1), Reset()))}),
    Case("reply-route-timeout", "504", get("/"), routes="- {match: {prefix: /}, route: {cluster: $up, timeout: 0.2s}}",
         upstream={"up": answers((Wait(1.0), response()))}),
    Case("reply-route-timeout-mid-body", "200", get("/"),
         routes="- {match: {prefix: /}, route: {cluster: $up, timeout: 0.2s}}",
         upstream={"up": answers((b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello", Wait(0.8), b"world"))}),
    Case("reply-low-version", "426", ((b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",),)),
    Case("reply-bad-request-line", "400", ((b"GET\r\n\r\n",),)),
    Case("reply-te-and-cl", "400", ((request("/", "Transfer-Encoding: chunked", "Content-Length: 5", method="POST")
                                     + b"0\r\n\r\n",),)),
    Case("reply-headers-too-large", "431", ((request("/", "X-A: " + "y" * 70000),),)),
    Case("reply-too-many-headers", "431", ((request("/", *(f"X-{n}: y" for n in range(101))),),)),
    Case("reply-headers-at-limit", "200", (ask(request("/", *(f"X-{n}: y" for n in range(99)))),)),
    Case("reply-missing-host", "400", ((request("/", host=None),),)),
    Case("reply-empty-host", "200", (ask(request("/", host="")),)),
    Case("reply-upgrade-refused", "403", ((request("/", "Connection: Upgrade", "Upgrade: websocket"),),)),
    Case("reply-upgrade-unknown", "403", ((request("/", "Connection: Upgrade", "Upgrade: foo/2"),),)),
    Case("reply-upgrade-h2c-ignored", "200", (ask(request(
        "/", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")),)),
    Case("reply-upgrade-h2c-body", "200 200", (
        (h2c("Content-Length: 5") + b"hello" + request("/next"), Answers(2)),
    )),
    Case("reply-upgrade-h2c-body-late", "200 200", (
        (h2c("Content-Length: 5"), Wait(0.1), b"hel", Wait(0.1), b"lo" + request("/next"), Answers(2)),
    )),
    Case("reply-upgrade-h2c-chunked", "200 200", (
        (h2c("Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n" + request("/next"), Answers(2)),
    )),
    Case("reply-upgrade-h2c-chunked-late", "200 200 200", (
        (h2c("Transfer-Encoding: chunked"), Wait(0.1), b"5\r\nhe", Wait(0.1), b"llo\r\n0\r\n\r\n", Answers(1),
         request("/next"), Answers(2), h2c("Content-Length: 1") + b"x", Answers(3)),
    )),
    *(
        Case(f"reply-upgrade-offered-{name}", "200 200", get("/", "/next"), upstream={"up": answers(
            b"HTTP/1.1 200 OK\r\nUpgrade: h2,h2c\r\nConnection: Upgrade\r\n" + body,
            response("200 OK", "x-second: 1"))})
        for name, body in (("length", b"Content-Length: 5\r\n\r\nhello"), ("empty", b"Content-Length: 0\r\n\r\n"),
                           ("chunked", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"))
    ),
    Case("reply-connect-no-route", "404", ((request("b.test:443", host="b.test:443", method="CONNECT"),),)),
    Case("reply-options-star", "404", (ask(request("*", method="OPTIONS")),)),
    Case("reply-get-star", "400", ((request("*"),),)),
    Case("reply-relative-target", "400", ((request("foo"),),)),
    Case("reply-unknown-method", "400", ((request("/", method="FROB"),),)),
    Case("reply-fragment", "400", ((request("/a#b"),),)),
    Case("reply-unknown-coding", "501", ((request("/", "Transfer-Encoding: gzip, chunked", method="POST")
                                          + b"0\r\n\r\n",),)),
    Case("reply-expect-unknown", "200", (ask(request("/", "Expect: frob")),)),
    Case("reply-payload-too-large", "413", (ask(request("/", method="POST", body=b"x" * 20)),),
         filters="- buffer: {max_request_bytes: 10}"),
    Case("reply-payload-too-large-chunked", "413", (ask(request("/", "Transfer-Encoding: chunked", method="POST")
         + b"14\r\n" + b"x" * 20 + b"\r\n0\r\n\r\n"),), filters="- buffer: {max_request_bytes: 10}"),
    Case("reply-maintenance", "503", get("/"), routes="- {match: {prefix: /}, route: {cluster: $b}}",
         filters="- fault: {abort: {http_status: 503, percentage: {numerator: 100}}}"),
    Case("reply-grpc-no-route", "200", (ask(request("/s/m", "Content-Type: application/grpc", method="POST", body=b"")),),
         routes="- {match: {path: /x}, route: {cluster: $up}}"),
    Case("reply-grpc-unavailable", "200",
         (ask(request("/s/m", "Content-Type: application/grpc+proto", method="POST", body=b"")),),
         routes="- {match: {prefix: /}, route: {cluster: $empty}}"),
    Case("reply-grpc-refused", "200",
         (ask(request("/s/m", "Content-Type: application/grpc", method="POST", body=b"")),),
         routes="- {match: {prefix: /}, route: {cluster: $dead}}"),
    Case("reply-chunk-bad-after-head", "400", ((request("/", "Transfer-Encoding: chunked", method="POST")
                                                + b"zz\r\n0\r\n\r\n",),)),
    Case("reply-strict-check-headers", "400", (ask(request("/", "x-envoy-upstream-rq-timeout-ms: junk")),),
         hcm="{use_remote_address: true, internal_address_config: {cidr_ranges: "
             "[{address_prefix: 127.0.0.0, prefix_len: 8}, {address_prefix: 10.0.0.0, prefix_len: 8}, "
             "{address_prefix: 172.16.0.0, prefix_len: 12}, {address_prefix: 192.168.0.0, prefix_len: 16}, "
             "{address_prefix: 21.0.0.0, prefix_len: 8}]}}",
         router="strict_check_headers: [x-envoy-upstream-rq-timeout-ms]"),
    Case("reply-order", "503", get("/"), ordered=True, routes="""
- match: {prefix: /}
  route: {cluster: $empty}
  response_headers_to_add: [{header: {key: x-one, value: '1'}}]"""),
)
