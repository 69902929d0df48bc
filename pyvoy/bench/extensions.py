"""One run of `pyvoy bench extensions`: filters one after the other, then chains and workers, then isolation.

Everything that is started lies in a temporary folder and ends with the run, whatever happens.
"""

from __future__ import annotations

import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Protocol

from pyvoy.bench import faults, group, isolation, scale
from pyvoy.bench.driver import Ask, LoadError
from pyvoy.bench.forms import Subject
from pyvoy.bench.measure import machine
from pyvoy.bench.peers import Contender, Peer, Place
from pyvoy.bench.plan import Plan, share_s
from pyvoy.bench.ports import PortSource
from pyvoy.bench.process import StartError
from pyvoy.bench.results import Results
from pyvoy.bench.rounds import Track
from pyvoy.bench.upstream import ACCOUNT_PATH, start_upstream

HEADERS = {"authorization": "Bearer good", "x-canary": "true", "user-agent": "pyvoy-bench"}
"""The load is the same for all filters: each finds something to do in it."""
FAULT_S = 2.5
"""About how long an experiment takes."""
FOREIGN_LIMIT = 0.05
LATE_LIMIT_MS = 1.0
SPREAD_LIMIT = 0.05
_LIBRARIES = ("wasmtime", "lupa", "uvloop", "httptools", "grpcio")


class View(Protocol):
    """Who is told what goes on."""

    def part(self, name: str) -> None:
        """A new section."""

    def tell(self, text: str, planned_s: float) -> None:
        """What begins now, and how long it should take."""


@dataclass(frozen=True, slots=True)
class Group:
    """A filter with the forms that are measured, and how it is asked."""

    name: str
    subjects: Sequence[Subject]
    ask: Ask


@dataclass(frozen=True, slots=True)
class Run:
    """What is measured in which proxies; `budget_s` above 0: rounds go on until so many seconds are over."""

    groups: Sequence[Group]
    peers: Sequence[Peer]
    plan: Plan
    budget_s: float = 0.0

    def prepared(self) -> Prepared:
        """The run with its contenders, and how long it will take; a leaner plan where even the least does not fit."""
        each = [group.contenders(one.subjects, self.peers) for one in self.groups]
        subjects = [subject for one in self.groups for subject in one.subjects]
        chosen = scale.representatives(subjects) if self.plan.scale_rounds else []
        chains = scale.chains(chosen, self.peers) if chosen else []
        workers = scale.workers(chosen, self.peers) if chosen else []
        mechanisms = sorted({subject.mechanism for subject in subjects})
        experiments_s = FAULT_S * _experiments(self.peers, mechanisms) if self.plan.isolation else 0.0
        peers = [one.peer.name for found in each for one in found]
        plan = self.plan
        rest_s = experiments_s + scale.planned_s([*chains, *workers], plan)
        if self.budget_s and rest_s + plan.least_s(peers) > self.budget_s:
            plan = plan.leaner()
            rest_s = experiments_s + scale.planned_s([*chains, *workers], plan)
        total_s = max(rest_s + plan.least_s(peers), self.budget_s)
        return Prepared(replace(self, plan=plan), each, chains, workers, mechanisms, rest_s, total_s)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A run whose length is known: `rest_s` of it for chains, workers and isolation."""

    run: Run
    contenders: Sequence[Sequence[Contender]]
    chains: Sequence[Contender]
    workers: Sequence[Contender]
    mechanisms: Sequence[str]
    rest_s: float
    total_s: float


def cores() -> tuple[frozenset[int], frozenset[int]]:
    """The core of the proxies, and those of load and upstream; the same one where there is no other."""
    usable = sorted(os.sched_getaffinity(0))
    return frozenset(usable[:1]), frozenset(usable[1:2] or usable)


def execute(prepared: Prepared, view: View) -> Results:
    """Measure everything.  Raises StartError when the upstream does not start."""
    run = prepared.run
    _raise_descriptor_limit()
    proxy_cpus, load_cpus = cores()
    results = Results(_facts(run.peers), _settings(run.plan))
    ports = PortSource()
    try:
        with tempfile.TemporaryDirectory(prefix="pyvoy-bench-") as name:
            folder = Path(name)
            (port,) = ports.take(1)
            upstream = start_upstream(folder / "upstream", port, set(load_cpus))
            try:
                track = Track(Ask(), Place(folder, ports, proxy_cpus, port), load_cpus, view.tell)
                _measure(prepared, track, view, results)
            finally:
                upstream.stop()
    finally:
        ports.close()
    results.warnings += _warnings(results, track, proxy_cpus == load_cpus)
    return results


def _measure(prepared: Prepared, track: Track, view: View, results: Results) -> None:
    run = prepared.run
    filters_end_s = time.monotonic() + run.budget_s - prepared.rest_s
    left = sum(len(contenders) for contenders in prepared.contenders)
    for one, contenders in zip(run.groups, prepared.contenders, strict=True):
        view.part(one.name)
        now_s = time.monotonic()
        until_s = now_s + share_s(filters_end_s - now_s, len(contenders), left)
        left -= len(contenders)
        results.rows += group.measure(one.name, contenders, replace(track, ask=one.ask), run.plan, until_s)
    asked = replace(track, ask=run.groups[0].ask)
    if prepared.chains:
        view.part("chains")
        results.chain += scale.measure(prepared.chains, asked, run.plan)
        view.part("workers")
        everywhere = frozenset(os.sched_getaffinity(0))
        results.workers += scale.measure(prepared.workers, scale.with_place(asked, everywhere), run.plan)
    if run.plan.isolation:
        view.part("isolation")
        _isolate(prepared, track, view.tell, results)


def _isolate(prepared: Prepared, track: Track, tell: Callable[[str, float], None], results: Results) -> None:
    place = replace(track.place, cpus=frozenset(os.sched_getaffinity(0)))
    for setting, contender in faults.contenders(prepared.run.peers, prepared.mechanisms, place.folder):
        for fault in faults.FAULTS:
            tell(f"{contender.peer.name} {setting.mechanism}: {fault}", FAULT_S)
            try:
                results.isolation.append(isolation.run(setting, contender, fault, place))
            except (StartError, LoadError) as error:
                results.warnings.append(f"isolation of {setting.mechanism} in {contender.peer.name}: {error}")


def _experiments(peers: Sequence[Peer], mechanisms: Sequence[str]) -> int:
    return sum(
        len(faults.FAULTS) for setting in faults.SETTINGS for peer in peers if faults.tried(setting, peer, mechanisms)
    )


def _facts(peers: Sequence[Peer]) -> dict[str, object]:
    libraries = {}
    for name in _LIBRARIES:
        try:
            libraries[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    versions = {peer.name: peer.version for peer in peers}
    return {**machine(), "usable_cores": len(os.sched_getaffinity(0)), "versions": versions, "libraries": libraries}


def _settings(plan: Plan) -> dict[str, object]:
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d"), **asdict(plan)}


def _warnings(results: Results, track: Track, shared: bool) -> list[str]:
    """What makes the figures say less than they seem to."""
    found = []
    if shared:
        found.append("there is one core only: load and upstream took time from the proxies")
    if track.foreign and (share := statistics.fmean(track.foreign)) > FOREIGN_LIMIT:
        found.append(f"other processes took {share:.0%} of the proxies' core: measure on a quiet machine")
    if track.late_ms and (late_ms := statistics.median(track.late_ms)) > LATE_LIMIT_MS:
        found.append(f"the load generator was late by {late_ms:.1f} ms (p99): latencies are no better than that")
    if track.overloaded:
        rate = results.settings["rate"]
        found.append(f"{rate:g} requests a second were too many for {', '.join(sorted(track.overloaded))}")
    wide = [
        row.filter
        for row in results.rows
        if row.mechanism == group.NONE
        and "cpu_us" in row.figures
        and row.figures["cpu_us"].half > SPREAD_LIMIT * row.figures["cpu_us"].value
    ]
    if wide:
        found.append(
            f"the CPU time of a proxy without a filter is uncertain by more than {SPREAD_LIMIT:.0%} "
            f"beside {', '.join(sorted(set(wide)))}: more rounds (--repeat) narrow it"
        )
    return found


def _raise_descriptor_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def default_ask(path: str = ACCOUNT_PATH.decode(), clients: int = 0) -> Ask:
    """The request of the gallery's load."""
    return Ask(path, HEADERS, clients=clients)
