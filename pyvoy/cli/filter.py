"""`pyvoy filter new` writes a filter that runs at once; `pyvoy filter test` runs one without a server.

`new_filter.py` has what is written.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from typing import Any

from pyvoy.cli import new_filter

USAGE = """usage: pyvoy filter new NAME [--lang python]
       pyvoy filter test PATH [TARGET] [options]"""


def main(arguments: list[str], parser: type[argparse.ArgumentParser]) -> int:
    """`pyvoy filter ...`; `parser` makes the argument parsers of this command line."""
    commands = {"new": new, "test": test}
    if not arguments or arguments[0] not in commands:
        print(USAGE, file=sys.stderr)
        return 0 if arguments and arguments[0] in ("-h", "--help") else 1
    return commands[arguments[0]](arguments[1:], parser)


def new(arguments: list[str], make_parser: type[argparse.ArgumentParser]) -> int:
    """Write a filter, its test, a bootstrap and a page into a new folder."""
    known = ", ".join(new_filter.languages())
    parser = make_parser(prog="pyvoy filter new", description="Write a filter that runs at once.", allow_abbrev=False)
    parser.add_argument("name", metavar="NAME", help="the name of the filter; a folder of this name is made")
    parser.add_argument("--lang", metavar="LANGUAGE", default="python", help=f"one of {known}")
    args = parser.parse_args(arguments)
    folder = Path(args.name)
    name = folder.name
    if args.lang not in new_filter.languages():
        print(f"pyvoy filter new: no templates for {args.lang!r}; there is {known}", file=sys.stderr)
        return 1
    if not name.replace("-", "_").isidentifier():
        print(f"pyvoy filter new: {name!r} is no name: use letters, digits, - and _", file=sys.stderr)
        return 1
    if folder.exists():
        print(f"pyvoy filter new: {folder} is there already", file=sys.stderr)
        return 1
    written = new_filter.write(folder, args.lang)
    print("\n".join(f"  {path}" for path in written) + "\n")
    if args.lang in new_filter.WASM:
        print(f"pyvoy wasm build {folder}    # needs {new_filter.WASM[args.lang].toolchain}")
    print(f"pyvoy filter test {folder}\npyvoy run --dev {folder}/bootstrap.yaml\ncurl -i localhost:10000/")
    return 0


def test(arguments: list[str], make_parser: type[argparse.ArgumentParser]) -> int:
    """Run the tests of a folder, or one request through a filter."""
    parser = make_parser(
        prog="pyvoy filter test",
        description="Run a filter without a server: its unit tests (a folder or a test file, with pytest), or one "
        "request (a file with a filter).",
        allow_abbrev=False,
    )
    parser.add_argument("path", metavar="PATH", help="a folder, a test file, or a filter")
    parser.add_argument("target", metavar="TARGET", nargs="?", default="/", help="path of the request (default /)")
    parser.add_argument("-X", "--method", default="", help="method (default GET, with a body POST)")
    parser.add_argument("-H", "--header", action="append", default=[], metavar="NAME: VALUE", help="a request header")
    parser.add_argument("-d", "--data", default="", help="the request body")
    parser.add_argument("--config", default="", metavar="YAML", help="the filter's configuration")
    parser.add_argument("--answer", default="ok\n", metavar="TEXT", help="the body of the upstream's answer")
    args = parser.parse_args(arguments)
    path = Path(args.path)
    if not path.exists():
        print(f"pyvoy filter test: there is no {path}", file=sys.stderr)
        return 1
    if path.is_dir() or path.name.startswith("test_"):
        return _run_tests(path)
    return _one_request(path, args)


def _run_tests(path: Path) -> int:
    try:
        pytest: Any = importlib.import_module("pytest")
    except ModuleNotFoundError:
        print("pyvoy filter test: tests need pytest (pip install pytest)", file=sys.stderr)
        return 1
    return int(pytest.main(["-q", "-p", "no:cacheprovider", "--import-mode=importlib", str(path)]))


def _one_request(path: Path, args: argparse.Namespace) -> int:
    import yaml

    from pyvoy.config.problems import ConfigErrors

    # The testing tools are imported by nobody in the package but this command, and only when it runs.
    testing: Any = importlib.import_module("pyvoy.testing.filters")
    try:
        headers = [_header(text) for text in args.header]
        stream = testing.FakeStream(path, yaml.safe_load(args.config) or {})
    except yaml.YAMLError as error:
        print(f"--config is no YAML: {error}", file=sys.stderr)
        return 1
    except (ConfigErrors, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    stream.request(args.method or ("POST" if args.data else "GET"), args.target, headers, args.data)
    if stream.forwarded is not None:
        _show("to the upstream", stream.forwarded)
        if stream.response is None:
            stream.respond(200, {"content-type": "text/plain"}, args.answer)
    if stream.response is None:
        print("the filter waits: nothing was forwarded and nothing answered")
        return 1
    _show(f"to the client ({stream.details})" if stream.forwarded is None else "to the client", stream.response)
    if stream.counter("errors"):
        print("the filter failed", file=sys.stderr)
        return 1
    return 0


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise ValueError(f"{text!r} is no header: write NAME: VALUE")
    return name.strip(), value.strip()


def _show(title: str, message: Any) -> None:
    print(f"--- {title}")
    for name, value in message.headers.raw.items():
        print(f"{name.decode('latin-1')}: {value.decode('latin-1')}")
    if message.body:
        print(f"\n{message.body.decode('utf-8', 'replace')}")
    print()
