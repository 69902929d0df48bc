"""Bodies of every size through Python filters of both levels in the running proxy; streaming needs no memory."""

import http.client
import socket
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integration.proxy import Proxy, cluster, peak_bytes
from tests.integration.test_python_filters import python_listener

MIB = 1 << 20
LARGE = 50 * MIB

CODE = """
from pyvoy.api import *

class F(StreamFilter):
    def __init__(self):
        self.up = self.down = 0
    def on_request_data(self, stream, data, end):
        self.up += len(data)
        stream.replace_request_data(self, data.swapcase())
    def on_response_headers(self, stream, headers, end):
        headers.set(b"x-up", b"%d" % self.up)
    def on_response_data(self, stream, data, end):
        self.down += len(data)
        stream.replace_response_data(self, data.swapcase())
    def on_log(self, stream):
        self.counter("up").inc(self.up)
        self.counter("down").inc(self.down)
"""

WAITING = """
import asyncio
from pyvoy.api import *

class F(StreamFilter):
    up = 0
    async def on_request_data(self, stream, data, end):
        self.up += len(data)
        await asyncio.sleep(0)
        stream.replace_request_data(self, data.swapcase())
    async def on_response_data(self, stream, data, end):
        await asyncio.sleep(0)
        stream.replace_response_data(self, data.swapcase())
    def on_log(self, stream):
        self.counter("up").inc(self.up)
"""

UPPER = """
from pyvoy.api import *

class F(Filter):
    async def on_request(self, request):
        request.set_body((await request.body()).swapcase())
    async def on_response(self, response):
        response.set_body((await response.body()).swapcase())
"""


class Echo(BaseHTTPRequestHandler):
    """Answers a body with itself, piece by piece."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        left = int(self.headers.get("content-length", 0))
        self.send_response(200)
        self.send_header("content-length", str(left))
        self.end_headers()
        while left:
            piece = self.rfile.read(min(left, 65536))
            self.wfile.write(piece)
            left -= len(piece)

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module", params=[CODE, WAITING, UPPER], ids=["lower", "waiting", "upper"])
def proxy(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("bodies")
    proxy = Proxy(folder)
    code = folder / "f.py"
    code.write_text(request.param)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    proxy.configure(listeners=[python_listener(proxy, code)], clusters=[cluster("up", server.server_address[1])])
    proxy.level = "upper" if request.param is UPPER else "lower"
    try:
        proxy.start()
        yield proxy
    finally:
        proxy.stop()
        server.shutdown()
        server.server_close()
        thread.join()


def post(proxy, body):
    with closing(http.client.HTTPConnection("127.0.0.1", proxy.ports[0], timeout=30)) as connection:
        connection.request("POST", "/", body)
        response = connection.getresponse()
        return response.status, response.read()


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 1_000_000])
def test_bodies_come_through(proxy, size):
    body = b"aB" * (size // 2) + b"c" * (size % 2)
    assert post(proxy, body) == (200, body), "changed on both ways, so it is the same again"


def test_a_body_over_the_limit_of_the_upper_level(proxy):
    if proxy.level == "upper":
        assert post(proxy, b"x" * (2 * MIB))[0] == 413


def test_streaming_needs_no_memory(proxy):
    if proxy.level == "upper":
        return
    (worker,) = proxy.workers()
    before = peak_bytes(worker)
    with closing(socket.create_connection(("127.0.0.1", proxy.ports[0]), timeout=30)) as client:
        client.sendall(b"POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % LARGE)
        sender = threading.Thread(target=lambda: [client.sendall(b"z" * MIB) for _ in range(LARGE // MIB)])
        sender.start()
        got = 0
        while piece := client.recv(MIB):
            got += len(piece)
        sender.join()
    assert got >= LARGE
    proxy.wait(lambda: proxy.stats()["http.in.python.F.up"] >= LARGE)
    assert peak_bytes(worker) - before < 16 * MIB
