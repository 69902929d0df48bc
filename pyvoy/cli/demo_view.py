"""What the demo shows: an answer past the sidecar and through it, then all forms of the filter side by side."""

from __future__ import annotations

from collections.abc import Mapping

from pyvoy.cli.demo_client import HOST, Answer

PLAIN = "plain"
"""The listener without a filter."""
TITLES = {"python": "Python", "lua": "Lua", "wasm": "Wasm", PLAIN: "no filter"}


def show_answer(title: str, port: int, path: str, answer: Answer) -> None:
    """One answer as it came."""
    print(f"{title}: GET http://{HOST}:{port}{path}\n")
    for line in answer.head.split("\r\n"):
        print(f"    {line}")
    print(f"\n    {answer.body.decode('latin-1')}\n")


def promises(before: Answer, after: Answer) -> dict[str, bool]:
    """What the sidecar is to do to an answer, and whether it has."""
    return {
        "hello: world! is added": after.header("hello") == "world!",
        "location is replaced": after.header("location") not in ("", before.header("location")),
        "server is envoy": after.header("server") == "envoy",
        "x-envoy-upstream-service-time is there": after.header("x-envoy-upstream-service-time").isdigit(),
        "the record is the same": after.status.startswith("200") and after.body == before.body,
    }


def kept_by_all(before: Answer, answers: Mapping[str, Answer]) -> dict[str, bool]:
    """The promises, each kept by every form of the filter."""
    found = [promises(before, answer) for name, answer in answers.items() if name != PLAIN or len(answers) == 1]
    return {promise: all(one[promise] for one in found) for promise in found[0]}


def table(ports: Mapping[str, int], answers: Mapping[str, Answer], costs: Mapping[str, float]) -> str:
    """A line for each form: what it did to the answer, and what a request costs."""
    rows = [("filter", "port", "hello", "location", "server", "CPU a request", "the filter adds")]
    plain = costs.get(PLAIN)
    for name, answer in answers.items():
        cost = costs.get(name)
        added = None if cost is None or plain is None or name == PLAIN else cost - plain
        rows.append(
            (
                TITLES.get(name, name),
                str(ports[name]),
                answer.header("hello") or "-",
                answer.header("location"),
                answer.header("server"),
                "-" if cost is None else f"{cost:.0f} µs",
                "" if added is None else f"{added:+.0f} µs" if added > 0.5 else "lost in the noise",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
