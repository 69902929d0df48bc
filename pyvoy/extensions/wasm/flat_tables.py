"""FlatBuffers tables read by the names of their fields: a property's bytes, by the binary schema it was declared with.

Numbers, text, bytes, tables, and lists of these; a list of tables that have a text as their key is a map.  Structs,
unions and arrays are not read, as in Envoy.  Bytes that are no such table give nothing.
Source: the FlatBuffers internals (vtables, offsets; reflection.fbs for schemas); which kinds are read, and as what, is
cel-cpp's matter in Envoy.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from struct import calcsize, error, unpack_from
from typing import Any

from pyvoy.extensions.wasm.cel_values import NULL, Uint

MAX_VALUES = 4096
"""How many values one look may come to: a few bytes can name the same table again and again."""

_BOOL, _BYTE, _UBYTE, _STRING, _VECTOR, _OBJECT = 2, 3, 4, 13, 14, 15
_NUMBERS = {2: "?", 3: "<b", 4: "<B", 5: "<h", 6: "<H", 7: "<i", 8: "<I", 9: "<q", 10: "<Q", 11: "<f", 12: "<d"}
_UNSIGNED = frozenset((4, 6, 8, 10))
_REALS = frozenset((11, 12))
# Where fields of the schema's own tables stand in their vtables.
_FIRST, _SECOND, _THIRD, _FOURTH, _FIFTH, _SIXTH, _NINTH = 4, 6, 8, 10, 12, 14, 20


class FlatError(Exception):
    """Bytes that are no table of that kind."""


@dataclass(slots=True)
class Field:
    """A field: its kind (and that of its elements), which table it holds, its place in the vtable, its default."""

    kind: int
    element: int
    table: int
    offset: int
    default: int | float
    is_key: bool


@dataclass(slots=True)
class TableKind:
    """A table's fields by name; `tables` are all those of the schema."""

    fields: dict[str, Field] = field(default_factory=dict)
    tables: list[TableKind] = field(default_factory=list)
    is_struct: bool = False
    name: bytes = b""

    @property
    def key(self) -> str | None:
        """The field that is a text and the table's key."""
        return next((name for name, each in self.fields.items() if each.is_key and each.kind == _STRING), None)


class _Bytes:
    """Numbers and offsets at places.  Raises FlatError outside."""

    __slots__ = ("data", "left")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.left = MAX_VALUES

    def number(self, kind: str, at: int) -> Any:
        self.left -= 1
        if at < 0 or self.left < 0:
            raise FlatError("outside")
        try:
            return unpack_from(kind, self.data, at)[0]
        except error:
            raise FlatError("outside") from None

    def follow(self, at: int) -> int:
        return at + int(self.number("<I", at))

    def text(self, at: int) -> bytes:
        """A text, or a list of octets."""
        place = self.follow(at)
        size = int(self.number("<I", place))
        found = self.data[place + 4 : place + 4 + size]
        if len(found) != size:
            raise FlatError("outside")
        return found

    def items(self, at: int, size: int) -> list[int]:
        """The places of a list's items."""
        place = self.follow(at)
        count = int(self.number("<I", place))
        if count > self.left or place + 4 + count * size > len(self.data):
            raise FlatError("outside")
        return [place + 4 + number * size for number in range(count)]

    def field(self, table: int, offset: int) -> int:
        """The place of a table's field, 0 where it is not set."""
        vtable = table - int(self.number("<i", table))
        if offset >= self.number("<H", vtable):
            return 0
        inside = int(self.number("<H", vtable + offset))
        return table + inside if inside else 0


def schema_of(data: bytes) -> TableKind | None:
    """The root table of a binary schema; None for what is none."""
    source = _Bytes(data)
    source.left = 1 << 20
    try:
        return _schema(source)
    except FlatError:
        return None


def _schema(source: _Bytes) -> TableKind:
    schema = source.follow(0)
    objects, root = source.field(schema, _FIRST), source.field(schema, _FIFTH)
    if not objects or not root:
        raise FlatError("no root")
    tables: list[TableKind] = []
    for at in source.items(objects, 4):
        table = source.follow(at)
        kind = TableKind(tables=tables, name=_name(source, table), is_struct=bool(_small(source, table, _THIRD, "<B")))
        fields = source.field(table, _SECOND)
        for place in source.items(fields, 4) if fields else ():
            each = source.follow(place)
            kind.fields[_name(source, each).decode("utf-8", "replace")] = _field(source, each)
        tables.append(kind)
    name = _name(source, source.follow(root))
    for kind in tables:
        if kind.name == name:
            return kind
    raise FlatError("no root")


def _name(source: _Bytes, table: int) -> bytes:
    at = source.field(table, _FIRST)
    return source.text(at) if at else b""


def _small(source: _Bytes, table: int, offset: int, kind: str, default: int = 0) -> Any:
    at = source.field(table, offset)
    return source.number(kind, at) if at else default


def _field(source: _Bytes, at: int) -> Field:
    place = source.field(at, _SECOND)
    if not place:
        raise FlatError("no type")
    type_ = source.follow(place)
    kind = int(_small(source, type_, _FIRST, "<b"))
    default = _small(source, at, _SIXTH, "<d") if kind in _REALS else _small(source, at, _FIFTH, "<q")
    return Field(
        kind,
        int(_small(source, type_, _SECOND, "<b")),
        int(_small(source, type_, _THIRD, "<i", -1)),
        int(_small(source, at, _FOURTH, "<H")),
        default,
        bool(_small(source, at, _NINTH, "<B")),
    )


def value_at(kind: TableKind, data: bytes, path: tuple[str, ...]) -> Any:
    """What lies under names and indices in a table; None when there is nothing."""
    source = _Bytes(data)
    try:
        found: Any = _Table(source, kind, source.follow(0))
        for part in path:
            found = _below(found, part)
        return _plain(found)
    except (FlatError, RecursionError):
        return None


class _Table:
    """A table, read field by field."""

    __slots__ = ("at", "kind", "source")

    def __init__(self, source: _Bytes, kind: TableKind, at: int) -> None:
        self.source = source
        self.kind = kind
        self.at = at

    def get(self, name: str) -> Any:
        """A field's value; its default where it is not set."""
        found = self.kind.fields.get(name)
        if found is None:
            raise FlatError("no such field")
        source = self.source
        at = source.field(self.at, found.offset)
        if found.kind in _NUMBERS:
            return _number(found.kind, source.number(_NUMBERS[found.kind], at) if at else found.default)
        if found.kind == _STRING:
            return source.text(at) if at else b""
        if found.kind == _OBJECT:
            return self._table(found.table, source.follow(at)) if at else NULL
        if found.kind == _VECTOR:
            return self._list(found, at)
        raise FlatError("a kind that is not read")

    def _table(self, number: int, at: int) -> _Table:
        tables = self.kind.tables
        if not 0 <= number < len(tables) or tables[number].is_struct:
            raise FlatError("no such table")
        return _Table(self.source, tables[number], at)

    def _list(self, found: Field, at: int) -> Any:
        source, element = self.source, found.element
        if element in (_BYTE, _UBYTE):
            return source.text(at) if at else b""
        if element == _OBJECT:
            places = source.items(at, 4) if at else []
            tables = [self._table(found.table, source.follow(place)) for place in places]
            key = tables[0].kind.key if tables else None
            return tables if key is None else {table.get(key).decode("utf-8", "replace"): table for table in tables}
        if element == _STRING:
            return [source.text(place) for place in source.items(at, 4)] if at else []
        if element not in _NUMBERS:
            raise FlatError("a kind that is not read")
        sign = _NUMBERS[element]
        places = source.items(at, calcsize(sign)) if at else []
        return [_number(element, source.number(sign, place)) for place in places]


def _number(kind: int, value: Any) -> Any:
    if kind == _BOOL:
        return bool(value)
    if kind in _REALS:
        return float(value)
    return Uint(value) if kind in _UNSIGNED else int(value)


def _below(value: Any, part: str) -> Any:
    if isinstance(value, _Table):
        return value.get(part)
    if isinstance(value, dict) and part in value:
        return value[part]
    if isinstance(value, list) and part.isdecimal() and part.isascii() and int(part) < len(value):
        return value[int(part)]
    raise FlatError("nothing there")


def _plain(value: Any) -> Any:
    """Tables as maps, all the way down."""
    if isinstance(value, _Table):
        return {name: _plain(value.get(name)) for name in value.kind.fields}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
