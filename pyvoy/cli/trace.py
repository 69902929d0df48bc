"""`pyvoy trace URL`: send a request to a running proxy and show what each filter saw, changed, decided and cost.

The proxy must run with tracing on (`pyvoy run --trace`, or `--dev`).  Prints and sends; the trace comes from the admin.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import secrets
import sys
import time
from typing import Any
from urllib.parse import urlsplit

from pyvoy.observe.filter_trace import HEADER, changes, said_text

WAIT_S = 5.0
_COLOURS = {"+": "32", "-": "31", "~": "34"}

Json = dict[str, Any]


class TraceError(Exception):
    """There is no trace; the text says why."""


def main(arguments: list[str], make_parser: type[argparse.ArgumentParser]) -> int:
    """Send, wait for the trace, print it."""
    parser = make_parser(
        prog="pyvoy trace",
        description="Send a request and show what each filter did to it; the proxy must run with --trace or --dev.",
        allow_abbrev=False,
    )
    parser.add_argument("url", metavar="URL", help="what to ask for, such as http://localhost:10000/path")
    parser.add_argument("-X", "--method", default="", help="method (default GET, with a body POST)")
    parser.add_argument("-H", "--header", action="append", default=[], metavar="NAME: VALUE", help="a request header")
    parser.add_argument("-d", "--data", default="", help="the request body")
    parser.add_argument("--admin", default="127.0.0.1:9901", metavar="ADDRESS", help="the admin (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the trace as JSON")
    parser.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="colours (default: auto)")
    args = parser.parse_args(arguments)
    identity = secrets.token_hex(6)
    try:
        headers = dict(_header(text) for text in args.header)
        send(args.url, args.method or ("POST" if args.data else "GET"), headers, args.data, identity)
        try:
            found = fetch(args.admin, identity)
        except ConnectionRefusedError as error:
            raise TraceError(f"the admin {args.admin} refused the connection; --admin says where it is") from error
    except (TraceError, OSError, http.client.HTTPException) as error:
        print(f"pyvoy trace: {error}", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    coloured = args.color == "always" or (args.color == "auto" and sys.stdout.isatty() and "NO_COLOR" not in os.environ)
    print(table(found, coloured=coloured))
    print(f"\nas a picture: http://{args.admin}/trace?id={identity}")
    return 0


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon:
        raise TraceError(f"{text!r} is no header: write NAME: VALUE")
    return name.strip(), value.strip()


def send(url: str, method: str, headers: dict[str, str], body: str, identity: str) -> None:
    """The request with its trace id; the answer is read and dropped.  Raises TraceError, OSError."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise TraceError(f"{url!r} is no http URL")
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=30)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        connection.request(method, target, body or None, {**headers, HEADER.decode(): identity})
        connection.getresponse().read()
    except ConnectionRefusedError as error:
        raise TraceError(f"{parts.netloc} refused the connection") from error
    finally:
        connection.close()


def fetch(admin: str, identity: str) -> Json:
    """The trace from the admin, as soon as it is there.  Raises TraceError, OSError."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection(admin, timeout=5)
        try:
            connection.request("GET", f"/trace?id={identity}&format=json")
            response = connection.getresponse()
            text = response.read().decode()
        finally:
            connection.close()
        if response.status != 200:
            raise TraceError(text.strip())
        found: list[Json] = json.loads(text)
        if found:
            return found[-1]
        time.sleep(0.05)
    raise TraceError("the proxy has no trace of the request: did another proxy answer it?")


def table(one: Json, *, coloured: bool) -> str:
    """The trace for a terminal."""
    paint = _painter(coloured)
    first = dict(one["request"][0]["headers"]) if one["request"][0] else {}
    lines = [
        paint("1", f"{first.get(':method', '?')} {first.get(':path', '?')} -> {one['status']} {one['details']}")
        + f"  {one['duration_us']:,} µs",
        "   ".join(f"{name} {one[name] or '-'}" for name in ("route", "cluster", "host", "flags")),
    ]
    for direction, order in (("request", 1), ("response", -1)):
        lines += ["", paint("1;36", direction)]
        steps = [step for step in one["steps"] if step["event"].startswith(direction)]
        for index in range(len(one["filters"]))[::order]:
            lines += _filter_lines(one, index, direction, [step for step in steps if step["filter"] == index], paint)
    if one["other_calls"]:
        lines += [
            "",
            paint("1;36", "host calls outside of callbacks"),
            *(f"  {paint('2', call)}" for call in one["other_calls"]),
        ]
    return "\n".join(lines)


def _filter_lines(one: Json, index: int, direction: str, steps: list[Json], paint: Any) -> list[str]:
    name = one["filters"][index]["name"]
    before, after = one[direction][index], one[direction][index + 1]
    if direction == "response":
        before, after = after, before
    said = [line for line in one["lines"] if line["filter"] == index and line["side"] == direction]
    if not steps and before is None and not said:
        return []
    cost = sum(step["cost_us"] for step in steps)
    lines = [f"  {paint('1', name):<40} {cost:>9.1f} µs" if steps else f"  {paint('2', name)}"]
    for entry in sorted((*steps, *said), key=lambda one: int(one["at_us"])):
        at = f"    {entry['at_us']:>9,} µs  "
        if "event" in entry:
            event = entry["event"].removeprefix(f"{direction}_")
            lines.append(paint("2", f"{at}{event:<9} {entry['cost_us']:>8.1f} µs  {entry['did']}"))
            lines += [paint("2", f"                  {call}") for call in entry["calls"]]
        else:
            lines.append(paint("33", at + said_text(entry)))
    lines += [f"      {paint(_COLOURS[line[0]], line)}" for line in changes(before, after)]
    return lines


def _painter(coloured: bool) -> Any:
    def paint(code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if coloured else text

    return paint
