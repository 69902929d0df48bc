"""The report of `pyvoy wasm run` on a connection: what passed each way, and what the module made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.testing.module_outcome import Outcome, Trial

SHOWN_BYTES = 2000
"""How much of what passed is printed; with --json it is all there."""


def session_lines(trial: Trial, outcome: Outcome) -> list[str]:
    """What happened, for a terminal."""
    session = outcome.session
    assert session is not None
    lines = []
    if not outcome.has_callbacks:
        lines.append("the module has no callback for connections")
    lines += _passed("client", trial.data, session.sent, session.forwarded, held="downstream" in session.held)
    lines += _passed(
        "upstream", trial.upstream_data, session.answered, session.received, held="upstream" in session.held
    )
    if session.closed:
        lines.append("connection: closed by the module")
    else:
        lines.append("connection: " + (f"the {trial.close} ends it first" if trial.close else "left open"))
    return lines


def _passed(side: str, given: list[bytes], sent: bytes, passed: bytes, *, held: bool) -> list[str]:
    """One direction: how much was sent, and what came out at the other side."""
    unsent = sum(map(len, given)) - len(sent)
    lines = [f"{side}: {len(sent)} bytes" + (f", {unsent} not sent any more" if unsent else "")]
    if held:
        lines.append("    the module keeps them back")
    if passed == sent:
        return lines if held or not sent else [*lines, "    unchanged"]
    if not passed:
        return lines if held else [*lines, "    nothing is passed on"]
    text = passed[:SHOWN_BYTES].decode("utf-8", "backslashreplace")
    more = f" (the first {SHOWN_BYTES})" if len(passed) > SHOWN_BYTES else ""
    return [*lines, f"    {len(passed)} bytes are passed on{more}:", *(f"        {line}" for line in text.splitlines())]
