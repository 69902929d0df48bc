"""The upstream and the load: nginx (else our own server) answers, wrk or h2load asks, both on the second core."""

import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

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


class LoadError(RuntimeError):
    """The answers were not all good; the figures would mean nothing."""


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


def run(load: Load, port: int, seconds: float, cpus: set[int], folder: Path) -> int:
    """Load one port for a while; returns the requests that were answered well."""
    cores = ",".join(str(cpu) for cpu in sorted(cpus))
    if load.streams:
        return _run_http2(load, port, seconds, cores)
    command = ["taskset", "-c", cores, "wrk", "-t1", f"-c{load.connections}", f"-d{seconds:g}s", "--timeout", "20s"]
    script = folder / "load.lua"
    script.write_text(_script(load))
    command += ["-s", str(script), f"{'https' if load.secure else 'http'}://127.0.0.1:{port}{load.path}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    found = re.search(r"(\d+) requests in", done.stdout)
    bad = re.search(r"Non-2xx.*|Socket errors: connect [1-9].*|Socket errors:.*timeout [1-9].*", done.stdout)
    if not found or bad or not int(found[1]):
        raise LoadError(done.stdout + done.stderr)
    return int(found[1])


def _run_http2(load: Load, port: int, seconds: float, cores: str) -> int:
    command = ["taskset", "-c", cores, "h2load", "-t1", f"-c{load.connections}", f"-m{load.streams}", f"-D{seconds:g}"]
    command.append(f"http://127.0.0.1:{port}{load.path}")
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False)
    found = re.search(r"requests: .* (\d+) succeeded, 0 failed, 0 errored, 0 timeout", done.stdout)
    answered = re.search(r"status codes: (\d+) 2xx, 0 3xx, 0 4xx, 0 5xx", done.stdout)
    if not found or not answered or not int(found[1]):
        raise LoadError(done.stdout + done.stderr)
    return int(answered[1])


def _script(load: Load) -> str:
    lines = []
    if load.body_bytes:
        lines += ['wrk.method = "POST"', f'wrk.body = string.rep("x", {load.body_bytes})']
    if load.close:
        lines.append('wrk.headers["Connection"] = "close"')
    if load.unique_paths:
        lines.append("function request() return wrk.format(nil, wrk.path .. math.random(1, 1000000000)) end")
    return "\n".join(lines) + "\n"


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
