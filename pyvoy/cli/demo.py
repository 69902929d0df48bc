"""`pyvoy demo`: a sidecar at work in front of a small service, with a look at what it changes.

Starts the details service and pyvoy itself as child processes, sends one request past the sidecar and one through it,
prints both answers and checks that what was promised happened.  Ports that are taken are replaced by free ones.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
SERVICE_PORT, SIDECAR_PORT, ADMIN_PORT = 9080, 10000, 9901
START_TIMEOUT_S = 15.0


@dataclass(slots=True)
class Answer:
    """A response as it came over the wire."""

    head: str
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header, "" if there is none."""
        for line in self.head.split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return ""


def run_demo(*, once: bool, config: str = "") -> int:
    """Show the demo; 0 if all was as promised.  Without `once` it stays up until Ctrl-C."""
    path = find_config(config)
    if path is None:
        print(
            "pyvoy demo: config/demo.yaml is not here; run it from a checkout, or give --config FILE", file=sys.stderr
        )
        return 1
    ports = {wanted: free_port(wanted) for wanted in (SERVICE_PORT, SIDECAR_PORT, ADMIN_PORT)}
    text = path.read_text()
    for wanted, port in ports.items():
        text = re.sub(rf"\bport_value: {wanted}\b", f"port_value: {port}", text)
    with tempfile.TemporaryDirectory(prefix="pyvoy-demo-") as folder:
        if text != path.read_text():
            path = Path(folder, "demo.yaml")
            path.write_text(text)
        return _with_processes(path, ports, once=once)


def _with_processes(path: Path, ports: dict[int, int], *, once: bool) -> int:
    service = start("-m", "pyvoy.cli.details_service", str(ports[SERVICE_PORT]))
    sidecar = start("-m", "pyvoy", "-c", str(path), "--concurrency", "1", "-l", "warning")
    try:
        if not (answers(ports[SERVICE_PORT], "/health", service) and answers(ports[ADMIN_PORT], "/ready", sidecar)):
            print("pyvoy demo: the service or the sidecar did not start", file=sys.stderr)
            return 1
        status = show(ports, path)
        if not once and status == 0:
            print("Ctrl-C ends the demo.", flush=True)
            wait_for_end(service, sidecar)
        return status
    finally:
        for process in (sidecar, service):
            stop(process)


def find_config(given: str) -> Path | None:
    """The demo's bootstrap: the given one, that of the working directory, or that of the checkout this file is in."""
    candidates = [Path(given)] if given else [Path("config/demo.yaml"), Path(__file__).parents[2] / "config/demo.yaml"]
    return next((path for path in candidates if path.is_file()), None)


def free_port(wanted: int) -> int:
    """The wanted port, or another one if somebody has it."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    return wanted


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """A Python child process that Ctrl-C does not reach: the demo stops it itself."""
    return subprocess.Popen([sys.executable, *arguments], start_new_session=True)


def answers(port: int, path: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until a path is answered with 200; False if the process ends or takes too long."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            if get(port, path).head.startswith("HTTP/1.1 200 "):
                return True
        except OSError:
            pass
        time.sleep(0.02)
    return False


def get(port: int, path: str) -> Answer:
    """One GET request, byte for byte."""
    with socket.create_connection((HOST, port), 5) as sock:
        sock.sendall(f"GET {path} HTTP/1.1\r\nhost: details\r\nconnection: close\r\n\r\n".encode())
        data = b""
        while piece := sock.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return Answer(head.decode("latin-1"), body)


def show(ports: dict[int, int], path: Path) -> int:
    """Send both requests and print what came back; 0 if all was as promised."""
    before = show_request("past the sidecar", ports[SERVICE_PORT])
    after = show_request(f"through the sidecar ({path})", ports[SIDECAR_PORT])
    promises = {
        "hello: world! is added": after.header("hello") == "world!",
        "location is replaced": after.header("location") not in ("", before.header("location")),
        "server is envoy": after.header("server") == "envoy",
        "x-envoy-upstream-service-time is there": after.header("x-envoy-upstream-service-time").isdigit(),
        "the record is the same": "200" in after.head.partition("\r\n")[0] and after.body == before.body,
    }
    for promise, kept in promises.items():
        print(f"  {'ok ' if kept else 'NOT'}  {promise}")
    print(f"\nadmin page: http://{HOST}:{ports[ADMIN_PORT]}/", flush=True)
    return 0 if all(promises.values()) else 1


def show_request(title: str, port: int) -> Answer:
    """Send one request and print the answer."""
    answer = get(port, "/details/1")
    print(f"{title}: GET http://{HOST}:{port}/details/1\n")
    for line in answer.head.split("\r\n"):
        print(f"    {line}")
    print(f"\n    {answer.body.decode('latin-1')}\n")
    return answer


def wait_for_end(*processes: subprocess.Popen[bytes]) -> None:
    """Until Ctrl-C, SIGTERM, or the end of one of the processes."""
    signal.signal(signal.SIGTERM, lambda number, frame: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        while all(process.poll() is None for process in processes):
            time.sleep(0.2)
    except KeyboardInterrupt:
        print()


def stop(process: subprocess.Popen[bytes]) -> None:
    """End a child, by force if need be."""
    process.terminate()
    try:
        process.wait(8)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
