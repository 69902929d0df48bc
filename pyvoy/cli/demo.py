"""`pyvoy demo`: a small service behind the same filter in three languages, side by side, each with its cost.

Starts the details service and pyvoy itself as child processes, sends one request past the sidecar and one through each
listener of the bootstrap, prints what came back, measures what a request costs, and checks that what was promised
happened.  Ports that are taken are replaced by free ones.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from pyvoy.cli.demo_client import HOST, get
from pyvoy.cli.demo_cost import costs_us
from pyvoy.cli.demo_view import kept_by_all, show_answer, table

SERVICE_PORT, ADMIN_PORT = 9080, 9901
START_TIMEOUT_S = 30.0
BOOTSTRAP = Path("filters/add_header/bootstrap-forms.yaml")
PATH = "/details/1"


@dataclass(slots=True, frozen=True)
class Ports:
    """Where everything listens: the service, the admin, and each listener by name."""

    service: int
    admin: int
    listeners: Mapping[str, int]


def run_demo(*, once: bool, config: str = "") -> int:
    """Show the demo; 0 if all was as promised.  Without `once` it stays up until Ctrl-C."""
    path = find_config(config)
    if path is None:
        print(
            f"pyvoy demo: {config or BOOTSTRAP} is not here; run it from a checkout, or give --config", file=sys.stderr
        )
        return 1
    # The files of the filters are named from the root of the checkout.
    folder = Path.cwd() if config else path.parents[len(BOOTSTRAP.parts) - 1]
    try:
        text, ports = with_free_ports(path.read_text(encoding="utf-8"))
    except (LookupError, TypeError, yaml.YAMLError) as error:
        print(f"pyvoy demo: {path} is no bootstrap with listeners on TCP ports: {error}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="pyvoy-demo-") as scratch:
        copy = Path(scratch, "demo.yaml")
        copy.write_text(text, encoding="utf-8")
        return _with_processes(path, copy, folder, ports, once=once)


def _with_processes(path: Path, copy: Path, folder: Path, ports: Ports, *, once: bool) -> int:
    service = start(folder, "-m", "pyvoy.cli.details_service", str(ports.service))
    sidecar = start(folder, "-m", "pyvoy", "-c", str(copy), "--concurrency", "1", "-l", "warning")
    try:
        if not (answers(ports.service, "/health", service) and answers(ports.admin, "/ready", sidecar)):
            print("pyvoy demo: the service or the sidecar did not start", file=sys.stderr)
            return 1
        status = show(ports, path, sidecar.pid)
        if not once and status == 0:
            print("Ctrl-C ends the demo.", flush=True)
            wait_for_end(service, sidecar)
        return status
    finally:
        for process in (sidecar, service):
            stop(process)


def find_config(given: str) -> Path | None:
    """The bootstrap: the given one, that of the working directory, or that of the checkout this file is in."""
    candidates = [Path(given)] if given else [BOOTSTRAP.absolute(), Path(__file__).parents[2] / BOOTSTRAP]
    return next((path for path in candidates if path.is_file()), None)


def with_free_ports(text: str) -> tuple[str, Ports]:
    """The bootstrap with ports that nobody has, and which they are.

    Raises LookupError for a bootstrap without a listener that has a name and a TCP port."""
    listeners = yaml.safe_load(text)["static_resources"]["listeners"]
    wanted = {each["name"]: each["address"]["socket_address"]["port_value"] for each in listeners}
    if not wanted:
        raise LookupError("listeners")
    free = {port: free_port(port) for port in (SERVICE_PORT, ADMIN_PORT, *wanted.values())}
    text = re.sub(r"\bport_value: (\d+)\b", lambda found: f"port_value: {free.get(int(found[1]), found[1])}", text)
    return text, Ports(free[SERVICE_PORT], free[ADMIN_PORT], {name: free[port] for name, port in wanted.items()})


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


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A Python child process that Ctrl-C does not reach: the demo stops it itself."""
    return subprocess.Popen([sys.executable, *arguments], cwd=folder, start_new_session=True)


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


def show(ports: Ports, path: Path, pid: int) -> int:
    """Send the requests and print what came back; 0 if all was as promised."""
    before = get(ports.service, PATH)
    show_answer("past the sidecar", ports.service, PATH, before)
    forms = {name: get(port, PATH) for name, port in ports.listeners.items()}
    first = next(iter(forms))
    show_answer(f"through the sidecar ({path})", ports.listeners[first], PATH, forms[first])
    kept = kept_by_all(before, forms)
    for promise, is_kept in kept.items():
        print(f"  {'ok ' if is_kept else 'NOT'}  {promise}")
    print("\nside by side, with the CPU time of the sidecar for a request:\n", flush=True)
    print(table(ports.listeners, forms, costs_us(pid, ports.listeners, PATH)))
    print("\n  (a look of a second, with a small load; make bench measures, and compares with Envoy)")
    print(f"\nadmin page: http://{HOST}:{ports.admin}/", flush=True)
    return 0 if all(kept.values()) else 1


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
