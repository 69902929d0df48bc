"""Print what Envoy and the subject did with some cases: python -m tests.parity.show WORD..."""

import sys
import tempfile
from pathlib import Path

from tests.parity.cases import CASES
from tests.parity.compare import compare, statuses, table
from tests.parity.run import Observation, allocated, observe
from tests.support.proxies import envoy, subject


def show(observation: Observation) -> None:
    """One proxy's view."""
    if observation.refused:
        print("refused:", observation.refused)
    for exchange in observation.exchanges:
        print(f"client ({exchange.end}): {exchange.raw[:3000]!r}")
    for name, connections in observation.seen.items():
        for connection in connections:
            for message in connection.requests:
                print(f"upstream {name} ({connection.end}): {message}")
            if connection.rest:
                print(f"upstream {name} ({connection.end}) rest: {connection.rest[:2000]!r}")
    for line in observation.log:
        print("log:", line)
    for line in observation.said:
        print("said:", line)
    moved = {name: value for name, value in observation.stats.items() if value}
    print("stats:", ", ".join(f"{name}={value}" for name, value in moved.items()))


def main(words: list[str]) -> None:
    """Cases whose id contains one of the words; `--both` shows the subject too."""
    both = "--both" in words
    words = [word for word in words if not word.startswith("--")]
    cases = [case for case in CASES if not words or any(word in case.id for word in words)]
    oracle = envoy()
    assert oracle, "the real Envoy is not installed"
    with allocated(cases) as ports, tempfile.TemporaryDirectory() as name:
        seen = observe(oracle, cases, ports, Path(name) / "oracle")
        ours = observe(subject(), cases, ports, Path(name) / "subject") if both else {}
    for case in cases:
        print(f"\n=== {case.id}: want {case.want!r}, Envoy {statuses(seen[case.id])!r}")
        show(seen[case.id])
        if both:
            print("--- subject")
            print(table(compare(case, ports[case.id], seen[case.id], ours[case.id])) or "  the same")


if __name__ == "__main__":
    main(sys.argv[1:])
