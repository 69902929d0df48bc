"""What is wrong with a JSON body, with the place of each thing in the message."""

from __future__ import annotations


class Fault:
    """Something wrong: where (names of fields and `[index]`es) and what.  An `own` place is that of a message inside
    of an Any, which begins anew."""

    __slots__ = ("own", "path", "text")

    def __init__(self, text: str, *path: str) -> None:
        self.path = list(path)
        self.text = text
        self.own = False

    def __str__(self) -> str:
        place = ""
        for step in self.path:
            place += step if step.startswith("[") or not place else f".{step}"
        return place + self.text


Faults = list[Fault]


def inside(faults: Faults, since: int, *steps: str) -> None:
    """What was found since then lies inside of these steps."""
    for fault in faults[since:]:
        if not fault.own:
            fault.path[:0] = steps


def bad_value(value: str, type_name: str, *path: str) -> Fault:
    """A value that does not fit its field."""
    return Fault(f": invalid value {value} for type {type_name}", *path)


def repeated_key(key: str, *path: str) -> Fault:
    return Fault(f": Repeated map key: '{key}' is already set.", *path)
