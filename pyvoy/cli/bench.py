"""`pyvoy bench ...`: measure.  Each subcommand is a module of its own with `main(arguments, make_parser)`.

Only finds the module and hands on; modules are imported when they are asked for.
"""

from __future__ import annotations

import argparse
import importlib
import sys

COMMANDS: dict[str, tuple[str, str]] = {
    "load": ("pyvoy.cli.bench_load", "put load on a URL and show how long the answers took"),
}
"""The subcommands: their modules and what the usage says of them."""


def main(arguments: list[str], make_parser: type[argparse.ArgumentParser]) -> int:
    """`pyvoy bench ...`; `make_parser` makes the argument parsers of this command line."""
    if not arguments or arguments[0] not in COMMANDS:
        asked = bool(arguments) and arguments[0] in ("-h", "--help")
        if arguments and not asked:
            print(f"pyvoy bench: there is no {arguments[0]!r}", file=sys.stderr)
        print(usage(), file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 1
    module, _ = COMMANDS[arguments[0]]
    return int(importlib.import_module(module).main(arguments[1:], make_parser))


def usage() -> str:
    """What there is to measure with."""
    lines = [f"  pyvoy bench {name:<12}{summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(["usage: pyvoy bench COMMAND [options]", "", *lines, "", "pyvoy bench COMMAND --help tells more."])
