"""What a load has shown: answers and errors by kind, latencies, and whether the generator kept up.  No I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pyvoy.bench.load.latencies import Latencies
from pyvoy.bench.load.plan import LoadPlan

SCHEMA = 1
CONNECT, TIMEOUT, RESET, PROTOCOL = "connect", "timeout", "reset", "protocol"
CPU_FULL = 0.9
"""A generator that ran or could have run in this part of the time is taken for the bottleneck."""
LAG_LIMIT_US = 5000
"""One request in a hundred may be sent so much later than it was due while a connection was free for it."""
RATE_KEPT = 0.98
"""An achieved rate below this part of the asked one is told."""

Basis = Literal["due", "sent", "wrk"]
"""From when latencies count: from when the request was due; from when it was sent; or from then with wrk's own
correction, which adds what connections would have asked had they kept their pace."""


@dataclass(frozen=True, slots=True)
class Generator:
    """What the generator did of its own.

    `cpu_share`: of a CPU, the busiest process of the embedded engine, the mean of a tool's threads.  `wait_share`: the
    part of the time in which that process could have run and no CPU was free (0 for tools: not known).  `lag`: how
    late it sent what was due while a connection was free; None where it has no schedule."""

    name: str
    version: str
    cpu_share: float
    wait_share: float = 0.0
    lag: Latencies | None = None


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What came back.

    `statuses`: answers by class, `2xx` to `5xx` (from wrk only `2xx-3xx` and `4xx-5xx`).  `errors`: requests without
    an answer, by kind: connect, timeout (also those that no connection was free for), reset, protocol.  `sent` counts
    both.  `elapsed_s` is the time in which `in_time` of the answers came.  `service` counts from the sending where
    `latency` counts from when the request was due."""

    plan: LoadPlan
    generator: Generator
    elapsed_s: float
    sent: int
    in_time: int
    statuses: dict[str, int]
    errors: dict[str, int]
    bytes_received: int
    basis: Basis
    latency: Latencies | None
    service: Latencies | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def answered(self) -> int:
        """Answers of any status."""
        return sum(self.statuses.values())

    @property
    def good(self) -> int:
        """Answers with a status below 400."""
        return sum(count for name, count in self.statuses.items() if name[0] in "123")

    @property
    def failed(self) -> int:
        """Requests without an answer, and answers with 400 and above."""
        return sum(self.errors.values()) + self.answered - self.good

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.in_time / self.elapsed_s if self.elapsed_s else 0.0

    @property
    def warnings(self) -> tuple[str, ...]:
        """What makes the figures say less than they seem to."""
        found = list(self.notes)
        generator = self.generator
        if generator.cpu_share + generator.wait_share >= CPU_FULL:
            waited = f" and waited for one in {generator.wait_share:.0%} of the time" if generator.wait_share else ""
            found.append(
                f"the generator was the bottleneck: {generator.name} used {generator.cpu_share:.0%} of its CPU"
                f"{waited}; give it more --threads or ask for less"
            )
        late_us = generator.lag.percentile_us(99.0) if generator.lag is not None else 0
        if late_us > LAG_LIMIT_US:
            found.append(
                f"the generator was late: 1 % of the requests were sent {late_us / 1000:.1f} ms or more after they "
                "were due although a connection was free, and their latency includes that"
            )
        if self.plan.rate and self.rate < self.plan.rate * RATE_KEPT:
            found.append(f"asked for {self.plan.rate:,.0f} requests a second, achieved {self.rate:,.0f}")
        return tuple(found)

    def as_json(self) -> dict[str, Any]:
        """Plain values; docs/bench-load.md describes them."""
        plan, generator = self.plan, self.generator
        return {
            "schema": SCHEMA,
            "url": plan.url,
            "method": plan.method,
            "protocol": "HTTP/2" if plan.http2 else "HTTP/1.1",
            "connections": plan.connections,
            "streams": plan.streams,
            "threads": plan.threads,
            "asked_rate": plan.rate or None,
            "rate": round(self.rate, 1),
            "elapsed_s": round(self.elapsed_s, 3),
            "sent": self.sent,
            "answered": self.answered,
            "good": self.good,
            "failed": self.failed,
            "statuses": dict(sorted(self.statuses.items())),
            "errors": dict(sorted(self.errors.items())),
            "bytes_received": self.bytes_received,
            "latency_from": self.basis,
            "latency": self.latency.as_json() if self.latency is not None else None,
            "service_time": self.service.as_json() if self.service is not None else None,
            "generator": {
                "name": generator.name,
                "version": generator.version,
                "cpu_share": round(generator.cpu_share, 3),
                "wait_share": round(generator.wait_share, 3),
                "lag": generator.lag.as_json() if generator.lag is not None else None,
            },
            "warnings": list(self.warnings),
        }
