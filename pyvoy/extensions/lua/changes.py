"""What a script has done to the headers of its hook, in one piece (`collect` in prelude/core.lua)."""

from __future__ import annotations

from pyvoy.http.header_changes import ADD, REMOVE, REPLACE, HeaderChanges

_OPERATIONS = {b"a": ADD, b"r": REPLACE, b"d": REMOVE}


def read_changes(text: bytes, *, on_request: bool) -> HeaderChanges:
    """The changes in a text of NUL-separated triples: what, name, value.  A request's Host is its `:authority`."""
    parts = text.split(b"\0")
    steps = [
        (_OPERATIONS[what], lower_name(name, of_request=on_request), value)
        for what, name, value in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    ]
    return HeaderChanges(steps)


def lower_name(name: bytes, *, of_request: bool) -> bytes:
    """The name as a header map has it: a request's Host is its `:authority`."""
    name = name.lower()
    return b":authority" if of_request and name == b"host" else name
