"""`pyvoy wasm ...`: build a module, look at what it is, run it.

`inspect FILE` says whether a module would run here, `build [DIR]` makes modules from sources, `run FILE` sends a
request through a module (`wasm_run.py`).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pyvoy.cli.wasm_run import run_module

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.inspect import Report


USAGE = """usage: pyvoy wasm inspect FILE
       pyvoy wasm build [DIR] [options]
       pyvoy wasm run FILE [options]"""


def main(arguments: list[str], parser: type[argparse.ArgumentParser]) -> int:
    """`pyvoy wasm ...`; `parser` makes the argument parsers of this command line."""
    commands = {"inspect": inspect, "build": build, "run": run_module}
    if not arguments or arguments[0] not in commands:
        print(USAGE, file=sys.stderr)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 1
    return commands[arguments[0]](arguments[1:], parser)


def inspect(arguments: list[str], make_parser: type[argparse.ArgumentParser]) -> int:
    """Print what a module is."""
    parser = make_parser(
        prog="pyvoy wasm inspect",
        description="Print ABI, toolchain, memory, callbacks and imports of a module, and what would refuse it.",
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help="a module")
    return inspect_file(parser.parse_args(arguments).file)


def build(arguments: list[str], make_parser: type[argparse.ArgumentParser]) -> int:
    """Build the modules of a folder."""
    from pyvoy.toolchain.project import LANGUAGES

    known = ", ".join(f"{each.name} ({each.sources})" for each in LANGUAGES)
    parser = make_parser(
        prog="pyvoy wasm build",
        description="Build the Wasm filters of a folder: each language whose sources lie there, to "
        f"filter.LANGUAGE.wasm. Languages: {known}.",
        epilog="exit status: 0 built, 1 not built, 2 a toolchain is missing",
        allow_abbrev=False,
    )
    parser.add_argument("folder", metavar="DIR", nargs="?", default=".", help="the folder (default: this one)")
    parser.add_argument(
        "--lang", metavar="LANGUAGE", action="append", default=[], help="only this one; may be repeated"
    )
    parser.add_argument("-o", "--output", metavar="FILE", default="", help="where to, when there is one module")
    args = parser.parse_args(arguments)
    return _build(Path(args.folder), args.lang, args.output)


def _build(folder: Path, languages: list[str], output: str) -> int:
    from pyvoy.toolchain import project
    from pyvoy.toolchain.tools import BuildError, ToolMissing

    if not folder.is_dir():
        print(f"pyvoy wasm build: there is no folder {folder}", file=sys.stderr)
        return 1
    modules = project.find(folder, languages)
    if not modules:
        wanted = ", ".join(each.sources for each in project.LANGUAGES if not languages or each.name in languages)
        text = f"{folder} has no sources of a Wasm filter: {wanted or 'there is no such language'}"
        print(f"pyvoy wasm build: {text}", file=sys.stderr)
        return 1
    if output and len(modules) > 1:
        names = ", ".join(module.language.name for module in modules)
        print(f"pyvoy wasm build: -o is for one module, here are {names}: choose with --lang", file=sys.stderr)
        return 1
    status = 0
    for module in modules:
        try:
            made = project.build(module, Path(output) if output else None)
        except BuildError as error:
            print(f"pyvoy wasm build: {module.language.name}: {error}", file=sys.stderr)
            status = max(status, 2 if isinstance(error, ToolMissing) else 1)
        else:
            print(f"{made}: {_size(made.stat().st_size)}")
    return status


def inspect_file(name: str) -> int:
    """Print what is to be said of a module; 1 when it would be refused, or cannot be read."""
    from pyvoy.extensions.wasm.engine.compiler import InvalidModuleError
    from pyvoy.extensions.wasm.inspect import inspect

    try:
        report = inspect(Path(name).read_bytes())
    except OSError as error:
        print(f"cannot read {name}: {error.strerror}", file=sys.stderr)
        return 1
    except InvalidModuleError as error:
        print(f"{name} {error}", file=sys.stderr)
        return 1
    print("\n".join(_lines(name, report)))
    return 1 if report.problems else 0


def _lines(name: str, report: Report) -> list[str]:
    limit = "" if report.memory_limit_bytes is None else f", at most {_size(report.memory_limit_bytes)}"
    lines = [
        f"{name}: {_size(report.size_bytes)}",
        f"  ABI        {report.abi or 'none'}",
        f"  made by    {', '.join(report.producers) or 'unknown'}",
        f"  memory     {_size(report.memory_bytes)}{limit}",
        f"  entry      {report.entry or 'none'}",
        f"  allocator  {report.allocator or 'none'}",
        f"  names      {'yes' if report.has_names else 'no: a trap shows numbers of functions'}",
        "  callbacks  " + (", ".join(each.removeprefix("proxy_") for each in report.callbacks) or "none"),
        f"  imports    {len(report.imports)}",
    ]
    places: dict[str, list[str]] = {}
    for each in report.imports:
        places.setdefault(each.place, []).append(each.name.removeprefix("proxy_"))
    lines += [f"    {place}: {', '.join(names)}" for place, names in places.items()]
    if report.problems:
        lines += ["it would be refused:", *(f"  - {problem}" for problem in report.problems)]
    else:
        lines.append("it would be loaded")
    return lines


def _size(size_bytes: int) -> str:
    if size_bytes < 1 << 20:
        return f"{size_bytes / 1024:.1f} KiB"
    return f"{size_bytes / (1 << 20):.1f} MiB"
