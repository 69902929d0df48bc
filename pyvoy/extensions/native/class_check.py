"""Whether a user's class can be called as a filter is called: found out at load, not by the first request.

A method whose name is nearly that of an event would never be called; one that takes other arguments than the event has
would fail at each call.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping

_NEARLY = 0.85
"""How alike two names must be for one to be a slip of the other: `on_reponse` is, `on_error` is not."""


def what_is_wrong(cls: type, events: Mapping[str, str], known: Iterable[str] = ()) -> str:
    """What makes `cls` no filter, "" if nothing does.

    `events` has the arguments of each event behind `self`; `known` names that are no slips although they look it."""
    for name in dir(cls):
        if name.startswith("on_") and name not in events and name not in known:
            meant = difflib.get_close_matches(name, events, 1, _NEARLY)
            if meant:
                return f'{cls.__name__}.{name} is no event; did you mean "{meant[0]}"?'
    for name, arguments in events.items():
        count = arguments.count(",") + 1
        if hasattr(cls, name) and not _takes(getattr(cls, name), 1 + count):
            return f"{cls.__name__}.{name} is called with {count} argument{'s' * (count > 1)}: ({arguments})"
    if not _takes(cls.__init__, 1):  # type: ignore[misc]  # whichever the class has is meant
        return f"{cls.__name__}.__init__ is called without arguments"
    return ""


def _takes(method: object, count: int) -> bool:
    try:
        signature = inspect.signature(method)  # type: ignore[arg-type]  # what is no callable raises TypeError
    except (TypeError, ValueError):  # a built-in without a signature
        return True
    try:
        signature.bind(*(None,) * count)
    except TypeError:
        return False
    return True
