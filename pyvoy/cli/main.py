"""The `pyvoy` command: Envoy's flags at top level, the same as subcommands, and what only pyvoy has.

`pyvoy -c x.yaml` is what `envoy -c x.yaml` is; `pyvoy run`, `pyvoy validate` and `pyvoy demo` are for people.
Parses and prints; the work is done by `pyvoy.server` and `pyvoy.config`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import NoReturn

from pyvoy.cli import flags
from pyvoy.server.identity import version_text
from pyvoy.server.options import Options

DESCRIPTION = "An L4/L7 sidecar proxy in pure Python that runs unmodified Envoy v3 bootstraps."
EPILOG = """commands:
  pyvoy run FILE          serve (the same as pyvoy -c FILE); with --dev edits are live within a second
  pyvoy validate FILE     check a bootstrap and list everything that is wrong with it
  pyvoy validate --support
                          print the table of supported configuration
  pyvoy demo              a small service behind one filter in three languages, side by side
  pyvoy filter new NAME   write a filter that runs at once
  pyvoy filter test PATH  run a filter, or its tests, without a server
  pyvoy wasm inspect FILE what a Wasm module is, and whether it would run
  pyvoy wasm build [DIR]  build the Wasm filters of a folder from their sources
  pyvoy wasm run FILE     run a Wasm module against a request, without a proxy
  pyvoy trace URL         send a request and show what each filter did to it
  pyvoy bench FILE        what a filter of your own costs (.py, .lua, .wasm)
  pyvoy bench extensions  what filters cost in every language, in pyvoy and in Envoy
  pyvoy bench load URL    put load on a URL and show how long the answers took

All other flags of Envoy are accepted and change nothing here. SIGTERM drains and exits, SIGHUP reloads the
bootstrap, SIGUSR1 reopens the logs."""


class Parser(argparse.ArgumentParser):
    """Exits with 1 as Envoy does, and shows the usage in one line."""

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and exit."""
        self.exit(1, f"{self.prog}: {message}\nFor usage type: {self.prog} --help\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    commands: dict[str, Callable[[list[str]], int]] = {
        "run": run,
        "validate": validate,
        "demo": demo,
        "filter": filter_,
        "trace": trace,
        "wasm": wasm,
        "bench": bench,
    }
    command = commands[arguments.pop(0)] if arguments and arguments[0] in commands else envoy
    try:
        status = command(arguments)
        sys.stdout.flush()
    except flags.FlagError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # `| head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def envoy(arguments: list[str]) -> int:
    """Envoy's own command line."""
    parser = Parser(
        "pyvoy",
        usage="pyvoy -c FILE [options]\n       pyvoy {run,validate,demo,filter,wasm,trace,bench} [options]",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    flags.add_configuration(parser)
    flags.add_running(parser)
    flags.add_logging(parser)
    flags.add_accepted(parser)
    parser.add_argument("--mode", metavar="MODE", default="serve", help="serve (default) or validate")
    parser.add_argument("--version", action="store_true", help="print the version")
    parser.add_argument("--hot-restart-version", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.version:
        print(f"\n{parser.prog}  version: {version_text()}\n")
        return 0
    if args.hot_restart_version:
        print("disabled")
        return 0
    if args.mode not in ("serve", "validate"):
        raise flags.FlagError(f"error: unknown mode '{args.mode}'")
    options = flags.options_from(args)
    return _validate(options) if args.mode == "validate" else _serve(options)


def run(arguments: list[str]) -> int:
    """`pyvoy run FILE`."""
    parser = Parser("pyvoy run", description="Serve a bootstrap.", allow_abbrev=False)
    parser.add_argument("file", metavar="FILE", nargs="?", default="", help="bootstrap, YAML or JSON")
    parser.add_argument(
        "--dev", action="store_true", help="reload what was edited within a second; show failures of filters to clients"
    )
    parser.add_argument(
        "--trace",
        action="store_true",
        help="let requests with x-pyvoy-trace be traced through the filters (so does --dev)",
    )
    flags.add_configuration(parser)
    flags.add_running(parser)
    flags.add_logging(parser)
    flags.add_accepted(parser)
    args = parser.parse_args(arguments)
    args.config_path = args.config_path or args.file
    return _serve(flags.options_from(args))


def wasm(arguments: list[str]) -> int:
    """`pyvoy wasm ...`."""
    from pyvoy.cli import wasm as command

    return command.main(arguments, Parser)


def validate(arguments: list[str]) -> int:
    """`pyvoy validate FILE`."""
    parser = Parser("pyvoy validate", description="Check a bootstrap without serving it.", allow_abbrev=False)
    parser.add_argument("file", metavar="FILE", nargs="?", default="", help="bootstrap, YAML or JSON")
    parser.add_argument("--support", action="store_true", help="print the table of supported configuration")
    flags.add_configuration(parser)
    flags.add_running(parser)
    flags.add_logging(parser)
    flags.add_accepted(parser)
    args = parser.parse_args(arguments)
    if args.support:
        from pyvoy.cli.validate import print_support

        return print_support()
    args.config_path = args.config_path or args.file
    return _validate(flags.options_from(args))


def demo(arguments: list[str]) -> int:
    """`pyvoy demo`."""
    text = "A small service behind the same filter in Python, Lua and Wasm, side by side, each with its cost."
    parser = Parser("pyvoy demo", description=text, allow_abbrev=False)
    parser.add_argument("--once", action="store_true", help="end by itself, with 0 if all was as promised")
    parser.add_argument("--config", metavar="FILE", default="", help="a bootstrap in place of the gallery's")
    args = parser.parse_args(arguments)
    from pyvoy.cli.demo import run_demo

    return run_demo(once=args.once, config=args.config)


def filter_(arguments: list[str]) -> int:
    """`pyvoy filter new` and `pyvoy filter test`."""
    from pyvoy.cli import filter as command

    return command.main(arguments, Parser)


def trace(arguments: list[str]) -> int:
    """`pyvoy trace URL`."""
    from pyvoy.cli import trace as command

    return command.main(arguments, Parser)


def bench(arguments: list[str]) -> int:
    """`pyvoy bench ...`."""
    from pyvoy.cli import bench as command

    return command.main(arguments, Parser)


def _serve(options: Options) -> int:
    from pyvoy.cli.run import serve

    return serve(options)


def _validate(options: Options) -> int:
    from pyvoy.cli.validate import check

    return check(options)
