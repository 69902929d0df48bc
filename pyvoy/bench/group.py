"""All that is measured of one filter: its forms in every proxy that has their mechanism, beside proxies without it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace

from pyvoy.bench import intervals
from pyvoy.bench.driver import LoadError, saturate
from pyvoy.bench.forms import RUNS_IN, Subject
from pyvoy.bench.intervals import Figure
from pyvoy.bench.peers import Contender, Peer, start, why_refused
from pyvoy.bench.plan import INSTANCES, OVERHEAD_S, RELOAD_S, START_S, STOP_S, Plan
from pyvoy.bench.process import StartError
from pyvoy.bench.results import Row
from pyvoy.bench.rounds import Lane, Track, worker_bytes

NONE = "none"
IN_PROCESS = ("python", "lua", "wasm")
"""The mechanisms whose instances live in the worker."""
WARM_S = 0.3


def contenders(subjects: Sequence[Subject], peers: Sequence[Peer]) -> list[Contender]:
    """Each proxy without a filter, then every form in every proxy that has its mechanism."""
    found = [Contender(peer) for peer in peers]
    found += [
        Contender(peer, subject) for subject in subjects for peer in peers if peer.name in RUNS_IN[subject.mechanism]
    ]
    used = {each.peer.name for each in found if each.subject}
    return [each for each in found if each.peer.name in used]


def measure(name: str, chosen: Sequence[Contender], track: Track, plan: Plan, until_s: float = 0.0) -> list[Row]:
    """The rows of one filter; the first of each proxy is the one without.  Rounds go on until `until_s` (monotonic)."""
    rows = [_row(name, each) for each in chosen]
    with ExitStack() as stack:
        lanes: list[Lane | None] = []
        for row, each in zip(rows, chosen, strict=True):
            lane = _started(row, each, track)
            lanes.append(lane)
            if lane is not None:
                stack.callback(lane.running.stop)
        running = [lane for lane in lanes if lane]
        _loads(running, track, plan)
        _more_rounds(running, track, plan, until_s)
        late = until_s and time.monotonic() + _to_come_s(running, plan.starts) > until_s
        track.starts(running, 0 if late else plan.starts - 1)
    bases = {each.peer.name: lane for each, lane in zip(chosen, lanes, strict=True) if lane and not each.subject}
    for row, each, lane in zip(rows, chosen, lanes, strict=True):
        if lane is None:
            continue
        base = bases.get(each.peer.name)
        if base is None or base.failure or lane.failure:
            row.refused = lane.failure or f"{each.peer.name} without a filter could not be measured"
            continue
        row.figures = _figures(lane.samples, base.samples if each.subject else None)
        if each.mechanism in IN_PROCESS:
            _add_instances(row.figures, each, track, lane.samples["worker_mib"][0])
    return rows


def _row(name: str, contender: Contender) -> Row:
    subject = contender.subject
    if subject is None:
        return Row(name, NONE, NONE, contender.peer.name)
    return Row(
        name,
        subject.form,
        subject.mechanism,
        contender.peer.name,
        artifact_bytes=subject.artifact_bytes,
        source_lines=subject.source_lines,
    )


def _started(row: Row, contender: Contender, track: Track) -> Lane | None:
    track.tell(f"{contender.name}: start", START_S[contender.peer.name])
    try:
        lane = Lane(start(contender, track.place))
    except StartError as error:
        row.refused = why_refused(error)
        return None
    lane.note("start_cold_ms", lane.running.start_s * 1000)
    return lane


def _loads(lanes: Sequence[Lane], track: Track, plan: Plan) -> None:
    track.warm_up(lanes, WARM_S)
    track.memory(lanes)
    track.cpu(lanes, plan.rounds, plan.seconds)
    track.latency(lanes, plan.rate_rounds, plan.rate_seconds, plan.rate)
    for lane in lanes:
        track.reloads([lane], plan.reloads, RELOAD_S[lane.running.contender.peer.name])


def _more_rounds(lanes: Sequence[Lane], track: Track, plan: Plan, until_s: float) -> None:
    """Further rounds at saturation, as long as there is time for them beside what is still to come."""
    able = [lane for lane in lanes if not lane.failure]
    to_come_s = _to_come_s(able, plan.starts)
    round_s = len(able) * (plan.seconds + OVERHEAD_S)
    for number in range(plan.rounds, plan.most_rounds):
        if time.monotonic() + to_come_s + round_s > until_s:
            break
        track.cpu(able, 1, plan.seconds, first=number)


def _to_come_s(lanes: Sequence[Lane], starts: int) -> float:
    """How long the starts will take that follow: those from full and empty caches, and the one of the instances."""
    return sum(2 * starts * (lane.running.start_s + STOP_S) for lane in lanes)


def _figures(samples: Mapping[str, Sequence[float]], base: Mapping[str, Sequence[float]] | None) -> dict[str, Figure]:
    found = {}
    for measure_name, values in samples.items():
        latency = measure_name.startswith("p") and measure_name.endswith("_ms")
        found[measure_name] = intervals.resampled(values) if latency else intervals.mean(values)
    if base is not None and "cpu_us" in base:
        found["added_us"] = intervals.difference(samples["cpu_us"], base["cpu_us"])
        found["added_mib"] = intervals.difference(samples["worker_mib"], base["worker_mib"])
        for name in ("cold", "cached"):
            pairs = zip(samples[f"start_{name}_ms"], base[f"start_{name}_ms"], strict=True)
            found[f"load_{name}_ms"] = intervals.resampled([mine - theirs for mine, theirs in pairs])
    return found


def _add_instances(figures: dict[str, Figure], contender: Contender, track: Track, of_one_mib: float) -> None:
    """The memory of a chain of so many, against that of one: what one instance more takes."""
    track.tell(f"{contender.name}: memory of instances", START_S[contender.peer.name])
    try:
        running = start(replace(contender, count=INSTANCES, own_vms=True), track.place)
    except StartError:
        return
    try:
        saturate(track.ask, running.port, WARM_S, track.load_cpus)
        more_kib = worker_bytes(running) / 1024 - of_one_mib * 1024
    except LoadError:
        return
    finally:
        running.stop()
    figures["instance_kib"] = intervals.mean([more_kib / (INSTANCES - 1)])
