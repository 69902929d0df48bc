"""Statistics as lines of the statsd protocol, in the dialects that differ in where tags go.  Pure.

Counters are told as what they have grown by since the last time, gauges as they are.  Of a histogram every bin of the
last interval is one line, with a sample rate where it stands for several values.
Source: Envoy's UdpStatsdSink, TcpStatsdSink and Graphite sink (lines observed on Envoy 1.40); the statsd protocol.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.stats.distribution import Distribution
    from pyvoy.stats.merge import Snapshot
    from pyvoy.stats.tags import TagExtractor


class Dialect(Enum):
    """Where tags go: PLAIN has none, and names with the tags in them."""

    PLAIN = 0
    DOG = 1
    GRAPHITE = 2


class StatsdWriter:
    """Writes one sink's lines; remembers the counters that it has told."""

    def __init__(self, prefix: str, dialect: Dialect) -> None:
        self._prefix = prefix
        self._dialect = dialect
        self._told: Mapping[str, int] = {}

    def lines(self, snapshot: Snapshot, tags: TagExtractor) -> Iterator[str]:
        """All that was ever used."""
        told, self._told = self._told, {name: snapshot.counters[name] for name in snapshot.used_counters}
        for name, value in self._told.items():
            before = told.get(name, 0)
            # A counter that was reset begins anew.
            yield self._line(name, value - before if value >= before else value, "c", tags)
        for name in snapshot.used_gauges:
            yield self._line(name, snapshot.gauges[name], "g", tags)
        for name, histogram in snapshot.histograms.items():
            for middle, count in _values(histogram.interval):
                rate = "" if count == 1 else f"|@{1 / count:.6g}"
                yield self._line(name, f"{middle:g}", f"ms{rate}", tags)

    def _line(self, name: str, value: int | str, kind: str, tags: TagExtractor) -> str:
        if self._dialect is Dialect.PLAIN:
            return f"{self._prefix}.{name}:{value}|{kind}"
        tagged = tags.extract(name)
        if self._dialect is Dialect.GRAPHITE:
            graphite = "".join(f";{key}={text}" for key, text in tagged.tags)
            return f"{self._prefix}.{tagged.name}{graphite}:{value}|{kind}"
        dog = ",".join(f"{key}:{text}" for key, text in tagged.tags)
        return f"{self._prefix}.{tagged.name}:{value}|{kind}{'|#' + dog if dog else ''}"


def _values(interval: Distribution) -> Iterator[tuple[float, int]]:
    """The value that each bin stands for, and how many there were: whole numbers below a hundred are exact."""
    for low, width, count in interval.details():
        yield (low if width <= 1 else low + width / 2), count


def packed(lines: Iterator[str], max_bytes: int) -> Iterator[bytes]:
    """Lines joined into datagrams of at most so many bytes; 0: each is its own."""
    waiting = b""
    for line in lines:
        data = line.encode()
        if waiting and len(waiting) + 1 + len(data) <= max_bytes:
            waiting += b"\n" + data
            continue
        if waiting:
            yield waiting
        waiting = data
    if waiting:
        yield waiting
