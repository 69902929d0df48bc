"""Client and upstream vanish at each event of Python filters of every kind, in the running proxy: nothing is left and
the next request is served.  Calls of filters, with bodies of every size, in the same way."""

import socket
import struct
import threading
import time
from contextlib import closing

import pytest

from tests.integration.proxy import Proxy, cluster
from tests.integration.test_python_filters import python_listener

FILTERS = """
import asyncio
from pyvoy.api import *

class Lower(StreamFilter):
    def on_request_headers(self, stream, headers, end):
        headers.set(b"x-a", b"1")
    def on_request_data(self, stream, data, end):
        stream.replace_request_data(self, data.swapcase())
    def on_response_headers(self, stream, headers, end):
        headers.set(b"x-b", b"1")
    def on_response_data(self, stream, data, end):
        stream.replace_response_data(self, data.swapcase())

class Waiting(StreamFilter):
    async def on_request_headers(self, stream, headers, end):
        await asyncio.sleep(0.005)
    async def on_request_data(self, stream, data, end):
        await asyncio.sleep(0.005)
    async def on_response_headers(self, stream, headers, end):
        await asyncio.sleep(0.005)
    async def on_response_data(self, stream, data, end):
        await asyncio.sleep(0.005)

class Upper(Filter):
    async def on_request(self, request):
        await asyncio.sleep(0.005)
        await request.body()
    async def on_response(self, response):
        await asyncio.sleep(0.005)
        await response.body()

class Calling(Filter):
    async def on_request(self, request):
        body = await request.body()
        try:
            answer = await self.call("up", request.path, method="POST", body=body, timeout_s=10)
        except CallFailed as error:
            return Response(502, error.failure.name)
        return Response(200, answer.body)

class CallingBack(StreamFilter):
    def on_request_headers(self, stream, headers, end):
        self.path, self.body = headers.get(b":path"), b""
        if end:
            self.begin(stream)
        return STOP
    def on_request_data(self, stream, data, end):
        self.body += data
        if end:
            self.begin(stream)
        return STOP
    def begin(self, stream):
        headers = HeaderMap([(b":method", b"POST"), (b":path", self.path), (b":authority", b"up")])
        def done(result):
            if result.failure is not None:
                stream.send_local_reply(502, result.failure.name.encode(), details="failed")
            else:
                stream.send_local_reply(200, result.body, details="called")
        self.running = self.host.http_call("up", headers, self.body, done, options=CallOptions(10.0))
    def on_destroy(self, stream):
        self.running and self.running.cancel()
    running = None
"""
KINDS = ("Lower", "Waiting", "Upper", "Calling", "CallingBack")
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n"
RST = struct.pack("ii", 1, 0)


class Upstream:
    """Answers a request as its path says; `/echo` gives the body back."""

    def __init__(self):
        self.server = socket.create_server(("127.0.0.1", 0))
        self.port = self.server.getsockname()[1]
        self._threads = []
        self._accepting = threading.Thread(target=self._accept, daemon=True)
        self._accepting.start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.server.accept()
            except OSError:
                return
            connection.settimeout(20)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection):
        with connection:
            try:
                while self._answer(connection):
                    pass
            except OSError:
                pass

    def _answer(self, connection):
        data = b""
        while b"\r\n\r\n" not in data:
            piece = connection.recv(65536)
            if not piece:
                return False
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        path = head.split(b" ", 2)[1]
        if path == b"/echo":
            length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0] or 0)
            while len(body) < length:
                piece = connection.recv(1 << 20)
                if not piece:
                    return False
                body += piece
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
            return True
        if path in (b"/after-head", b"/mid-body", b"/hang-mid-body"):
            connection.sendall(HEAD + (b"" if path == b"/after-head" else b"01234"))
        if path.startswith(b"/hang"):
            connection.recv(65536)
        elif path == b"/mid-body":
            time.sleep(0.02)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
        return False

    def stop(self):
        self.server.shutdown(socket.SHUT_RDWR)
        self.server.close()
        self._accepting.join(20)
        for thread in self._threads:
            thread.join(20)


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """A listener for each kind of filter, in the order of KINDS."""
    made = Proxy(tmp_path_factory.mktemp("vanishing"), ports=len(KINDS))
    code = made.folder / "f.py"
    code.write_text(FILTERS)
    upstream = Upstream()
    listeners = [python_listener(made, code, index=at, **{"class": name}) for at, name in enumerate(KINDS)]
    made.configure(listeners=listeners, clusters=[cluster("up", upstream.port)])
    try:
        made.start()
        yield made
    finally:
        made.stop()
        upstream.stop()


def dial(proxy, kind):
    return closing(socket.create_connection(("127.0.0.1", proxy.ports[KINDS.index(kind)]), timeout=20))


def exchange(proxy, kind, request):
    """Everything that comes back until the proxy closes."""
    with dial(proxy, kind) as client:
        client.sendall(request)
        got = b""
        try:
            while piece := client.recv(1 << 20):
                got += piece
        except ConnectionResetError:
            pass
        return got


def post(path, body=b""):
    return b"POST %b HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (path, len(body), body)


def check_rest(proxy, kind):
    """Nothing runs any more, nothing has failed, and the next request is served."""
    number = KINDS.index(kind) or ""

    def idle():
        stats = proxy.stats()
        return stats[f"http.in{number}.downstream_rq_active"] == stats["cluster.up.upstream_rq_active"] == 0

    proxy.wait(idle)
    assert exchange(proxy, kind, post(b"/echo", b"ok")).endswith(b"\r\n\r\nok")
    assert proxy.stats().get(f"http.in{number}.python.{kind}.errors", 0) == 0
    assert "Traceback" not in proxy.log()


UPSTREAM = {"/before-head": b" 503 ", "/after-head": b"", "/mid-body": b""}


@pytest.mark.parametrize("kind", KINDS[:3])
@pytest.mark.parametrize("path", UPSTREAM)
def test_the_upstream_vanishes(proxy, kind, path):
    got = exchange(proxy, kind, post(path.encode(), b"body"))
    head, _, body = got.partition(b"\r\n\r\n")
    assert len(body) < 10 or b" 200 " not in head
    if path == "/before-head":
        assert b" 503 " in head
    check_rest(proxy, kind)


@pytest.mark.parametrize("kind", KINDS[3:])
@pytest.mark.parametrize(
    ("path", "failure"), [("/before-head", "RESET"), ("/after-head", "INCOMPLETE"), ("/mid-body", "INCOMPLETE")]
)
def test_the_upstream_of_a_call_vanishes(proxy, kind, path, failure):
    got = exchange(proxy, kind, post(path.encode(), b"body"))
    assert b" 502 " in got
    assert got.endswith(failure.encode())
    check_rest(proxy, kind)


REQUESTS = {
    "in the head": b"POST /echo HTTP/1.1\r\nhost:",
    "behind the head": b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n",
    "in the body": b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n01234",
    "before the response": b"GET /hang HTTP/1.1\r\nhost: a\r\n\r\n",
    "in the response": b"GET /hang-mid-body HTTP/1.1\r\nhost: a\r\n\r\n",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("when", REQUESTS)
@pytest.mark.parametrize("how", ["fin", "reset"])
def test_the_client_vanishes(proxy, kind, when, how):
    number = KINDS.index(kind) or ""
    with dial(proxy, kind) as client:
        client.sendall(REQUESTS[when])
        if when != "in the head":
            proxy.wait(lambda: proxy.stats()[f"http.in{number}.downstream_rq_active"] > 0)
        if when == "in the response" and kind in ("Lower", "Waiting"):
            assert client.recv(17)
        if how == "reset":
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RST)
    check_rest(proxy, kind)


@pytest.mark.parametrize("kind", KINDS[3:])
@pytest.mark.parametrize("size", [0, 1, 64 << 10, 1_000_000])
def test_calls_with_bodies_of_every_size(proxy, kind, size):
    body = b"x" * size
    got = exchange(proxy, kind, post(b"/echo", body))
    assert b" 200 " in got.partition(b"\r\n")[0]
    assert got.partition(b"\r\n\r\n")[2] == body
