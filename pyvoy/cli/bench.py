"""`pyvoy bench ...`: measure.  Each subcommand is a module of its own with `main(arguments, make_parser)`.

Only finds the module and hands on; modules are imported when they are asked for.
"""

from __future__ import annotations

import argparse
import importlib
import sys

COMMANDS: dict[str, tuple[str, str]] = {
    "extensions": ("pyvoy.cli.bench_extensions", "what filters cost, in every language, in pyvoy and in Envoy"),
    "compare": ("pyvoy.cli.bench_compare", "what changed beyond noise between two runs of `extensions`"),
    "load": ("pyvoy.cli.bench_load", "put load on a URL and show how long the answers took"),
}
"""The subcommands: their modules and what the usage says of them."""
FILES = (".py", ".lua", ".wasm")
"""A file of these is a filter: it is measured as `extensions` measures the gallery."""


def main(arguments: list[str], make_parser: type[argparse.ArgumentParser]) -> int:
    """`pyvoy bench ...`; `make_parser` makes the argument parsers of this command line."""
    if arguments and arguments[0].endswith(FILES):
        return int(importlib.import_module(COMMANDS["extensions"][0]).main(arguments, make_parser))
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
    head = ["usage: pyvoy bench COMMAND [options]", "       pyvoy bench FILE [options]"]
    own = f"  pyvoy bench {'FILE':<12}what a filter of your own costs (.py, .lua, .wasm)"
    return "\n".join([*head, "", *lines, own, "", "pyvoy bench COMMAND --help tells more."])
