"""`pyvoy bench load URL`: put load on a URL and show how long the answers took.  Parses and prints."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from pyvoy.bench.load import LoadError, LoadPlan, PlanError, run_load
from pyvoy.bench.load.plan import ENGINES, parse_duration_s
from pyvoy.bench.load.text import as_text

DESCRIPTION = """Put load on a URL and show how long the answers took.

With --rate the requests become due by the clock, whether or not earlier ones were answered, and each latency counts
from the moment its request was due: a target that stalls cannot hide it. Without --rate each connection asks again
as soon as it has its answer."""


def main(arguments: list[str], make_parser: type[argparse.ArgumentParser]) -> int:
    """Load, print; the status is 1 when nothing was answered."""
    args = parser_of(make_parser).parse_args(arguments)
    try:
        result = run_load(plan_of(args))
    except (LoadError, OSError) as error:
        print(f"pyvoy bench load: {error}", file=sys.stderr)
        return 1
    print(json.dumps(result.as_json(), indent=1) if args.json else as_text(result, histogram=args.histogram))
    return 0 if result.answered else 1


def parser_of(make_parser: type[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    """The options."""
    parser = make_parser(
        prog="pyvoy bench load",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("url", metavar="URL", help="http:// or https://; certificates are not verified")
    add("-c", "--connections", type=int, default=32, metavar="N", help="connections in all (default %(default)s)")
    add("-r", "--rate", type=float, default=None, metavar="R", help="requests a second (default: as many as it can)")
    add("-d", "--duration", default="10s", metavar="TIME", help="how long (default %(default)s; 500ms, 2m)")
    add("-n", "--requests", type=int, default=None, metavar="N", help="so many requests instead of a duration")
    add("--warm-up", default="1s", metavar="TIME", help="load before anything counts (default %(default)s)")
    add("--timeout", default="10s", metavar="TIME", help="longest wait for an answer (default %(default)s)")
    add("-t", "--threads", "--processes", type=int, default=1, metavar="N", help="of the generator (default 1)")
    add("-X", "--method", default="", help="method (default GET, with a body POST)")
    add("-H", "--header", action="append", default=[], metavar="NAME: VALUE", help="a request header")
    add("-b", "--body", default="", metavar="TEXT", help="the request body; @FILE takes it from a file")
    add("--http2", action="store_true", help="speak HTTP/2 (over TLS by ALPN, else with prior knowledge)")
    add("--streams", type=int, default=1, metavar="N", help="requests at once on each HTTP/2 connection (default 1)")
    add("--close", action="store_true", help="a new connection for each request")
    add("--unique-paths", action="store_true", help="put a number behind the path, another for each request")
    add("--engine", choices=ENGINES, default="auto", help="who asks (default: the fastest one that can)")
    add("--histogram", action="store_true", help="print the whole distribution of the latencies")
    add("--json", action="store_true", help="print the result as JSON")
    return parser


def plan_of(args: argparse.Namespace) -> LoadPlan:
    """What the command line asks for.  Raises PlanError, and OSError for a body that cannot be read."""
    if args.rate is not None and args.rate <= 0:
        raise PlanError("--rate must be above 0")
    if args.requests is not None and args.requests < 1:
        raise PlanError("--requests must be at least 1")
    body = Path(args.body[1:]).read_bytes() if args.body.startswith("@") else args.body.encode()
    return LoadPlan(
        url=args.url,
        connections=args.connections,
        streams=args.streams,
        threads=args.threads,
        rate=args.rate or 0.0,
        duration_s=_seconds("--duration", args.duration),
        requests=args.requests or 0,
        warm_up_s=_seconds("--warm-up", args.warm_up),
        timeout_s=_seconds("--timeout", args.timeout),
        method=args.method or ("POST" if body else "GET"),
        headers=tuple(_header(text) for text in args.header),
        body=body,
        http2=args.http2,
        close=args.close,
        unique_paths=args.unique_paths,
        engine=args.engine,
    )


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration_s(text)
    except PlanError as error:
        raise PlanError(f"{option}: {error}") from None


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise PlanError(f"--header: {text!r} is no header: write NAME: VALUE")
    return name.strip(), value.strip()
