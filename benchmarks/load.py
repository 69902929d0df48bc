"""The upstream and the load: nginx (else our own server) answers, wrk or h2load asks, both on the second core."""

import shutil
import socket
import sys
from dataclasses import dataclass
from pathlib import Path

from pyvoy.bench.load import LoadError, LoadPlan, run_load
from pyvoy.bench.load.result import RESET
from tests.support.ports import free_port
from tests.support.process import Server, accepts

BOOK = (
    b'{"id":1,"author":"William Shakespeare","year":1595,"type":"paperback","pages":200,'
    b'"publisher":"PublisherA","language":"English","ISBN-10":"1234567890","ISBN-13":"123-1234567890"}'
)
SIZES = {"/4k": 4 * 1024, "/64k": 64 * 1024, "/10m": 10 * 1024 * 1024}


@dataclass(frozen=True, slots=True)
class Load:
    """How to ask: the path, the size of the request's body, connections, whether each asks once only, whether each
    request has a path of its own, and whether it is asked over TLS."""

    path: str = "/details/1"
    body_bytes: int = 0
    connections: int = 32
    close: bool = False
    unique_paths: bool = False
    secure: bool = False
    streams: int = 0
    """Above 0: HTTP/2 with so many requests at once on each connection."""


def start_upstream(folder: Path, cpus: set[int]) -> tuple[Server, int]:
    """A server that answers every path, with a body of the size its name says."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = _nginx(port, folder) if shutil.which("nginx") else _own(port)
    server = Server(command, folder / "log", cpus=cpus)
    server.wait_ready(accepts(port))
    return server, port


def start_body_upstream(folder: Path, cpus: set[int]) -> tuple[Server, int]:
    """A server that reads the whole body of a request before it answers."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    server = Server(_own(port), folder / "log", cpus=cpus)
    server.wait_ready(accepts(port))
    return server, port


def run(load: Load, port: int, seconds: float, cpus: set[int]) -> int:
    """Load one port for a while with wrk or (HTTP/2) h2load; returns the requests that were answered well.

    Raises LoadError when the answers were not all good: the figures would mean nothing."""
    result = run_load(plan(load, port, seconds, cpus))
    bad = {kind: count for kind, count in result.errors.items() if kind != RESET or load.streams}
    if bad or not result.good or result.good < result.answered:
        raise LoadError(f"{load}: {bad}, {result.statuses}")
    return result.good


def plan(load: Load, port: int, seconds: float, cpus: set[int]) -> LoadPlan:
    """The plan of one contender's share of a round."""
    return LoadPlan(
        url=f"{'https' if load.secure else 'http'}://127.0.0.1:{port}{load.path}",
        connections=load.connections,
        streams=load.streams or 1,
        duration_s=seconds,
        timeout_s=20.0,
        method="POST" if load.body_bytes else "GET",
        body=b"x" * load.body_bytes,
        http2=bool(load.streams),
        close=load.close,
        unique_paths=load.unique_paths,
        engine="h2load" if load.streams else "wrk",
        latencies=False,
        cpus=tuple(sorted(cpus)),
    )


def _nginx(port: int, folder: Path) -> list[str]:
    for name, size in SIZES.items():
        (folder / name[1:]).write_bytes(b"x" * size)
    path = folder / "upstream.conf"
    path.write_text(f"""
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 9000; }}
http {{
  access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; client_max_body_size 0;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  keepalive_requests 100000000; keepalive_timeout 1h; sendfile on;
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    root {folder};
    location / {{ default_type application/json; return 200 '{BOOK.decode()}'; }}
    {" ".join(f"location = {name} {{ }}" for name in SIZES)}
  }}
}}
""")
    return ["nginx", "-c", str(path), "-p", str(folder), "-e", str(folder / "error.log")]


def _own(port: int) -> list[str]:
    return [sys.executable, str(Path(__file__).with_name("upstream.py")), str(port)]


def open_idle(port: int, count: int, *, ask: bool) -> list[socket.socket]:
    """`count` connections to `port`; with `ask`, each has made one request and read its answer."""
    opened = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port), timeout=10)
        opened.append(client)
        if ask:
            client.sendall(b"GET /details/1 HTTP/1.1\r\nHost: idle.test\r\n\r\n")
            if not client.recv(4096).startswith(b"HTTP/1.1 200"):
                raise LoadError("an idle connection got no good answer")
    return opened
