"""`pyvoy wasm run FILE`: a module against a request or a connection that is made up here, with no proxy; what it did is
printed.

Exit status: 0 the request was answered, 1 the module or the command line will not do, 2 the module failed, 3 it holds
the request or the response, or bytes of the connection.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyvoy.cli.wasm_session import session_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyvoy.testing.grpc_peer import GrpcReply
    from pyvoy.testing.module_outcome import Outcome, Trial


ANSWERED, UNUSABLE, FAILED, WAITS = 0, 1, 2, 3
EPILOG = """exit status:
  0  the request was answered, by the module or by the made-up upstream; the connection was passed on or closed
  1  the module cannot be loaded or does not start, or the command line is wrong
  2  the module failed while it ran: a trap, an endless loop, too much memory, a bad exit
  3  the module holds the request, the response or bytes of the connection (--seconds lets time pass, --cluster and
     --grpc answer its calls)

A header is NAME=VALUE or "NAME: VALUE". A text that begins with @ is the name of a file. A property is a path with dots
and a value: a number, true or false, or text. The STATUS of a gRPC answer is a number or a name; with OK the text is
a serialized message (repeat the option for several), with another status it says why.

The module sees a connection in place of a request with --data, --upstream-data or --close, and when it has callbacks
for connections only."""


def run_module(arguments: list[str], make_parser: type[argparse.ArgumentParser]) -> int:
    """Parse, run, print."""
    args = _parser(make_parser).parse_args(arguments)
    # The testing tools are imported by nobody in the package but the commands of developers, and only when they run.
    testing: Any = importlib.import_module("pyvoy.testing.module_run")
    try:
        trial = _trial(args, testing)
        outcome = testing.run(trial)
    except (ValueError, OSError) as error:
        print(f"pyvoy wasm run: {error}", file=sys.stderr)
        return UNUSABLE
    if not args.verbose:
        outcome.logs = [(level, text) for level, text in outcome.logs if level not in ("trace", "debug")]
    if args.json:
        print(json.dumps(_json(outcome), indent=1))
    elif outcome.refused:
        print("\n".join([f"{args.file} is refused: {outcome.refused}", *_tail(outcome)]), file=sys.stderr)
    else:
        print("\n".join(_lines(trial, outcome)))
    return _status(outcome)


def _parser(make_parser: type[argparse.ArgumentParser]) -> argparse.ArgumentParser:
    parser = make_parser(
        prog="pyvoy wasm run",
        description="Run a module against a request or a connection, with no proxy, and print what it did.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("file", metavar="FILE", help="a module")
    add("--config", default="", metavar="TEXT", help="the plugin's configuration")
    add("--root-id", default=None, metavar="ID", help="the root_id (default: none; of filter.LANGUAGE.wasm the folder)")
    add("--vm-id", default="", metavar="ID", help="the vm_id")
    add("--vm-config", default="", metavar="TEXT", help="the VM's configuration")
    add("-X", "--method", default="", help="method (default GET, with a body POST)")
    add("--path", default="/", help="path and query (default /)")
    add("--authority", default="localhost", help="host (default localhost)")
    add("-H", "--header", action="append", default=[], metavar="NAME=VALUE", help="a request header; repeatable")
    add("-d", "--body", action="append", default=[], metavar="TEXT", help="the request body; repeated: in pieces")
    add("--status", type=int, default=200, help="what the upstream answers (default 200)")
    add("--response-header", action="append", default=[], metavar="NAME=VALUE", help="a response header; repeatable")
    add("--response-body", action="append", default=[], metavar="TEXT", help="the response body; repeated: in pieces")
    add("--property", action="append", default=[], metavar="PATH=VALUE", help="what a property is; repeatable")
    add("--cluster", action="append", default=[], metavar="NAME=STATUS[:BODY]", help="answer calls to a cluster")
    add("--grpc", action="append", default=[], metavar="NAME=STATUS[:TEXT]", help="answer gRPC calls; repeatable")
    add("--data", action="append", default=[], metavar="TEXT", help="bytes of the client; repeated: in pieces")
    add(
        "--upstream-data",
        action="append",
        default=[],
        metavar="TEXT",
        help="bytes of the upstream, behind the client's",
    )
    add("--close", choices=("client", "upstream", "none"), help="who ends the connection first (default client)")
    add(
        "--seconds", type=float, default=0.0, metavar="N", help="let time pass after the request and after the response"
    )
    add("--lenient", action="store_true", help="headers can be read throughout (Envoy's phases are the default)")
    add("--calls", action="store_true", help="show every call of a host function with its outcome and time")
    add("-v", "--verbose", action="store_true", help="show what the module logs below the level info, too")
    add("--json", action="store_true", help="print everything as JSON")
    return parser


def _trial(args: argparse.Namespace, testing: Any) -> Trial:
    """Raises ValueError and OSError."""
    module = Path(args.file)
    if not module.is_file():
        raise OSError(f"there is no file {module}")
    answers = {}
    for text in args.cluster:
        name, answer = _pair(text, "=", "a cluster's answer", "NAME=STATUS[:BODY]")
        status, _, body = answer.partition(":")
        answers[name] = testing.Reply(int(status), _text(body))
    of_connections = bool(args.data or args.upstream_data or args.close)
    made: Trial = testing.Trial(
        module=module,
        configuration=_text(args.config),
        root_id=args.root_id,
        vm_id=args.vm_id,
        vm_configuration=_text(args.vm_config),
        method=args.method or ("POST" if args.body else "GET"),
        path=args.path,
        authority=args.authority,
        headers=[_header(text) for text in args.header],
        body=[_text(each).encode() for each in args.body],
        status=args.status,
        response_headers=[_header(text) for text in args.response_header],
        response_body=[_text(each).encode() for each in args.response_body],
        properties=dict(_property(text) for text in args.property),
        answers=answers,
        grpc=grpc_answers(args.grpc, testing.GrpcReply),
        connection=of_connections or testing.is_for_connections(module),
        data=[_octets(each) for each in args.data],
        upstream_data=[_octets(each) for each in args.upstream_data],
        close="" if args.close == "none" else args.close or "client",
        seconds=args.seconds,
        strict=not args.lenient,
        calls=args.calls,
    )
    return made


def _text(text: str) -> str:
    """The text itself, or what is in the file that it names."""
    return Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text


def _octets(text: str) -> bytes:
    """The text as bytes, or those of the file that it names."""
    return Path(text[1:]).read_bytes() if text.startswith("@") else text.encode()


def grpc_answers(texts: list[str], reply: Callable[[], GrpcReply]) -> dict[str, GrpcReply]:
    """What gRPC calls to each cluster get.  Raises ValueError and OSError."""
    found: dict[str, GrpcReply] = {}
    for text in texts:
        name, answer = _pair(text, "=", "a cluster's answer", "NAME=STATUS[:TEXT]")
        word, colon, rest = answer.partition(":")
        made = found.setdefault(name, reply())
        made.status = _grpc_status(word)
        if made.status:
            made.text = rest
        elif colon:
            made.messages.append(_octets(rest))
    return found


def _grpc_status(word: str) -> int:
    from pyvoy.extensions.grpc_call import GrpcStatus

    if word.isdigit():
        return int(word)
    name = word.upper().replace("-", "_")
    if name not in GrpcStatus.__members__:
        raise ValueError(f"{word!r} is no gRPC status: write a number or a name such as OK or NOT_FOUND")
    return int(GrpcStatus[name])


def _pair(text: str, between: str, what: str, form: str) -> tuple[str, str]:
    name, found, value = text.partition(between)
    if not found or not name:
        raise ValueError(f"{text!r} is not {what}: write {form}")
    return name, value


def _header(text: str) -> tuple[str, str]:
    """The first = or : behind the first letter, which may be the : of a pseudo-header, ends the name."""
    ends = [place for place in (text.find("=", 1), text.find(":", 1)) if place > 0]
    if not ends:
        raise ValueError(f"{text!r} is no header: write NAME=VALUE")
    return text[: min(ends)].strip(), text[min(ends) + 1 :].strip()


def _property(text: str) -> tuple[str, Any]:
    path, value = _pair(text, "=", "a property", "PATH=VALUE")
    try:
        found = json.loads(value)
    except ValueError:
        return path, value
    return path, found if isinstance(found, bool | int | float) else value


def _json(outcome: Outcome) -> dict[str, Any]:
    changed = {"request_changes": outcome.request_changes, "response_changes": outcome.response_changes}
    found = {**asdict(outcome), **changed, "waits": outcome.waits, "exit_status": _status(outcome)}
    if outcome.session is not None:
        found["session"] = {
            key: value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
            for key, value in found["session"].items()
        }
    return found


def _status(outcome: Outcome) -> int:
    if outcome.refused:
        return UNUSABLE
    if outcome.failure:
        return FAILED
    return WAITS if outcome.waits else ANSWERED


def _lines(trial: Trial, outcome: Outcome) -> list[str]:
    """What happened, for a terminal."""
    if outcome.session is not None:
        return session_lines(trial, outcome) + _tail(outcome)
    lines = []
    if not outcome.has_callbacks:
        lines.append("the module has no callback for requests and responses")
    lines.append(f"request: {trial.method} {trial.path}")
    if outcome.request is not None:
        lines += _changed(outcome.request_changes)
    else:
        lines.append("  does not reach the upstream")
    if outcome.was_reset:
        lines.append("response: the stream was reset")
    elif outcome.response is None:
        lines.append("response: none yet, the module waits")
    elif outcome.local_reply:
        status = dict(outcome.response["headers"])[":status"]
        lines.append(f"response: {status}, a local reply ({outcome.details or 'no details'})")
        lines += [f"    {name}: {value}" for name, value in outcome.response["headers"] if name != ":status"]
        lines += [f"    {line}" for line in outcome.response["body"].splitlines()]
    else:
        lines.append(f"response: {trial.status}")
        lines += _changed(outcome.response_changes)
    return lines + _tail(outcome)


def _changed(found: list[str]) -> list[str]:
    return [f"    {line}" for line in found] or ["    unchanged"]


def _tail(outcome: Outcome) -> list[str]:
    """What else the module did: logs, metrics, calls, and how it failed."""
    lines: list[str] = []
    if outcome.failure:
        lines += [f"failed: {outcome.failure.cause}", *(f"    at {frame}" for frame in outcome.failure.backtrace)]
        if outcome.is_for_both:
            here, there = ("a connection", "leave out --data, --upstream-data and --close")
            if outcome.session is None:
                here, there = ("a request", "try --data TEXT")
            lines.append(f"    (this was {here}; a module may have callbacks for both and serve one: {there})")
    if outcome.http_calls:
        lines.append("calls to clusters:")
        for call in outcome.http_calls:
            head = dict(call["headers"])
            lines.append(
                f"    {call['cluster']}: {head.get(':method')} {head.get(':path')}, {call['body_bytes']} bytes"
            )
    if outcome.grpc_calls:
        lines.append("gRPC calls to clusters:")
        for call in outcome.grpc_calls:
            end = ", given up" if call["cancelled"] else "" if call["ended"] else ", left open"
            lines.append(f"    {call['cluster']}: {call['path']}, {len(call['messages'])} messages{end}")
    if outcome.unknown_clusters:
        lines.append("refused, as there is no such cluster here:")
        options = {"http": "--cluster '{}=200:BODY'", "grpc": "--grpc '{}=OK:MESSAGE'"}
        lines += [f"    {name}: {options[kind].format(name)} answers it" for kind, name in outcome.unknown_clusters]
    if outcome.logs:
        lines.append("log:")
        # What a message has more than one line of stands below its first one.
        lines += [f"    {level:<8} {text.strip()}".replace("\n", "\n" + " " * 13) for level, text in outcome.logs]
    if outcome.metrics:
        lines += ["metrics:", *(f"    {name}: {value}" for name, value in outcome.metrics.items())]
    if outcome.host_calls:
        lines += ["host calls:", *(f"    {call}" for call in outcome.host_calls)]
    return lines
