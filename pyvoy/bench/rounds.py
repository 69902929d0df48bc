"""The measurements on started proxies: they take turns, so that what the machine does meanwhile meets all of them.

CPU per request at saturation, latency at a fixed rate, memory, reloads.  The order turns round with each round.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pyvoy.bench.bootstrap import VERSION_PATH
from pyvoy.bench.driver import Ask, LoadError, at_rate, saturate
from pyvoy.bench.measure import busy_s, family_cpu_s, own_pss_bytes
from pyvoy.bench.peers import Place, Running
from pyvoy.bench.plan import START_S
from pyvoy.bench.process import StartError

RELOAD_LIMIT_S = 20.0
RATE_KEPT = 0.95
_POLL_S = 0.002

Tell = Callable[[str, float], None]
"""What is going on, and how many seconds of the plan are done with it."""


@dataclass(slots=True)
class Lane:
    """A started proxy and its samples by measure, one a round; `failure` ends its part in what follows."""

    running: Running
    samples: dict[str, list[float]] = field(default_factory=dict)
    failure: str = ""

    def note(self, measure: str, value: float) -> None:
        """One more sample."""
        self.samples.setdefault(measure, []).append(value)


@dataclass(slots=True)
class Track:
    """What all measurements share: how to ask, whom, from where; and what the machine did beside us."""

    ask: Ask
    place: Place
    load_cpus: frozenset[int]
    tell: Tell
    foreign: list[float] = field(default_factory=list)
    """The share of the proxy's cores that others took, one value for each load at saturation."""
    late_ms: list[float] = field(default_factory=list)
    """How late the generator was, one value for each load at a fixed rate."""
    overloaded: set[str] = field(default_factory=set)
    """Who did not keep that rate."""

    def warm_up(self, lanes: Sequence[Lane], seconds: float) -> None:
        """A load that is not counted: compilers and caches come to rest.  Who answers badly is out."""
        for lane in lanes:
            self._turn(lane, "warming up", seconds, lambda lane: self._saturate(lane, seconds))

    def cpu(self, lanes: Sequence[Lane], rounds: int, seconds: float, *, first: int = 0) -> None:
        """CPU microseconds of a request, and requests a second, at saturation; `first` numbers the first round."""
        for number in range(first, first + rounds):
            for lane in _turned(lanes, number):
                self._turn(lane, "CPU", seconds, lambda lane: self._cpu_round(lane, seconds))

    def latency(self, lanes: Sequence[Lane], rounds: int, seconds: float, rate: float) -> None:
        """Percentiles of the latency at a fixed rate."""

        def one(lane: Lane) -> None:
            found = at_rate(self.ask, lane.running.port, rate, seconds, self.load_cpus)
            self.late_ms.append(found.late_ms)
            if found.rate < RATE_KEPT * rate:
                self.overloaded.add(lane.running.contender.title)
            lane.note("p50_ms", found.p50_ms)
            lane.note("p99_ms", found.p99_ms)
            lane.note("p999_ms", found.p999_ms)

        for number in range(rounds):
            for lane in _turned(lanes, number):
                self._turn(lane, "latency", seconds, one)

    def memory(self, lanes: Sequence[Lane]) -> None:
        """Memory of the workers (and of an ext_proc server), after some load."""
        for lane in lanes:
            if not lane.failure:
                lane.note("worker_mib", worker_bytes(lane.running) / 2**20)

    def starts(self, lanes: Sequence[Lane], more: int) -> None:
        """Milliseconds of starts with filled caches, and of so many more with empty ones; the proxies run no more."""

        def again(lane: Lane) -> None:
            for _ in range(more):
                lane.running.stop()
                lane.running.forget()
                lane.running.start()
                lane.note("start_cold_ms", lane.running.start_s * 1000)
            for _ in range(more + 1):
                lane.running.restart()
                lane.note("start_cached_ms", lane.running.start_s * 1000)
            lane.running.stop()

        for lane in lanes:
            peer = lane.running.contender.peer.name
            self._turn(lane, "starts", (2 * more + 1) * START_S[peer], again)

    def reloads(self, lanes: Sequence[Lane], times: int, planned_s: float) -> None:
        """From the signal until a new connection gets an answer of the new configuration."""
        for number in range(times):
            for lane in _turned(lanes, number):
                self._turn(lane, "reload", planned_s, self._reload)

    def _turn(self, lane: Lane, what: str, planned_s: float, measure: Callable[[Lane], None]) -> None:
        self.tell(f"{lane.running.contender.name}: {what}", planned_s)
        if lane.failure:
            return
        try:
            measure(lane)
        except (LoadError, StartError) as error:
            lane.failure = f"{what}: {' '.join(str(error).split())[:300]}"

    def _saturate(self, lane: Lane, seconds: float) -> None:
        saturate(self.ask, lane.running.port, seconds, self.load_cpus)

    def _cpu_round(self, lane: Lane, seconds: float) -> None:
        pids, cpus = lane.running.pids, self.place.cpus
        before, busy_before = family_cpu_s(*pids), sum(busy_s(cpu) for cpu in cpus)
        began = time.monotonic()
        answered = saturate(self.ask, lane.running.port, seconds, self.load_cpus)
        used, taken = family_cpu_s(*pids) - before, time.monotonic() - began
        busy = sum(busy_s(cpu) for cpu in cpus) - busy_before
        if not cpus & self.load_cpus:
            self.foreign.append(max(0.0, (busy - used) / (taken * len(cpus))))
        lane.note("cpu_us", used * 1e6 / answered.requests)
        lane.note("per_core", answered.requests / used)
        lane.note("saturated", answered.requests / answered.seconds)

    def _reload(self, lane: Lane) -> None:
        version = lane.running.reload()
        began = time.monotonic()
        client = 0
        while self._version(lane.running.port, client) != str(version):
            if time.monotonic() - began > RELOAD_LIMIT_S:
                raise LoadError(f"no new configuration after {RELOAD_LIMIT_S:g} s")
            time.sleep(_POLL_S)
            client += 1
        lane.note("reload_ms", (time.monotonic() - began) * 1000)

    def _version(self, port: int, client: int) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=RELOAD_LIMIT_S)
        try:
            # Each poll is another client: a filter that limits clients must not answer in place of the route.
            connection.request("GET", VERSION_PATH, headers={**self.ask.headers, "x-client": f"poll-{client}"})
            return connection.getresponse().read().decode(errors="replace")
        except (OSError, http.client.HTTPException):
            return ""
        finally:
            connection.close()


def worker_bytes(running: Running) -> float:
    """Memory (PSS) of one worker: the mean of all, with a share of the ext_proc server where there is one."""
    workers = running.workers
    helper = own_pss_bytes(running.helper_pid) if running.helper_pid else 0
    return (sum(own_pss_bytes(pid) for pid in workers) + helper) / len(workers)


def _turned(lanes: Sequence[Lane], number: int) -> list[Lane]:
    """The lanes in the order of a round: there and back, so that no lane always comes first."""
    return list(lanes) if number % 2 == 0 else list(reversed(lanes))
