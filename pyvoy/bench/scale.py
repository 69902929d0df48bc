"""Longer chains and more workers: whether the cost of a filter stays the same for each one more."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace

from pyvoy.bench import intervals
from pyvoy.bench.forms import RUNS_IN, Subject
from pyvoy.bench.peers import Contender, Peer, start
from pyvoy.bench.plan import CHAIN_LENGTHS, OVERHEAD_S, START_S, WORKERS, Plan
from pyvoy.bench.process import StartError
from pyvoy.bench.results import ScalePoint
from pyvoy.bench.rounds import Lane, Track

WARM_S = 0.3


def chains(subjects: Sequence[Subject], peers: Sequence[Peer]) -> list[Contender]:
    """Each proxy with chains of none, one, four, eight and sixteen of the same filter."""
    found = [Contender(peer) for peer in peers]
    found += [
        Contender(peer, subject, count=length)
        for subject in subjects
        for peer in peers
        if peer.name in RUNS_IN[subject.mechanism] and subject.mechanism != "ext_proc"
        for length in CHAIN_LENGTHS
    ]
    return found


def workers(subjects: Sequence[Subject], peers: Sequence[Peer]) -> list[Contender]:
    """pyvoy with one worker and with two, without a filter and with one of each mechanism."""
    return [
        Contender(peer, subject, workers=count)
        for peer in peers
        if peer.name == "pyvoy"
        for subject in [None, *(each for each in subjects if "pyvoy" in RUNS_IN[each.mechanism])]
        for count in WORKERS
    ]


def measure(chosen: Sequence[Contender], track: Track, plan: Plan) -> list[ScalePoint]:
    """A point for each contender that serves, in rounds of all of them."""
    with ExitStack() as stack:
        lanes = []
        for each in chosen:
            track.tell(f"{each.name}: start", START_S[each.peer.name])
            try:
                running = start(each, track.place)
            except StartError:
                continue  # the row of this filter says why
            stack.callback(running.stop)
            lanes.append(Lane(running))
        track.warm_up(lanes, WARM_S)
        track.cpu(lanes, plan.scale_rounds, plan.seconds)
        return [_point(lane) for lane in lanes if not lane.failure]


def planned_s(chosen: Sequence[Contender], plan: Plan) -> float:
    """How long that should take."""
    loads = (plan.scale_rounds * plan.seconds + WARM_S + (plan.scale_rounds + 1) * OVERHEAD_S) * len(chosen)
    return loads + sum(START_S[each.peer.name] for each in chosen)


def representatives(subjects: Sequence[Subject]) -> list[Subject]:
    """One form of each mechanism, the smallest, of the first filter: what chains are made of."""
    ours = [each for each in subjects if each.filter == subjects[0].filter and each.mechanism != "ext_proc"]
    found: dict[str, Subject] = {}
    for subject in sorted(ours, key=lambda each: each.artifact_bytes):
        found.setdefault(subject.mechanism, subject)
    return sorted(found.values(), key=ours.index)


def _point(lane: Lane) -> ScalePoint:
    contender = lane.running.contender
    count = contender.count if contender.subject else 0
    cpu, rate = (intervals.mean(lane.samples[name]) for name in ("cpu_us", "saturated"))
    form = contender.subject.form if contender.subject else contender.mechanism
    return ScalePoint(contender.peer.name, contender.mechanism, form, count, contender.workers, cpu, rate)


def with_place(track: Track, cpus: frozenset[int]) -> Track:
    """The same track with proxies and load on other cores."""
    return replace(track, place=replace(track.place, cpus=cpus), load_cpus=cpus)
