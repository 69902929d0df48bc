"""The proxies that are measured, pyvoy and the real Envoy, and how one is started with a filter before its router."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyvoy.bench import bootstrap
from pyvoy.bench.ext_proc.configuration import EXT_PROC_CLUSTER, entry, server_command
from pyvoy.bench.forms import Subject
from pyvoy.bench.measure import version
from pyvoy.bench.ports import PortSource
from pyvoy.bench.process import Server, StartError, answers, descendants, http_get

START_LIMIT_S = 60.0
PEERS = ("pyvoy", "envoy")


@dataclass(frozen=True, slots=True)
class Peer:
    """An installed proxy: its name, the command before `-c FILE`, its version."""

    name: str
    command: tuple[str, ...]
    version: str


def installed(names: Sequence[str] = PEERS) -> list[Peer]:
    """The proxies among `names` that are there; pyvoy is always."""
    found = []
    if "pyvoy" in names:
        command = (sys.executable, "-m", "pyvoy")
        found.append(Peer("pyvoy", command, version([*command, "--version"])))
    if "envoy" in names and (program := envoy_program()):
        found.append(
            Peer("envoy", (program, "--disable-hot-restart", "--use-dynamic-base-id"), version([program, "--version"]))
        )
    return found


def envoy_program() -> str | None:
    """The real Envoy, by its script beside the interpreter, else from PATH.

    The Python package `envoy` is no proof: the protobuf messages live in a package of that name too.
    """
    beside = Path(sys.executable).with_name("envoy")
    return str(beside) if beside.exists() else shutil.which("envoy")


@dataclass(frozen=True, slots=True)
class Contender:
    """A proxy with so many of one filter before its router (no subject: with none), and so many workers.

    `filters` stand before the router in place of the subject's own entries where they are given; `limits` is more for
    the listener and the bootstrap (isolation)."""

    peer: Peer
    subject: Subject | None = None
    count: int = 1
    workers: int = 1
    own_vms: bool = False
    listener: Mapping[str, Any] = field(default_factory=dict)
    extras: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """For folders and progress."""
        filter_name, form = (self.subject.filter, self.subject.form) if self.subject else ("none", "none")
        return f"{self.peer.name}-{filter_name}-{form}-{self.count}-{self.workers}"

    @property
    def title(self) -> str:
        """For people."""
        what = f"{self.subject.filter} ({self.subject.form})" if self.subject else "no filter"
        return f"{what} in {self.peer.name}"

    @property
    def mechanism(self) -> str:
        """The mechanism, or `none`."""
        return self.subject.mechanism if self.subject else "none"


@dataclass(frozen=True, slots=True)
class Place:
    """Where contenders run: a folder, ports, the cores of the proxy, and the port of the upstream."""

    folder: Path
    ports: PortSource
    cpus: frozenset[int]
    upstream: int


class Running:
    """A started contender; `start_s` is how long it took from the start of its process to its first answer."""

    def __init__(self, contender: Contender, place: Place, home: Path) -> None:
        self.contender = contender
        self.home = home
        self.port, self.admin = place.ports.take(2)
        self._upstream = place.upstream
        self._cpus = set(place.cpus)
        self._version = 1
        self._server: Server | None = None
        self._helper: Server | None = None
        self.start_s = 0.0

    @property
    def pid(self) -> int:
        """The proxy's first process."""
        assert self._server is not None
        return self._server.pid

    @property
    def pids(self) -> list[int]:
        """Everything whose CPU time counts: the proxy, and the server of an ext_proc filter."""
        return [self.pid, self._helper.pid] if self._helper else [self.pid]

    @property
    def workers(self) -> list[int]:
        """The processes that serve traffic: those of pyvoy that carry it in their name, all of Envoy."""
        if self.contender.peer.name == "envoy":
            return [max([self.pid, *descendants(self.pid)], key=_threads)]
        return [pid for pid in descendants(self.pid) if _name(pid).startswith("pyvoy-worker")] or [self.pid]

    def forget(self) -> None:
        """Empty its caches: the next start is a cold one."""
        shutil.rmtree(self.home / "cache", ignore_errors=True)

    @property
    def helper_pid(self) -> int | None:
        """The server of an ext_proc filter."""
        return self._helper.pid if self._helper else None

    def start(self) -> None:
        """Start and wait until it answers.  Raises StartError with what it said."""
        if self.contender.mechanism == "ext_proc":
            self._start_helper()
        path = self._write()
        options = ["-c", str(path), "--concurrency", str(self.contender.workers), "-l", "warning"]
        began = time.monotonic()
        cache = {"PYVOY_WASM_CACHE": str(self.home / "cache")}
        self._server = Server([*self.contender.peer.command, *options], self.home / "log", cache, self._cpus)
        self._server.wait_ready(self._ready, START_LIMIT_S, 0.002)
        self.start_s = time.monotonic() - began

    def _ready(self) -> bool:
        """It answers.  Raises StartError when Envoy has refused its listeners: it would go on without any."""
        if answers(self.port, bootstrap.VERSION_PATH)():
            return True
        if self.contender.peer.name == "envoy":
            with contextlib.suppress(OSError):
                rejected = http_get(self.admin, "/stats?filter=listener_manager.lds.update_rejected", 1.0)
                if int(rejected.split()[-1]) > 0:
                    raise StartError(f"envoy refused its listener\n{self.log_tail()}")
        return False

    def restart(self) -> None:
        """Stop and start again, with what the first start left in its caches."""
        self.stop()
        self.start()

    def reload(self) -> int:
        """Have the configuration read again; returns the version that the new one answers."""
        self._version += 1
        self._write()
        if self.contender.peer.name == "pyvoy":
            os.kill(self.pid, signal.SIGHUP)
        return self._version

    @property
    def alive(self) -> bool:
        """The proxy's first process runs."""
        return self._server is not None and self._server.process.poll() is None

    @property
    def helper_alive(self) -> bool:
        """The server of an ext_proc filter runs."""
        return self._helper is not None and self._helper.process.poll() is None

    def stop(self, patience_s: float = 8.0) -> None:
        """End all its processes; kill them when they have not ended in time."""
        for server in (self._server, self._helper):
            if server is not None:
                server.stop(patience_s)
        self._server = self._helper = None

    def log_tail(self) -> str:
        """The end of what the proxy wrote."""
        path = self.home / "log"
        return path.read_text(errors="replace")[-4000:] if path.exists() else ""

    def _write(self) -> Path:
        contender = self.contender
        upstream = bootstrap.address(self._upstream)
        clusters = [bootstrap.cluster("service", upstream), bootstrap.cluster("auth", upstream)]
        filters: list[dict[str, Any]] = []
        if contender.subject and contender.mechanism == "ext_proc":
            clusters.append(bootstrap.grpc_cluster(EXT_PROC_CLUSTER, str(self._socket)))
            filters = entry(contender.subject.file, contender.count)
        elif contender.subject:
            filters = contender.subject.entries(contender.count, own_vms=contender.own_vms)
        listener = {**bootstrap.http_listener(self.port, filters, self._version), **contender.listener}
        if contender.peer.name == "pyvoy":
            config = {**bootstrap.bootstrap(self.admin, [listener], clusters), **contender.extras}
            return _put(self.home / "bootstrap.json", config)
        # Envoy has no signal for it: its listeners come from a file that is moved into place.
        listeners = _put(self.home / "listeners.json", bootstrap.listeners_file([listener], self._version))
        config = {**bootstrap.watching(self.admin, str(listeners), clusters), **contender.extras}
        return _put(self.home / "bootstrap.json", config)

    @property
    def _socket(self) -> Path:
        return self.home / "sock"  # short: the path of a Unix socket has 107 bytes at most

    def _start_helper(self) -> None:
        assert self.contender.subject is not None
        self._socket.unlink(missing_ok=True)
        command = server_command(self.contender.subject.file, self._socket)
        address = {"AUTH_ADDRESS": f"127.0.0.1:{self._upstream}"}
        self._helper = Server(command, self.home / "ext_proc.log", address, self._cpus)
        self._helper.wait_ready(self._socket.exists, START_LIMIT_S)


def start(contender: Contender, place: Place) -> Running:
    """Start a contender.  Raises StartError; nothing is left running then."""
    home = place.folder / contender.name
    number = 0
    while home.exists():
        number += 1
        home = place.folder / f"{contender.name}.{number}"
    home.mkdir(parents=True)
    running = Running(contender, place, home)
    try:
        running.start()
    except BaseException:
        running.stop()
        raise
    return running


def why_refused(error: StartError) -> str:
    """What a proxy said when it would not start with a filter, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "rejected: " in line] or [line for line in lines if "error" in line.lower()]
    text = (telling or lines or ["it does not start"])[0].rpartition("rejected: ")[2].rstrip(":")
    return text if len(text) <= 200 else text[:199] + "…"


def _put(path: Path, content: Mapping[str, Any]) -> Path:
    """Write beside and move into place: who watches the folder sees whole files only."""
    beside = path.with_suffix(".new")
    beside.write_text(json.dumps(content, indent=1))
    return beside.replace(path)


def _name(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _threads(pid: int) -> int:
    with contextlib.suppress(OSError):
        return len(list(Path(f"/proc/{pid}/task").iterdir()))
    return 0
