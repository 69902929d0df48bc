"""Values from the path and the query of a request, and how they are woven into its JSON body.

Source: google/api/http.proto; observed on Envoy 1.40.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pyvoy.filters.http.grpc_json_transcoder import kinds
from pyvoy.filters.http.grpc_json_transcoder.faults import Fault, Faults
from pyvoy.filters.http.grpc_json_transcoder.message_writer import Pairs
from pyvoy.filters.http.grpc_json_transcoder.path_matcher import unescape
from pyvoy.filters.http.grpc_json_transcoder.scalars import ENCODERS, InvalidValue, narrowed, shown

if TYPE_CHECKING:
    from pyvoy.filters.http.grpc_json_transcoder.schema import Field, MessageType

FieldPath = tuple["Field", ...]
Binding = tuple[FieldPath, str]
"""A field, by the fields that lead to it, and its value as text."""


class BindingError(ValueError):
    """A name that leads to no field; the text is what the client may be told."""


def resolve(message: MessageType, names: Iterable[str]) -> FieldPath:
    """The fields that these names lead through.  Raises BindingError."""
    found: list[Field] = []
    inner: MessageType | None = message
    for name in names:
        if inner is None:
            raise BindingError(
                f'Encountered a non-leaf field "{found[-1].name}" that is not a message while parsing a field path'
            )
        field = inner.names.get(name)
        if field is None and "%" in name:
            field = inner.names.get(unescape(name))
        if field is None:
            raise BindingError(f'Could not find field "{name}" in the type "{inner.full_name}".')
        found.append(field)
        inner = field.message if field.kind == kinds.MESSAGE else None
    return tuple(found)


def query_parameters(query: str, ignored: frozenset[str], *, plus: bool) -> list[tuple[str, str]]:
    """(name, value) of the parameters of a query; what has no name or no `=` is none.  `plus`: a plus is a blank."""
    found = []
    for part in query.split("&"):
        name, equals, value = part.partition("=")
        if name and equals and name not in ignored:
            found.append((name, unescape(value, plus=plus)))
    return found


class Weave:
    """What is still to be woven into one message: values of its own fields, and of messages in it."""

    __slots__ = ("inner", "values")

    def __init__(self, bindings: Iterable[Binding] = ()) -> None:
        self.values: list[tuple[Field, str]] = []
        self.inner: list[tuple[Field, Weave]] = []
        for path, value in bindings:
            if path:
                self._descend(path[:-1]).values.append((path[-1], value))

    def _descend(self, path: FieldPath) -> Weave:
        place = self
        for field in path:
            found = place._find(field.name)
            if found is None:
                found = Weave()
                place.inner.append((field, found))
            place = found
        return place

    def _find(self, name: str) -> Weave | None:
        return next((inner for field, inner in self.inner if field.name == name), None)

    def into(self, pairs: Pairs, faults: Faults | None) -> Pairs:
        """The pairs with all of it; the body's values win.  `faults`: where values that differ are reported."""
        out: list[tuple[str, Any]] = []
        for name, value in pairs:
            kind = type(value)
            if kind is tuple:
                inner = self._find(name)
                out.append((name, value if inner is None else inner.into(value, faults)))
            else:
                if kind is not list and value is not None and self.values:
                    self._collide(name, value, out, faults)
                out.append((name, value))
        self._rest(out)
        return tuple(out)

    def _collide(self, name: str, value: Any, out: list[tuple[str, Any]], faults: Faults | None) -> None:
        kept = []
        for field, text in self.values:
            if field.name != name:
                kept.append((field, text))
            elif field.repeated:
                out.append((name, text))
            elif faults is not None and (fault := _difference(name, text, value)) is not None:
                faults.append(fault)
        self.values = kept

    def _rest(self, out: list[tuple[str, Any]]) -> None:
        """What the body has not said itself."""
        out.extend((field.name, text) for field, text in self.values)
        self.values = []
        for field, inner in self.inner:
            if inner.values or inner.inner:
                deeper: list[tuple[str, Any]] = []
                inner._rest(deeper)
                out.append((field.name, tuple(deeper)))
        self.inner = []


def _difference(name: str, text: str, value: Any) -> Fault | None:
    """Whether the text of a binding and the value in the body say different things."""
    kind = type(value)
    if kind is str:
        same = text == value
    else:
        number = value if kind is bool else narrowed(value)
        sort, encode = _SORTS[type(number) if type(number) is not int else (int, number < 0)]
        try:
            given = encode(text)
        except InvalidValue:
            return Fault(f'Failed to convert binding value {name}:"{text}" to {sort}')
        same = _close(text, number) if sort == "double" else given == encode(number)
    if same:
        return None
    return Fault(
        f'The binding value "{text}" of the field {name} is conflicting with the value {shown(value)} in the body.'
    )


def _close(text: str, number: float) -> bool:
    return abs(float(text) - number) < 32 * 1.1920929e-07


_SORTS: dict[Any, tuple[str, Callable[[Any], bytes]]] = {
    bool: ("bool", ENCODERS[kinds.BOOL]),
    float: ("double", ENCODERS[kinds.DOUBLE]),
    (int, False): ("uint64", ENCODERS[kinds.UINT64]),
    (int, True): ("int64", ENCODERS[kinds.INT64]),
}
