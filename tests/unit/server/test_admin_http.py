"""The admin's HTTP server: bounded, in order, and never the data path's problem."""

import asyncio
import socket

import pytest

from pyvoy.server import admin_http
from pyvoy.server.admin_http import AdminServer, Request, Response, read_request


def answer(request: Request) -> Response:
    if request.path == "/fail":
        raise RuntimeError("page failed")
    if request.path == "/big":
        return Response(b"x" * (8 << 20))
    return Response(f"{request.method} {request.path} {request.query}\n")


async def talk(data: bytes, *, handler=answer, until: int = 1 << 20) -> bytes:
    """Send bytes, return what comes back until the server closes or `until` bytes are there."""
    loop = asyncio.get_running_loop()
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    sock.setblocking(False)
    server = AdminServer(handler, lambda change: None)
    await server.start(loop, sock)
    reader, writer = await asyncio.open_connection(*sock.getsockname())
    writer.write(data)
    received = b""
    try:
        async with asyncio.timeout(2):
            while len(received) < until and (piece := await reader.read(65536)):
                received += piece
    except (TimeoutError, ConnectionResetError):
        pass
    writer.close()
    server.close()
    await asyncio.sleep(0)
    return received


def ask(data: bytes, **options) -> bytes:
    return asyncio.run(talk(data, **options))


def test_headers_are_envoys():
    head, _, body = ask(b"GET /ready HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert [line.partition(":")[0] for line in lines[1:]] == [
        "content-type", "cache-control", "x-content-type-options", "date", "server", "connection", "transfer-encoding",
    ]  # fmt: skip
    assert body == b"e\r\nGET /ready {}\n\r\n0\r\n\r\n"


def test_requests_in_a_row_are_answered_in_order():
    received = ask(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nHEAD /3 HTTP/1.1\r\nconnection: close\r\n\r\n")
    assert received.count(b"HTTP/1.1 200 OK") == 3
    assert received.index(b"GET /1") < received.index(b"GET /2")
    assert b"HEAD /3" not in received


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GARBAGE\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nx: " + b"y" * 70000 + b"\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\ncontent-length: 9999999\r\n\r\n" + b"z" * (2 << 20), b"400"),
        (b"GET /fail HTTP/1.1\r\nconnection: close\r\n\r\n", b"500"),
    ],
)
def test_what_cannot_be_answered(data, status):
    assert ask(data).startswith(b"HTTP/1.1 " + status)


def test_a_pipelining_client_that_does_not_read_holds_one_response():
    calls = []

    def count(request: Request) -> Response:
        calls.append(request.path)
        return answer(request)

    ask(b"GET /big HTTP/1.1\r\n\r\n" * 50, handler=count, until=1)
    assert len(calls) < 5


@pytest.mark.parametrize(
    ("url", "headers", "body", "path", "query"),
    [
        (b"/stats?filter=a%20b&usedonly", {}, b"", "/stats", {"filter": "a b", "usedonly": ""}),
        (b"/a%2fb?x=1&x=2#f", {}, b"", "/a/b", {"x": "2"}),
        (b"/r", {b"content-type": b"application/x-www-form-urlencoded"}, b"k=v&e=", "/r", {"k": "v", "e": ""}),
        (b"/r", {b"content-type": b"text/plain"}, b"k=v", "/r", {}),
    ],
)
def test_requests_are_taken_apart(url, headers, body, path, query):
    request = read_request(b"POST", url, headers, body)
    assert (request.path, request.query) == (path, query)


def test_connections_have_a_limit(monkeypatch):
    monkeypatch.setattr(admin_http, "CONNECTION_LIMIT", 0)
    assert ask(b"GET / HTTP/1.1\r\n\r\n") == b""
