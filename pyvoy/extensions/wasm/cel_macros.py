"""The macros of CEL over lists and maps: all, exists, exists_one, map and filter.

A macro runs its inner expressions once for each item, which they see under the name of its variable.
Source: the Common Expression Language specification, "Macros".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from pyvoy.extensions.wasm.cel_values import CelError, boolean, plain
from pyvoy.http.headers import HeaderMap

MAX_ITEMS = 1024
"""How many items a macro goes through: what an expression costs counts against no time limit."""
MAX_NESTED = 2
"""How deep macros stand in macros."""

Evaluate = Callable[[Any], Any]
Run = Callable[[Iterator[Any], Any, Sequence[Evaluate]], Any]


class Variable:
    """The item at hand; an expression that names it."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        self.value: Any = None

    def __call__(self, stream: Any) -> Any:
        return self.value


def macro(name: str, target: Evaluate, variable: Variable, inner: Sequence[Evaluate]) -> Evaluate | None:
    """The macro of a name as an expression; None if there is none with so many arguments."""
    found = MACROS.get((name, len(inner)))
    if found is None:
        return None

    def run(stream: Any) -> Any:
        return found(_each(target(stream), variable), stream, inner)

    return run


def _each(value: Any, variable: Variable) -> Iterator[Any]:
    """The items of a list or the keys of a map, each put into the variable."""
    if isinstance(value, HeaderMap):
        items: Sequence[Any] = [name.decode("latin-1") for name in value.map]
    elif isinstance(value, Mapping | list | tuple):
        items = list(value)
    else:
        raise CelError("no list and no map")
    if len(items) > MAX_ITEMS:
        raise CelError("too many items")
    for item in items:
        variable.value = plain(item)
        yield variable.value


def _decided(items: Iterator[Any], stream: Any, test: Evaluate, *, decisive: bool) -> bool:
    """As `||` and `&&` over all items: one that decides does so whatever the others are."""
    failed: CelError | None = None
    for _ in items:
        try:
            if boolean(test(stream)) is decisive:
                return decisive
        except CelError as error:
            failed = error
    if failed is not None:
        raise failed
    return not decisive


def _passing(items: Iterator[Any], stream: Any, test: Evaluate) -> Iterator[Any]:
    return (item for item in items if boolean(test(stream)))


def _map(items: Iterator[Any], stream: Any, inner: Sequence[Evaluate]) -> list[Any]:
    *tests, transform = inner
    chosen = _passing(items, stream, tests[0]) if tests else items
    return [transform(stream) for _ in chosen]


MACROS: Mapping[tuple[str, int], Run] = {
    ("all", 1): lambda items, stream, inner: _decided(items, stream, inner[0], decisive=False),
    ("exists", 1): lambda items, stream, inner: _decided(items, stream, inner[0], decisive=True),
    ("exists_one", 1): lambda items, stream, inner: sum(1 for _ in _passing(items, stream, inner[0])) == 1,
    ("filter", 1): lambda items, stream, inner: list(_passing(items, stream, inner[0])),
    ("map", 1): _map,
    ("map", 2): _map,
}
"""By name and number of expressions behind the variable."""
