"""`pyvoy bench extensions` and `pyvoy bench FILE`: what filters cost.  Parses and prints."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvoy.bench.extensions import Group, Prepared, Run
    from pyvoy.bench.plan import Plan
    from pyvoy.bench.results import Results

SUFFIXES = (".py", ".lua", ".wasm")
MECHANISMS = ("python", "lua", "wasm", "ext_proc")
NEEDED = ("rich", "jinja2", "hdrh")
FULL_S, QUICK_S = 540.0, 45.0
"""The seconds that a full run and a quick one take: rounds go on until then."""
QUICK_FILTERS = ("add_header",)
DESCRIPTION = """Measure what filters cost: every filter of the gallery in every form (Python, Lua, Wasm), in pyvoy and,
where it is installed, in Envoy, on the same load and in turns; the same with chains of up to 16 filters and with two
workers; and what a crash, a loop without end and a memory hog in each mechanism do to other requests."""


def main(arguments: list[str], make_parser: type[argparse.ArgumentParser]) -> int:
    """Measure, write the files, print the table; 1 when it cannot be done."""
    file = arguments.pop(0) if arguments and arguments[0].endswith(SUFFIXES) else ""
    args = _parser(make_parser, file).parse_args(arguments)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        print(f"pyvoy bench: it needs {', '.join(missing)}: pip install 'pyvoy-sidecar[bench]'", file=sys.stderr)
        return 1
    from pyvoy.bench.forms import SubjectError
    from pyvoy.bench.load import LoadError
    from pyvoy.bench.process import StartError

    try:
        prepared = _run(args, file).prepared()
        results = _execute(prepared)
    except (SubjectError, StartError, LoadError, OSError) as error:
        print(f"pyvoy bench: {error}", file=sys.stderr)
        return 1
    _write(results, Path(args.out))
    return 0 if any(row.figures for row in results.rows if row.mechanism != "none") else 1


def _parser(make_parser: type[argparse.ArgumentParser], file: str) -> argparse.ArgumentParser:
    parser = make_parser(
        prog=f"pyvoy bench {file or 'extensions'}",
        description=DESCRIPTION if not file else "Measure what a filter of your own costs, as the gallery is measured.",
        allow_abbrev=False,
    )
    if file:
        parser.add_argument("--config", metavar="YAML", default="", help="the filter's configuration")
        parser.add_argument("--root-id", metavar="ID", help="of a Wasm module from elsewhere (default: none)")
        parser.add_argument("--path", default="/account", help="what is asked for (default %(default)s, a small JSON)")
        parser.add_argument("-H", "--header", action="append", default=[], metavar="NAME: VALUE", help="a header more")
        parser.add_argument("--clients", type=int, default=0, help="let x-client go round so many values")
    else:
        parser.add_argument("--filter", action="append", default=[], metavar="NAME", help="only this one (repeatable)")
        parser.add_argument(
            "--mechanism", action="append", default=[], choices=MECHANISMS, help="only this one (repeatable)"
        )
        parser.add_argument(
            "--gallery", default="", metavar="FOLDER", help="the folder of the filters (default: filters)"
        )
    parser.add_argument(
        "--peer", action="append", default=[], choices=("pyvoy", "envoy"), help="only this proxy (repeatable)"
    )
    parser.add_argument("--quick", action="store_true", help="one filter, few rounds, under a minute")
    parser.add_argument("--repeat", type=int, default=0, metavar="N", help="rounds (default: what fits into the time)")
    parser.add_argument("--seconds", type=float, default=0.0, help="of load at saturation in each round")
    parser.add_argument("--rate", type=float, default=0.0, help="requests a second where latency is measured")
    parser.add_argument("--no-scale", action="store_true", help="leave out chains and workers")
    parser.add_argument("--no-isolation", action="store_true", help="leave out the filters that misbehave")
    parser.add_argument(
        "--out",
        default="extensions",
        metavar="PATH",
        help="write PATH.json, .md and .html (default %(default)s)",
    )
    return parser


def _run(args: argparse.Namespace, file: str) -> Run:
    from pyvoy.bench.extensions import Run
    from pyvoy.bench.peers import PEERS, installed
    from pyvoy.bench.plan import FULL, QUICK

    plan = _adjusted(QUICK if args.quick else FULL, args, file)
    groups = [_own(args, Path(file))] if file else _gallery(args)
    budget_s = 0.0 if args.repeat else QUICK_S if args.quick else FULL_S
    return Run(groups, installed(args.peer or PEERS), plan, budget_s)


def _adjusted(plan: Plan, args: argparse.Namespace, file: str) -> Plan:
    """The plan as the options want it; isolation is a matter of the mechanism, not of a user's filter."""
    more: dict[str, Any] = {}
    if args.repeat:
        fewer = ("scale_rounds", "rate_rounds", "starts", "reloads")
        more |= {
            "rounds": args.repeat,
            "most_rounds": args.repeat,
            **{name: min(getattr(plan, name), args.repeat) for name in fewer},
        }
    if args.seconds:
        more |= {"seconds": args.seconds, "rate_seconds": min(plan.rate_seconds, args.seconds)}
    if args.rate:
        more["rate"] = args.rate
    if args.no_scale:
        more["scale_rounds"] = 0
    if args.no_isolation or file:
        more["isolation"] = False
    return replace(plan, **more)


def _gallery(args: argparse.Namespace) -> list[Group]:
    import yaml

    from pyvoy.bench.extensions import Group, default_ask
    from pyvoy.bench.forms import gallery

    folder = Path(args.gallery) if args.gallery else _default_gallery()
    names = args.filter or (QUICK_FILTERS if args.quick else ())
    subjects = gallery(folder, names, args.mechanism)
    groups = []
    for name in dict.fromkeys(subject.filter for subject in subjects):
        told = folder / name / "bench.yaml"
        asked = yaml.safe_load(told.read_text()) if told.exists() else {}
        forms = [subject for subject in subjects if subject.filter == name]
        groups.append(Group(name, forms, default_ask(clients=asked.get("clients", 0))))
    return groups


def _default_gallery() -> Path:
    """The gallery of the working directory, else of the checkout that this code stands in."""
    here = Path("filters")
    return here if here.is_dir() else Path(__file__).parents[2] / "filters"


def _own(args: argparse.Namespace, file: Path) -> Group:
    import yaml

    from pyvoy.bench.driver import Ask
    from pyvoy.bench.extensions import HEADERS, Group
    from pyvoy.bench.forms import SubjectError, own

    try:
        config = yaml.safe_load(args.config) if args.config else None
    except yaml.YAMLError as error:
        raise SubjectError(f"--config is no YAML: {error}") from error
    if config is not None and not isinstance(config, dict):
        raise SubjectError("--config is no mapping of names to values")
    headers = dict(HEADERS)
    for text in args.header:
        name, colon, value = text.partition(":")
        if not colon:
            raise SubjectError(f"{text!r} is no header: write NAME: VALUE")
        headers[name.strip().lower()] = value.strip()
    return Group(file.stem, [own(file, config, args.root_id)], Ask(args.path, headers, clients=args.clients))


def _execute(prepared: Prepared) -> Results:
    from rich.console import Console

    from pyvoy.bench.extensions import execute
    from pyvoy.bench.progress import ProgressView

    console = Console(stderr=True)
    count = sum(len(each) for each in prepared.contenders)
    plan = prepared.run.plan
    console.print(f"{count} contenders, at least {plan.rounds} rounds, about {prepared.total_s / 60:.1f} minutes")
    with ProgressView(prepared.total_s, console) as view:
        return execute(prepared, view)


def _write(results: Results, out: Path) -> None:
    from pyvoy.bench.html import as_html
    from pyvoy.bench.markdown import as_markdown
    from pyvoy.bench.results import dumps

    out.parent.mkdir(parents=True, exist_ok=True)
    for suffix, render in ((".json", dumps), (".md", as_markdown), (".html", as_html)):
        Path(f"{out}{suffix}").write_text(render(results), encoding="utf-8")
    print(as_markdown(results))
    print(f"written: {out}.json, {out}.md, {out}.html")
