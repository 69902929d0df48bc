"""What each filter did to one request: what it saw, what it changed, what it decided, and its cost.

Recorded only where the configuration was built with tracing on, and only for requests with the header
`x-pyvoy-trace`.  Between any two filters of the chain stands an observer that notes what passes; each filter's
callbacks are timed.  So a change is known whoever makes it and whenever, coroutines and resumed bodies included.
"""

from __future__ import annotations

from typing import Any

from pyvoy.http.headers import HeaderMap
from pyvoy.observe.details import flags_text

HEADER = b"x-pyvoy-trace"
SAMPLE_BYTES = 2048
"""How much of a body is kept at each place."""
_SHOWN = 60
_MAX_STEPS = 500
"""Callbacks that are noted one by one; the cost of further ones is still added up.  Log lines are bounded likewise."""
_MAX_CALLS = 200
"""Host calls of a callback."""

Json = dict[str, Any]


class Passed:
    """What has passed one place in one direction."""

    __slots__ = ("at_us", "body", "body_bytes", "ended", "headers", "trailers")

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] | None = None
        self.trailers: list[tuple[bytes, bytes]] | None = None
        self.body = b""
        self.body_bytes = 0
        self.at_us = 0
        self.ended = False

    def add(self, data: bytes, end: bool) -> None:
        """A piece of the body."""
        self.body_bytes += len(data)
        if len(self.body) < SAMPLE_BYTES:
            self.body += data[: SAMPLE_BYTES - len(self.body)]
        self.ended = self.ended or end

    def json(self) -> Json | None:
        """Plain values; None when nothing has passed."""
        if self.headers is None:
            return None
        return {
            "at_us": self.at_us,
            "headers": texts(self.headers),
            "body": self.body.decode("utf-8", "backslashreplace"),
            "body_bytes": self.body_bytes,
            "trailers": None if self.trailers is None else texts(self.trailers),
            "ended": self.ended,
        }


class Trace:
    """The trace of one stream.  `places` are those before, between and behind the filters, client first."""

    __slots__ = (
        "_calls",
        "_costs_us",
        "_other_calls",
        "_start_s",
        "filters",
        "identity",
        "lines",
        "request",
        "response",
        "steps",
    )

    def __init__(self, identity: str, filters: tuple[str, ...], start_s: float) -> None:
        self.identity = identity
        self.filters = filters
        self._start_s = start_s
        self.request = [Passed() for _ in range(len(filters) + 1)]
        self.response = [Passed() for _ in range(len(filters) + 1)]
        self.steps: list[Json] = []
        self.lines: list[Json] = []
        self._costs_us = [0.0] * len(filters)
        self._calls: list[str] = []
        self._other_calls: list[str] = []

    def now_us(self, now_s: float) -> int:
        """Microseconds since the request came."""
        return int((now_s - self._start_s) * 1e6)

    def call(self, line: str) -> None:
        """A filter's code has called the host: in the callback that runs, or outside of all (the answer of a call)."""
        if len(self._calls) < _MAX_CALLS:
            self._calls.append(line)

    def begin(self) -> None:
        """A callback begins: what was called before belongs to none."""
        if self._calls:
            self._other_calls += self._calls
            self._calls = []

    @property
    def other_calls(self) -> list[str]:
        """Host calls outside of callbacks."""
        return self._other_calls + self._calls

    def step(self, index: int, event: str, began_us: int, cost_us: float, decided: str) -> None:
        """A filter's callback has returned."""
        self._costs_us[index] += cost_us
        if len(self.steps) < _MAX_STEPS:
            step = {"filter": index, "event": event, "at_us": began_us, "cost_us": round(cost_us, 1), "did": decided}
            self.steps.append({**step, "calls": self._calls})
            self._calls = []

    def line(self, index: int, side: str, at_us: int, level: str, place: str, text: str) -> None:
        """A filter has something to say, from this place of its code, about the request or the response."""
        if len(self.lines) < _MAX_STEPS:
            said = {"level": level, "place": place, "text": text[:SAMPLE_BYTES]}
            self.lines.append({"filter": index, "side": side, "at_us": at_us, **said})

    def json(self, stream: Any, now_s: float) -> Json:
        """The whole trace as plain values, when the stream has ended."""
        info = stream.info
        filters = zip(self.filters, self._costs_us, strict=True)
        return {
            "id": self.identity,
            "start_s": info.start_wall_s,
            "duration_us": self.now_us(now_s),
            "status": info.response_code,
            "details": info.response_code_details or "",
            "flags": flags_text(info.response_flags),
            "route": info.route_name,
            "cluster": info.upstream_cluster,
            "host": info.upstream_host.address.text if info.upstream_host is not None else "",
            "filters": [{"name": name, "cost_us": round(cost, 1)} for name, cost in filters],
            "steps": self.steps,
            "other_calls": self.other_calls,
            "lines": self.lines,
            "request": [passed.json() for passed in self.request],
            "response": [passed.json() for passed in self.response],
        }


def texts(pairs: list[tuple[bytes, bytes]]) -> list[list[str]]:
    """Headers for people."""
    return [[name.decode("latin-1"), value.decode("latin-1")] for name, value in pairs]


def identity_of(headers: HeaderMap) -> str:
    """The id that a client gave its trace: what is printable of it."""
    text = (headers.get(HEADER) or b"").decode("latin-1")
    return (
        "".join(letter for letter in text if (letter.isascii() and letter.isalnum()) or letter in "-_.")[:64] or "trace"
    )


def said_text(line: Json) -> str:
    """A log line of a filter for people: level, place, text."""
    place = f"{line['place']}: " if line["place"] else ""
    return f"{line['level']:<9} {place}{line['text']}"


def changes(before: Json | None, after: Json | None) -> list[str]:
    """What differs between two places, as a diff: `+ name: value`, `- name: value`, `~ body: 5 -> 7 bytes`."""
    if before is None or after is None:
        return []
    found = _pair_changes(before["headers"], after["headers"])
    if before["body_bytes"] != after["body_bytes"] or before["body"] != after["body"]:
        found.append(f"~ body: {before['body_bytes']} -> {after['body_bytes']} bytes")
        found += _body_changes(before["body"], after["body"])
    found += [f"{line} (trailer)" for line in _pair_changes(before["trailers"] or [], after["trailers"] or [])]
    return found


def _body_changes(before: str, after: str) -> list[str]:
    """From where two bodies differ on, as far as a line of a terminal goes."""
    differing = (n for n, (old, new) in enumerate(zip(before, after, strict=False)) if old != new)
    start = max(0, next(differing, min(len(before), len(after))) - 10)
    lines = []
    for sign, text in (("-", before), ("+", after)):
        shown = text[start : start + _SHOWN].replace("\n", "\\n").replace("\r", "\\r")
        if shown:
            more = "…" if len(text) > start + _SHOWN else ""
            lines.append(f"{sign} {'…' if start else ''}{shown}{more} (body)")
    return lines


def _pair_changes(before: list[list[str]], after: list[list[str]]) -> list[str]:
    old, new = list(map(tuple, before)), list(map(tuple, after))
    gone = [f"- {pair[0]}: {pair[1]}" for pair in _without(old, new)]
    return gone + [f"+ {pair[0]}: {pair[1]}" for pair in _without(new, old)]


def _without(pairs: list[Any], others: list[Any]) -> list[Any]:
    left = list(others)
    found = []
    for pair in pairs:
        if pair in left:
            left.remove(pair)
        else:
            found.append(pair)
    return found
