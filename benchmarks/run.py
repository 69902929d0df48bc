"""Measure pyvoy beside Envoy, nginx and HAProxy: python benchmarks/run.py [--scenario NAME] [--rounds N] [--check]

CPU microseconds of all the proxy's processes for each request; the proxy on one core, load and upstream on the other;
contenders interleaved round by round; ratios to Envoy are medians over the rounds.
"""

import argparse
import resource
import shlex
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import contenders, report  # noqa: E402
from benchmarks.scenarios import LOAD_CPU, Setting  # noqa: E402
from benchmarks.table import SCENARIOS  # noqa: E402
from pyvoy.bench.measure import machine  # noqa: E402
from pyvoy.bench.upstream import start_body_upstream, start_http2_upstream, start_upstream  # noqa: E402
from tests.support.ports import free_ports  # noqa: E402


def arguments(words: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--scenario", action="append", choices=names, help="only these (repeatable)")
    parser.add_argument("--contender", action="append", help="only these (repeatable)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of load for each contender in a round")
    parser.add_argument("--connections", type=int, default=5000, help="idle connections")
    parser.add_argument("--name", default="latest", help="of the files in benchmarks/results")
    parser.add_argument("--subject", default="", help="command that stands for pyvoy")
    parser.add_argument("--check", action="store_true", help="end with status 1 when a bar does not hold")
    return parser.parse_args(words)


def main(words: list[str]) -> int:
    """Run the scenarios, print and write the table."""
    options = arguments(words)
    _raise_descriptor_limit()
    subject = shlex.split(options.subject) or contenders.default_subject()
    names = options.contender or ["pyvoy", "envoy", "nginx", "haproxy"]
    able = contenders.installed(names, subject)
    facts: dict[str, Any] = {**machine(), "versions": {each.name: each.version for each in able}}
    facts |= {"rounds": options.rounds, "seconds": options.seconds}
    chosen = [scenario for scenario in SCENARIOS if not options.scenario or scenario.name in options.scenario]
    results: report.Results = []
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        port, body_port, http2_port = free_ports(3)
        upstream = start_upstream(Path(name) / "upstream", port, LOAD_CPU)
        body_upstream = start_body_upstream(Path(name) / "body-upstream", body_port, LOAD_CPU)
        http2_upstream = start_http2_upstream(Path(name) / "http2-upstream", http2_port, LOAD_CPU)
        try:
            setting = Setting(options.rounds, options.seconds, port, body_port, Path(name), options.connections)
            setting = replace(setting, http2_upstream=http2_port if http2_upstream else 0)
            for scenario in chosen:
                print(f"{scenario.name}: {scenario.title}", file=sys.stderr, flush=True)
                results.append((scenario, scenario.measure(able, setting)))
        finally:
            upstream.stop()
            body_upstream.stop()
            if http2_upstream:
                http2_upstream.stop()
    print(report.as_markdown(results, facts))
    print("written to", report.write(results, facts, ROOT / "benchmarks" / "results", options.name).relative_to(ROOT))
    return _verdict(results) if options.check else 0


def _verdict(results: report.Results) -> int:
    missed = report.missed(results)
    print("\n".join(f"bar missed: {text}" for text in missed) or "all bars hold")
    return 1 if missed else 0


def _raise_descriptor_limit() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
