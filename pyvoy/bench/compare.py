"""What changed between two runs beyond noise: figures whose difference has an interval without zero."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pyvoy.bench import text
from pyvoy.bench.intervals import Figure, beyond_noise, change
from pyvoy.bench.results import MEASURES, Incident, Measure, Results, ScalePoint

_SAME = ("cpu", "cores", "usable_cores", "kernel", "python")


@dataclass(frozen=True, slots=True)
class Change:
    """A figure in both runs: what it is, its values, its change with an interval."""

    what: str
    measure: str
    before: Figure
    after: Figure

    @property
    def moved(self) -> Figure:
        """The change."""
        return change(self.before, self.after)

    @property
    def is_real(self) -> bool:
        """It is beyond noise."""
        return beyond_noise(self.moved)

    @property
    def is_better(self) -> bool:
        """It goes in the good direction."""
        return (self.moved.value > 0) == self._measure.more_is_better

    @property
    def _measure(self) -> Measure:
        return MEASURES[self.measure]


def compared(before: Results, after: Results) -> list[Change]:
    """Every figure that both runs have with an interval."""
    found = []
    for row in after.rows:
        old = before.row(*row.key)
        for measure, figure in row.figures.items():
            if old is not None and measure in old.figures and measure in MEASURES:
                found.append(Change(f"{row.filter}, {text.row_name(row)}", measure, old.figures[measure], figure))
    for points, old_points in ((after.chain, before.chain), (after.workers, before.workers)):
        known = {_key(point): point for point in old_points}
        for point in points:
            if (match := known.get(_key(point))) is not None:
                found.append(Change(_point_name(point), "cpu_us", match.cpu_us, point.cpu_us))
                found.append(Change(_point_name(point), "saturated", match.saturated, point.saturated))
    return [each for each in found if each.moved.known]


def notes(before: Results, after: Results) -> list[str]:
    """What makes the comparison say less: other machines, what only one run has, and faults that end otherwise."""
    found = [
        f"the runs differ in {name}: {before.machine.get(name)} and {after.machine.get(name)}"
        for name in _SAME
        if before.machine.get(name) != after.machine.get(name)
    ]
    ours, theirs = ({row.key for row in results.rows if not row.refused} for results in (after, before))
    for title, keys in (("only before", theirs - ours), ("only after", ours - theirs)):
        if keys:
            found.append(f"{title}: {', '.join(' '.join(key) for key in sorted(keys))}")
    return [*found, *_incidents(before.isolation, after.isolation)]


def as_markdown(before: Results, after: Results) -> str:
    """What a person reads: what got worse, what got better, and how much of all that was compared."""
    changes = compared(before, after)
    real = [each for each in changes if each.is_real]
    lines = [f"{len(changes)} figures compared, {len(real)} changed beyond noise (95 % intervals).", ""]
    lines += [f"- {note}" for note in notes(before, after)]
    for title, better in (("Worse", False), ("Better", True)):
        part = [each for each in real if each.is_better is better]
        if part:
            lines += ["", f"## {title}", "", *_table(part)]
    return "\n".join(lines) + "\n"


def _table(changes: Sequence[Change]) -> Iterator[str]:
    yield "| what | figure | before | after | change |"
    yield "|---|---|---:|---:|---:|"
    for each in changes:
        measure = MEASURES[each.measure]
        moved = each.moved
        share = f" ({moved.value / each.before.value:+.0%})" if each.before.value > 0 else ""
        cells = (text.shown(figure, each.measure) for figure in (each.before, each.after))
        sign = "+" if moved.value > 0 else ""
        told = f"{sign}{text.shown(moved, each.measure)}{share}"
        yield f"| {each.what} | {measure.title}, {measure.unit} | {' | '.join(cells)} | {told} |"


def _incidents(before: Sequence[Incident], after: Sequence[Incident]) -> Iterator[str]:
    known = {_incident_key(each): each for each in before}
    for each in after:
        old = known.get(_incident_key(each))
        if old is not None and text.verdict(old) != text.verdict(each):
            name = f"{each.fault} in {text.form_name(each.mechanism)}, {text.PROXIES[each.peer]}"
            yield f"{name}{', guarded' * each.guarded}: {text.others(old)}; now {text.others(each)}"


def _incident_key(incident: Incident) -> tuple[str, str, bool, str]:
    return incident.peer, incident.mechanism, incident.guarded, incident.fault


def _key(point: ScalePoint) -> tuple[str, str, int, int]:
    return point.peer, point.form, point.filters, point.workers


def _point_name(point: ScalePoint) -> str:
    name = f"{text.form_name(point.form)} in {text.PROXIES[point.peer]}"
    return f"{name}, chain of {point.filters}, {point.workers} worker{'s' * (point.workers > 1)}"
