"""What a script has done to the headers of its hook, in one piece (`collect` in prelude/core.lua)."""

from __future__ import annotations

from collections.abc import Callable

from pyvoy.http.headers import HeaderMap, is_valid_header

Step = Callable[[HeaderMap, bytes, bytes], object]


def _remove(headers: HeaderMap, name: bytes, _value: bytes) -> None:
    headers.remove(name)


_STEPS: dict[bytes, Step] = {b"a": HeaderMap.add, b"r": HeaderMap.replace, b"d": _remove}


class HeaderChanges:
    """Additions, replacements and removals in their order; `suspect` says that one of them makes a header that no
    request may carry."""

    __slots__ = ("_steps", "suspect")

    def __init__(self, steps: list[tuple[Step, bytes, bytes]]) -> None:
        self._steps = steps
        self.suspect = any(step is not _remove and not is_valid_header(name, value) for step, name, value in steps)

    def apply(self, headers: HeaderMap) -> None:
        """Make the changes."""
        for step, name, value in self._steps:
            step(headers, name, value)


def read_changes(text: bytes, *, on_request: bool) -> HeaderChanges:
    """The changes in a text of NUL-separated triples: what, name, value.  A request's Host is its `:authority`."""
    parts = text.split(b"\0")
    steps = [
        (_STEPS[what], lower_name(name, of_request=on_request), value)
        for what, name, value in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    ]
    return HeaderChanges(steps)


def lower_name(name: bytes, *, of_request: bool) -> bytes:
    """The name as a header map has it: a request's Host is its `:authority`."""
    name = name.lower()
    return b":authority" if of_request and name == b"host" else name
