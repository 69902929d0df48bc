"""`pyvoy bench compare A.json B.json`: what changed beyond noise between two runs of `extensions`.  Prints."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(arguments: list[str], make_parser: type[argparse.ArgumentParser]) -> int:
    """Print what changed; 1 when a file is none of ours, or with --check when something got worse."""
    parser = make_parser(
        prog="pyvoy bench compare",
        description="What changed beyond noise between two runs of pyvoy bench extensions.",
        allow_abbrev=False,
    )
    parser.add_argument("before", metavar="A.json", help="the results of the first run")
    parser.add_argument("after", metavar="B.json", help="the results of the second")
    parser.add_argument("--check", action="store_true", help="end with status 1 when something got worse")
    args = parser.parse_args(arguments)
    from pyvoy.bench.compare import as_markdown, compared
    from pyvoy.bench.results import ResultsError, read

    try:
        before, after = read(Path(args.before)), read(Path(args.after))
    except ResultsError as error:
        print(f"pyvoy bench compare: {error}", file=sys.stderr)
        return 1
    print(as_markdown(before, after), end="")
    worse = any(each.is_real and not each.is_better for each in compared(before, after))
    return 1 if args.check and worse else 0
