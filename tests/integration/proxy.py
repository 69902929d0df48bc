"""pyvoy itself as a child process, for tests of what a user sees of the running proxy."""

import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.ports import free_ports
from tests.support.process import Server

MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTER = "envoy.extensions.filters.http.router.v3.Router"


def typed(name: str, **fields: Any) -> dict[str, Any]:
    return {"@type": f"type.googleapis.com/{name}", **fields}


def address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def listener(name: str, port: int, *, body: str = "", cluster: str = "", **fields: Any) -> dict[str, Any]:
    """An HTTP listener that answers `body` itself or passes everything to `cluster`."""
    action = (
        {"route": {"cluster": cluster}}
        if cluster
        else {"direct_response": {"status": 200, "body": {"inline_string": body}}}
    )
    manager = typed(
        MANAGER,
        stat_prefix=name,
        route_config={
            "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **action}]}]
        },
        http_filters=[{"name": "envoy.filters.http.router", "typed_config": typed(ROUTER)}],
        **fields,
    )
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}
    return {"name": name, "address": address(port), "filter_chains": [chain]}


def cluster(name: str, *ports: int, **fields: Any) -> dict[str, Any]:
    hosts = [{"endpoint": {"address": address(port)}} for port in ports]
    return {"name": name, "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": hosts}]}, **fields}


class Proxy:
    """A running pyvoy; `configure` writes the bootstrap anew."""

    def __init__(self, folder: Path, ports: int = 3) -> None:
        self.folder = folder
        self.path = folder / "bootstrap.json"
        self.admin_port, *self.ports = free_ports(ports + 1)
        self.server: Server | None = None

    def configure(self, *, listeners: list[Any] = (), clusters: list[Any] = (), **fields: Any) -> None:
        bootstrap = {
            "admin": {"address": address(self.admin_port)},
            "static_resources": {"listeners": list(listeners), "clusters": list(clusters)},
            **fields,
        }
        self.path.write_text(json.dumps(bootstrap))

    def start(self, *flags: str, workers: int = 1) -> None:
        command = [sys.executable, "-m", "pyvoy", "run", str(self.path), "--concurrency", str(workers), *flags]
        self.server = Server(command, self.folder / "log")
        self.server.wait_ready(lambda: self.try_get("/ready") == (200, "LIVE\n"))

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()

    @property
    def pid(self) -> int:
        assert self.server is not None
        return self.server.pid

    def log(self) -> str:
        return (self.folder / "log").read_text()

    def wait(self, condition: Callable[[], bool], timeout_s: float = 8.0) -> None:
        assert self.server is not None
        self.server.wait_ready(condition, timeout_s)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def reload(self) -> None:
        """SIGHUP, and wait until the new configuration is in force everywhere."""
        version = self.info("version")
        self.signal(signal.SIGHUP)
        self.wait(lambda: self.info("version") != version)
        time.sleep(0.1)

    def info(self, what: str) -> str:
        """A part of the front page's headline."""
        return self.get("/")[1].partition(f"{what} ")[2].partition("</div>")[0]

    def request(
        self, method: str, path: str, port: int | None = None, body: str | None = None, **headers: str
    ) -> tuple[int, str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.admin_port, timeout=5)
        with closing(connection):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, response.read().decode(), response.headers

    def get(self, path: str, port: int | None = None) -> tuple[int, str]:
        return self.request("GET", path, port)[:2]

    def post(self, path: str) -> tuple[int, str]:
        return self.request("POST", path)[:2]

    def try_get(self, path: str, port: int | None = None) -> tuple[int, str]:
        try:
            return self.get(path, port)
        except (OSError, http.client.HTTPException):
            return 0, ""

    def stats(self) -> dict[str, int]:
        lines = self.get("/stats")[1].splitlines()
        pairs = (line.split(": ", 1) for line in lines)
        return {name: int(value) for name, value in pairs if value.lstrip("-").isdigit()}

    def counted(self, name: str, value: int) -> None:
        """Wait until a statistic has this value: a worker counts after it has answered."""
        self.wait(lambda: self.stats()[name] == value, 3)

    def workers(self) -> list[int]:
        """Pids of the workers: the children that are neither main nor the supervisor."""
        found = []
        for entry in Path("/proc").iterdir():
            try:
                stat = (entry / "stat").read_text() if entry.name.isdigit() else ""
            except OSError:
                continue
            if "(pyvoy-worker" in stat and int(stat.rpartition(")")[2].split()[1]) == self.pid:
                found.append(int(entry.name))
        return found


@contextmanager
def upstream(delay_s: float = 0.0, body: bytes = b"upstream") -> Iterator[int]:
    """A small HTTP service; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(delay_s)
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.block_on_close = False
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()


def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def peak_bytes(pid: int) -> int:
    """The most memory that a process has had at once."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
