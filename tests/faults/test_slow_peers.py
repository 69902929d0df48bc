"""Memory stays bounded when one side is slow: 50 MiB each way through small buffers, and all of it arrives."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.integration.proxy import Proxy, cluster, listener

SIZE = 50 << 20
BUFFER = 1 << 20
ALLOWED_KB = 16 * 1024
"""What the worker may grow: the two buffers, and what sockets and the allocator keep."""
PATIENCE_S = 1.0


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[Proxy]:
    made = Proxy(tmp_path)
    yield made
    made.stop()


class Peer:
    """An upstream that serves one connection in a thread; it reads no body until `go` is set."""

    def __init__(self, *, answer_bytes: int) -> None:
        self.server = socket.create_server(("127.0.0.1", 0))
        self.server.settimeout(20)
        self.port = self.server.getsockname()[1]
        self.go = threading.Event()
        self.received = 0
        self.sent = 0
        self._answer_bytes = answer_bytes
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self) -> None:
        with closing(self.server):
            connection, _ = self.server.accept()
        with closing(connection):
            connection.settimeout(20)
            head = b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            if b"POST" in head:
                self.received = len(head.partition(b"\r\n\r\n")[2])
                self.go.wait(20)
                while self.received < SIZE:
                    self.received += len(connection.recv(1 << 20))
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self._answer_bytes)
            piece = b"r" * 65536
            try:
                while self.sent < self._answer_bytes:
                    self.sent += connection.send(piece[: self._answer_bytes - self.sent])
                connection.recv(1)
            except OSError:
                pass  # cut off from the other side


def resident_kb(proxy: Proxy) -> int:
    """The memory of the largest process of the proxy."""
    pages = []
    for pid in [proxy.pid, *proxy.workers()]:
        status = Path(f"/proc/{pid}/status").read_text()
        pages.append(int(status.partition("VmRSS:")[2].split()[0]))
    return max(pages)


def start(proxy: Proxy, peer: Peer) -> None:
    limit = {"per_connection_buffer_limit_bytes": BUFFER}
    front = {**listener("http", proxy.ports[0], cluster="up"), **limit}
    proxy.configure(listeners=[front], clusters=[cluster("up", peer.port, **limit)])
    proxy.start()


def test_a_slow_upstream_holds_the_client_back(proxy: Proxy) -> None:
    peer = Peer(answer_bytes=2)
    start(proxy, peer)
    before_kb = resident_kb(proxy)
    client = socket.create_connection(("127.0.0.1", proxy.ports[0]))
    with closing(client):
        client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE)
        client.settimeout(PATIENCE_S)
        sent = push(client, SIZE)
        assert sent < SIZE // 2, "nothing held the client back"
        assert resident_kb(proxy) - before_kb < ALLOWED_KB
        peer.go.set()
        client.settimeout(20)
        client.sendall(b"q" * (SIZE - sent))
        assert client.recv(100).startswith(b"HTTP/1.1 200 OK")
    assert peer.received == SIZE


def push(client: socket.socket, size: int) -> int:
    """Send until the other side takes nothing for a while; how much it took."""
    piece = b"q" * 65536
    sent = 0
    while sent < size:
        try:
            sent += client.send(piece[: size - sent])
        except TimeoutError:
            break
    return sent


def test_a_slow_client_holds_the_upstream_back(proxy: Proxy) -> None:
    peer = Peer(answer_bytes=SIZE)
    start(proxy, peer)
    before_kb = resident_kb(proxy)
    client = socket.create_connection(("127.0.0.1", proxy.ports[0]))
    with closing(client):
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        stopped_at = wait_for_halt(peer)
        assert stopped_at < SIZE // 2, "nothing held the upstream back"
        assert resident_kb(proxy) - before_kb < ALLOWED_KB
        client.settimeout(20)
        received = b""
        while b"\r\n\r\n" not in received:
            received += client.recv(65536)
        count = len(received.partition(b"\r\n\r\n")[2])
        while count < SIZE:
            count += len(client.recv(1 << 20))
    assert count == SIZE


def wait_for_halt(peer: Peer) -> int:
    """Wait until the upstream sends no more; how much it has sent."""
    before = -1
    while before != peer.sent or not before:
        before = peer.sent
        time.sleep(PATIENCE_S / 2)
    return before


def test_a_stuck_client_that_leaves_frees_everything(proxy: Proxy) -> None:
    peer = Peer(answer_bytes=SIZE)
    start(proxy, peer)
    client = socket.create_connection(("127.0.0.1", proxy.ports[0]))
    client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    wait_for_halt(peer)
    client.close()
    proxy.counted("cluster.up.upstream_cx_active", 0)
    proxy.counted("cluster.up.upstream_rq_active", 0)
    proxy.counted("http.http.downstream_cx_active", 0)
