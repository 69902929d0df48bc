"""Processes: what a user notices of supervisor, main and workers, with an echo in place of the proxy."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.ports import free_ports
from tests.support.process import Server, descendants


class Proxy:
    """The echo application as a child; `config` is written before it starts and may be written again."""

    def __init__(self, tmp_path: Path, workers: int, drain_s: float) -> None:
        self.path = tmp_path / "echo.json"
        self.ports = free_ports(3)
        self.config = {"listeners": {"a": [self.ports[0]]}, "greeting": "one "}
        self.write()
        command = [sys.executable, "-m", "tests.integration.echo_app", str(self.path), str(workers), str(drain_s)]
        self.server = Server(command, tmp_path / "log")
        self.workers = workers
        self.socks: list[socket.socket] = []

    def write(self) -> None:
        self.path.write_text(json.dumps(self.config))

    def log(self) -> str:
        return self.server.log.read_text()

    def states(self) -> list[dict[str, object]]:
        """Every state that is written whole; the log may be read in the middle of a line."""
        lines = [line for line in self.log().splitlines(keepends=True) if line.startswith("main: state ")]
        return [json.loads(line.removeprefix("main: state ")) for line in lines if line.endswith("\n")]

    def ready_workers(self) -> list[int]:
        return [pid for _, pid, _, ready in self.states()[-1]["workers"] if ready]

    def refuses(self) -> bool:
        try:
            self.connect()
        except (ConnectionRefusedError, ConnectionResetError):
            return True
        return False

    def wait(self, condition: Callable[[], bool], timeout_s: float = 10.0) -> None:
        self.server.wait_ready(condition, timeout_s)

    def signal(self, number: int) -> None:
        os.kill(self.server.pid, number)

    def connect(self, port: int | str | None = None) -> socket.socket:
        family = socket.AF_UNIX if isinstance(port, str) else socket.AF_INET
        sock = socket.socket(family)
        self.socks.append(sock)
        sock.settimeout(5)
        sock.connect(port if isinstance(port, str) else ("127.0.0.1", port or self.ports[0]))
        return sock

    def greeting(self, port: int | str | None = None) -> str:
        with self.connect(port) as sock:
            return sock.recv(100).decode()

    def worker_pid(self, sock: socket.socket) -> int:
        sock.sendall(b"pid")
        return int(sock.recv(100))

    def reloaded(self, version: int) -> None:
        self.wait(lambda: self.log().count(f'applied {{"version": {version}, "error": ""') == self.workers)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Proxy]]:
    started: list[Proxy] = []

    def make(workers: int = 1, drain_s: float = 3.0) -> Proxy:
        proxy = Proxy(tmp_path, workers, drain_s)
        started.append(proxy)  # before it is ready: one that never gets there is stopped all the same
        proxy.wait(lambda: bool(states := proxy.states()) and bool(states[-1]["live"]))
        return proxy

    yield make
    for proxy in started:
        proxy.server.stop()
        for sock in proxy.socks:
            sock.close()


def is_gone(pid: int) -> bool:
    """Ended; a container's first process may be slow to bury orphans, so a zombie counts."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_killed_worker_costs_its_own_connections_and_is_replaced_within_a_second(start):
    proxy = start(workers=2)
    socks = {}
    while len(socks) < 2:
        sock = proxy.connect()
        assert sock.recv(100) == b"one "
        socks.setdefault(proxy.worker_pid(sock), sock)
    victim, other = socks
    os.kill(victim, signal.SIGKILL)
    deadline = time.monotonic() + 1.0
    proxy.wait(lambda: len(ready := proxy.ready_workers()) == 2 and victim not in ready)
    assert time.monotonic() < deadline
    assert proxy.worker_pid(socks[other]) == other
    assert socks[victim].recv(1) == b""
    # No connection is lost in the queue of the dead worker's socket.
    assert [proxy.greeting() for _ in range(20)] == ["one "] * 20


def test_connections_that_arrive_while_a_worker_is_away_are_served_by_its_successor(start):
    proxy = start()
    worker = proxy.states()[-1]["workers"][0][1]
    os.kill(worker, signal.SIGKILL)
    assert [proxy.greeting() for _ in range(10)] == ["one "] * 10


def test_a_killed_main_is_replaced_and_traffic_goes_on(start):
    proxy = start()
    family = descendants(proxy.server.pid)
    worker = proxy.states()[-1]["workers"][0][1]
    (main,) = [pid for pid in family if pid != worker]
    count = len(proxy.states())
    os.kill(main, signal.SIGKILL)
    proxy.wait(lambda: len(proxy.states()) > count)
    assert proxy.greeting() == "one "


def test_a_stalled_worker_is_killed_and_replaced(start):
    proxy = start()
    sock = proxy.connect()
    assert sock.recv(100) == b"one "
    sock.sendall(b"stall")
    proxy.wait(lambda: "has not turned its loop" in proxy.log(), 12.0)
    assert proxy.greeting() == "one "


def test_sigterm_finishes_what_is_in_flight_and_exits_0(start):
    proxy = start(workers=2)
    idle, busy = proxy.connect(), proxy.connect()
    assert idle.recv(100) == b"one "
    assert busy.recv(100) == b"one "
    busy.sendall(b"later 0.5")
    time.sleep(0.05)
    proxy.signal(signal.SIGTERM)
    assert idle.recv(100) == b""
    proxy.wait(proxy.refuses, 1)
    assert busy.recv(100) == b"later 0.5"
    assert proxy.server.process.wait(3) == 0


def test_a_drain_ends_at_its_limit(start):
    proxy = start(drain_s=0.3)
    busy = proxy.connect()
    assert busy.recv(100) == b"one "
    busy.sendall(b"later 30")
    time.sleep(0.05)
    proxy.signal(signal.SIGTERM)
    assert proxy.server.process.wait(3) == 0
    assert "1 connections cut" in proxy.log()


def test_a_second_sigterm_exits_now(start):
    proxy = start(drain_s=30)
    busy = proxy.connect()
    assert busy.recv(100) == b"one "
    busy.sendall(b"later 30")
    time.sleep(0.05)
    proxy.signal(signal.SIGTERM)
    proxy.wait(lambda: "draining for at most" in proxy.log())
    family = descendants(proxy.server.pid)
    proxy.signal(signal.SIGTERM)
    assert proxy.server.process.wait(2) == 0
    assert all(is_gone(pid) for pid in family)


def test_sighup_adds_keeps_and_removes_listeners(start):
    proxy = start(workers=2)
    kept = proxy.connect()
    assert kept.recv(100) == b"one "
    path = str(proxy.path.with_name("sock"))
    proxy.config = {"listeners": {"a": [proxy.ports[0]], "b": [proxy.ports[1]], "c": [path]}, "greeting": "two "}
    proxy.write()
    proxy.signal(signal.SIGHUP)
    proxy.reloaded(2)
    assert [proxy.greeting(port) for port in (proxy.ports[0], proxy.ports[1], path)] == ["two "] * 3
    del proxy.config["listeners"]["b"], proxy.config["listeners"]["c"]
    proxy.write()
    proxy.signal(signal.SIGHUP)
    proxy.reloaded(3)
    with pytest.raises(ConnectionRefusedError):
        proxy.connect(proxy.ports[1])
    assert not os.path.exists(path)
    kept.sendall(b"still here")
    assert kept.recv(100) == b"still here"


def test_a_broken_file_changes_nothing_and_says_why(start):
    proxy = start()
    proxy.path.write_text("{")
    proxy.signal(signal.SIGHUP)
    proxy.wait(lambda: "stays in force" in proxy.log())
    assert "echo.json: Expecting property name" in proxy.log()
    assert proxy.greeting() == "one "


def test_an_address_that_is_taken_changes_nothing_and_says_why(start):
    proxy = start()
    with socket.create_server(("127.0.0.1", proxy.ports[1])):
        proxy.config["listeners"]["b"] = [proxy.ports[1]]
        proxy.write()
        proxy.signal(signal.SIGHUP)
        proxy.wait(lambda: "stays in force" in proxy.log())
    assert f"cannot bind '127.0.0.1:{proxy.ports[1]}': Address already in use" in proxy.log()
    assert proxy.greeting() == "one "


def test_many_reloads_lose_no_connection_and_leak_no_descriptor(start):
    proxy = start()
    kept = proxy.connect()
    assert kept.recv(100) == b"one "

    def descriptors() -> list[int]:
        return [len(os.listdir(f"/proc/{pid}/fd")) for pid in [proxy.server.pid, *descendants(proxy.server.pid)]]

    before = descriptors()
    for turn in range(20):
        proxy.config["listeners"] = {"a": [proxy.ports[0]]} | ({"b": [proxy.ports[1]]} if turn % 2 else {})
        proxy.config["listeners"] = proxy.config["listeners"] if turn < 19 else {"a": [proxy.ports[0]]}
        proxy.write()
        proxy.signal(signal.SIGHUP)
        proxy.reloaded(turn + 2)
        assert proxy.greeting() == "one "
    kept.sendall(b"still here")
    assert kept.recv(100) == b"still here"
    assert descriptors() == before


def test_the_children_die_with_the_supervisor(start):
    proxy = start(workers=2)
    family = descendants(proxy.server.pid)
    assert len(family) == 3
    proxy.signal(signal.SIGKILL)
    proxy.server.process.wait()
    deadline = time.monotonic() + 2
    while not all(is_gone(pid) for pid in family) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert all(is_gone(pid) for pid in family)


def test_a_signal_to_the_whole_group_is_the_supervisors_matter(start):
    proxy = start()
    busy = proxy.connect()
    assert busy.recv(100) == b"one "
    busy.sendall(b"later 0.3")
    time.sleep(0.05)
    for pid in descendants(proxy.server.pid):
        os.kill(pid, signal.SIGINT)
        os.kill(pid, signal.SIGTERM)
    assert busy.recv(100) == b"later 0.3"
    proxy.signal(signal.SIGINT)
    assert proxy.server.process.wait(3) == 0


def test_a_worker_that_cannot_start_ends_the_proxy(tmp_path):
    path = tmp_path / "echo.json"
    path.write_text(json.dumps({"listeners": {}, "greeting": "", "crash": True}))
    server = Server([sys.executable, "-m", "tests.integration.echo_app", str(path), "1", "1"], tmp_path / "log")
    assert server.process.wait(5) == 1
    assert "could not start" in server.log_tail()


def test_a_configuration_that_crashes_workers_is_restarted_ever_slower(start):
    proxy = start()
    proxy.config["crash"] = True
    proxy.write()
    proxy.signal(signal.SIGHUP)
    proxy.wait(lambda: proxy.log().count("exited with status 3") >= 4)
    time.sleep(0.5)
    assert proxy.log().count("exited with status 3") < 12
    proxy.signal(signal.SIGTERM)
    assert proxy.server.process.wait(5) == 0
