"""Plots as inline SVG: dots with whiskers, percentiles on a logarithmic axis, lines with error bars.

Colours are classes of the report's style sheet, so that they follow the reader's light or dark mode.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from pyvoy.bench.intervals import Figure

WIDTH, LABELS, VALUES = 860, 230, 120
ROW, HEADING, AXIS = 21, 30, 34
TALL = 400
"""Above this height the axis stands at the top too."""
_PLOT = WIDTH - LABELS - VALUES
_TICKS = 6


@dataclass(frozen=True, slots=True)
class Mark:
    """One line of a chart: a figure, its colour class, whether it is drawn hollow, the text at its right end."""

    label: str
    figure: Figure
    colour: str
    hollow: bool
    text: str


@dataclass(frozen=True, slots=True)
class Spans:
    """One line of a chart of percentiles, from the smallest to the largest."""

    label: str
    values: Sequence[float]
    colour: str
    hollow: bool
    text: str


@dataclass(frozen=True, slots=True)
class Series:
    """A line chart's series: points with half widths, and the straight line that fits them."""

    label: str
    points: Sequence[tuple[float, Figure]]
    fit: Callable[[float], float]
    fit_from: float
    colour: str
    hollow: bool


def ticks(low: float, high: float, count: int = _TICKS) -> list[float]:
    """Round numbers from `low` to `high`, about so many."""
    rough = max(high - low, 1e-9) / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first = math.ceil(low / step - 1e-9)
    return [index * step for index in range(first, math.floor(high / step + 1e-9) + 1)]


def dots(groups: Sequence[tuple[str, Sequence[Mark]]], unit: str, highest: float | None = None) -> str:
    """Groups of marks over one axis; what lies beyond `highest` is an arrow at the edge with its value beside it."""
    marks = [mark for _, group in groups for mark in group]
    tops = [_top(mark.figure) for mark in marks]
    high = highest if highest is not None and highest < max(tops) else max(tops)
    low = min(0.0, *(max(_bottom(mark.figure), min(mark.figure.value, -high / 4)) for mark in marks))
    high *= 1.05
    scale = _linear(low, high)
    height = sum(HEADING * bool(name) + ROW * len(group) for name, group in groups)
    parts = _grid([(tick, scale(tick)) for tick in ticks(low, high)], height, unit)
    parts.append(_line(scale(0), 0, scale(0), height, "zero"))
    y = 0.0
    for name, group in groups:
        if name:
            parts.append(_text(0, y + HEADING - 9, name, "group"))
            y += HEADING
        for mark in group:
            parts.append(_row(mark, y + ROW / 2, scale, low, high))
            y += ROW
    return _picture(height + AXIS, parts, top=20 if height > TALL else 0)


def percentiles(groups: Sequence[tuple[str, Sequence[Spans]]], unit: str) -> str:
    """Groups of percentiles over one logarithmic axis."""
    values = [max(value, 1e-3) for _, group in groups for span in group for value in span.values]
    low, high = math.log10(min(values)) - 0.05, math.log10(max(values)) + 0.05
    height = sum(HEADING + ROW * len(group) for _, group in groups)

    def scale(value: float) -> float:
        return LABELS + (math.log10(max(value, 1e-3)) - low) / (high - low) * _PLOT

    powers = range(math.floor(low), math.ceil(high) + 1)
    marks = [10.0**power * factor for power in powers for factor in (1, 2, 5)]
    parts = _grid([(mark, scale(mark)) for mark in marks if low <= math.log10(mark) <= high], height, unit)
    y = 0.0
    for name, group in groups:
        parts.append(_text(0, y + HEADING - 9, name, "group"))
        y += HEADING
        for span in group:
            middle = y + ROW / 2
            at = [scale(value) for value in span.values]
            parts.append(_text(LABELS - 12, middle + 4, span.label, "label"))
            parts.append(_line(at[0], middle, at[-1], middle, f"whisker {span.colour}"))
            parts.append(_marker(at[0], middle, span.colour, span.hollow))
            parts += [_line(x, middle - 5, x, middle + 5, f"whisker {span.colour}") for x in at[1:]]
            parts.append(_text(WIDTH, middle + 4, span.text, "value"))
            y += ROW
    return _picture(height + AXIS, parts, top=20 if height > TALL else 0)


def lines(series: Sequence[Series], x_title: str, unit: str) -> str:
    """Series over a common axis, each with the straight line that fits it."""
    height, left, right = 360, 60, WIDTH - 230
    points = [(x, figure) for each in series for x, figure in each.points]
    x_high = max(x for x, _ in points) * 1.04
    y_high = max(_top(figure) for _, figure in points) * 1.05

    def x_at(value: float) -> float:
        return left + value / x_high * (right - left)

    def y_at(value: float) -> float:
        return height - value / y_high * height

    parts = []
    for tick in ticks(0, y_high):
        parts.append(_line(left, y_at(tick), right, y_at(tick), "grid"))
        parts.append(_text(left - 8, y_at(tick) + 4, _plain(tick), "tick end"))
    for x in sorted({x for x, _ in points}):
        parts.append(_text(x_at(x), height + 18, _plain(x), "tick middle"))
    parts.append(_text((left + right) / 2, height + 34, x_title, "tick middle"))
    parts.append(_text(0, -12, unit, "tick"))
    labels = _spread([y_at(each.fit(x_high / 1.04)) for each in series], 17, height)
    for each, label_y in zip(series, labels, strict=True):
        end = x_high / 1.04
        start = (x_at(each.fit_from), y_at(each.fit(each.fit_from)))
        parts.append(_line(*start, x_at(end), y_at(each.fit(end)), f"fit {each.colour}{' dashed' * each.hollow}"))
        for x, figure in each.points:
            if figure.known:
                parts.append(_line(x_at(x), y_at(figure.low), x_at(x), y_at(figure.high), f"whisker {each.colour}"))
            parts.append(_marker(x_at(x), y_at(figure.value), each.colour, each.hollow))
        parts.append(_text(right + 10, label_y + 4, each.label, f"legend {each.colour}"))
    return _picture(height + 44, parts, top=28)


def _row(mark: Mark, y: float, scale: Callable[[float], float], low: float, high: float) -> str:
    figure = mark.figure
    parts = [_text(LABELS - 12, y + 4, mark.label, "label"), _text(WIDTH, y + 4, mark.text, "value")]
    if figure.value > high:
        x = scale(high)
        parts.append(f'<path class="arrow {mark.colour}" d="M{x - 9:.1f} {y - 5:.1f}l9 5l-9 5"/>')
    else:
        if figure.known:
            ends = scale(max(figure.low, low)), scale(min(figure.high, high))
            parts.append(_line(ends[0], y, ends[1], y, f"whisker {mark.colour}"))
        parts.append(_marker(scale(figure.value), y, mark.colour, mark.hollow))
    return f"<g><title>{escape(f'{mark.label}: {mark.text}')}</title>{''.join(parts)}</g>"


def _marker(x: float, y: float, colour: str, hollow: bool) -> str:
    if hollow:
        return f'<path class="dot hollow {colour}" d="M{x:.1f} {y - 5.5:.1f}l5.5 5.5l-5.5 5.5l-5.5 -5.5z"/>'
    return f'<circle class="dot {colour}" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>'


def _linear(low: float, high: float) -> Callable[[float], float]:
    return lambda value: LABELS + (value - low) / (high - low) * _PLOT


def _grid(marks: Sequence[tuple[float, float]], height: float, unit: str) -> list[str]:
    parts = []
    for value, x in marks:
        parts.append(_line(x, 0, x, height, "grid"))
        parts.append(_text(x, height + 16, _plain(value), "tick middle"))
        if height > TALL:
            parts.append(_text(x, -6, _plain(value), "tick middle"))
    parts.append(_text(WIDTH - VALUES, height + 31, unit, "tick end"))
    return parts


def _spread(wanted: Sequence[float], gap: float, limit: float) -> list[float]:
    """The places of labels: near where they are wanted, so far apart that they can be read."""
    order = sorted(range(len(wanted)), key=lambda index: wanted[index])
    placed = [0.0] * len(wanted)
    last = -math.inf
    for index in order:
        last = placed[index] = max(wanted[index], last + gap)
    over = max(0.0, last - limit)
    return [place - over for place in placed]


def _top(figure: Figure) -> float:
    return min(figure.high, 2 * abs(figure.value)) if figure.known else figure.value


def _bottom(figure: Figure) -> float:
    return figure.low if figure.known else figure.value


def _plain(value: float) -> str:
    return f"{value:,.10g}"


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _picture(height: float, parts: Sequence[str], top: float = 0) -> str:
    box = f"0 {-top:g} {WIDTH} {height + top:g}"
    return f'<svg viewBox="{box}" role="img" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
