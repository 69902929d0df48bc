"""Nodes of a text -> protobuf messages, with Envoy's leniencies and the place of every field.

Walks text and descriptors side by side (json_format would lose the places), reports each problem and goes on.
`Any` is resolved by type URL, importing only the module that defines the type; a TypedStruct that holds an
extension's configuration becomes the type it names.  Whether values make sense is for `rules` and `coverage`.
Source: protobuf's JSON parser in legacy mode as observed on Envoy 1.40 (reference 6.4).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyvoy.config import scalars
from pyvoy.config.message_types import TypeNotFoundError, message_class, package_types
from pyvoy.config.problems import Place, Problems, Source, Where, join_path, nearest_name
from pyvoy.config.protos import newer
from pyvoy.config.scalars import BadValueError
from pyvoy.config.shapes import WRAPPERS, FieldShape, Shape, shape_of
from pyvoy.config.source import Entry, Node

TYPE_URL_PREFIX = "type.googleapis.com/"
TYPED_STRUCTS = frozenset(("xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct"))

# Fields whose Any configures an extension: only there may a TypedStruct stand for the type it names.
_EXTENSION_FIELDS = frozenset(("typed_config", "typed_per_filter_config", "typed_extension_protocol_options", "config"))


class MessageReader:
    """Fills messages from nodes of one source; owns nothing but the list of problems it was given."""

    __slots__ = ("_problems", "_source")

    def __init__(self, source: Source, problems: Problems) -> None:
        self._source = source
        self._problems = problems

    def read(self, node: Node, message: Any, path: str = "") -> Where:
        """Fill `message` from a mapping node; returns the places of what was filled."""
        where = Where(Place(self._source, node.line, node.column))
        self._message(node, message, where, path)
        return where

    # --- messages

    def _message(self, node: Node, message: Any, where: Where, path: str) -> None:
        if not node.is_map:
            self._mismatch(node, where, path, f"must be a mapping of fields of {_short(message)}")
            return
        shape = shape_of(message.DESCRIPTOR)
        oneofs: dict[str, str] = {}
        for entry in _last_of_each(node):
            field = shape.by_any_name.get(entry.key)
            if field is None:
                self._unknown_field(entry, shape, where, path)
                continue
            if entry.node.value is None and field.type_name != "google.protobuf.Value":
                continue
            self._check_oneof(field, entry, oneofs, where, path)
            below = self._below(where, field.name, entry)
            self._field(field, entry.node, message, below, join_path(path, field.name))

    def _field(self, field: FieldShape, node: Node, message: Any, where: Where, path: str) -> None:
        if field.key_kind:
            self._map(field, node, message, where, path)
        elif field.repeated:
            self._repeated(field, node, getattr(message, field.name), where, path)
        elif field.kind == "message":
            child = getattr(message, field.name)
            child.SetInParent()
            self._any_kind(field, node, child, where, path)
        else:
            value = self._scalar(field, node, where, path)
            if value is not None:
                setattr(message, field.name, value)

    def _repeated(self, field: FieldShape, node: Node, container: Any, where: Where, path: str) -> None:
        # A lone value counts as a list of one, and lists within the list are flattened.
        for item in _flattened(node):
            index = len(container)
            below = self._child(where, index, item)
            if field.kind == "message":
                child = container.add()
                if item.value is not None:
                    self._any_kind(field, item, child, below, f"{path}[{index}]")
            elif item.value is not None:
                value = self._scalar(field, item, below, f"{path}[{index}]")
                if value is not None:
                    container.append(value)

    def _map(self, field: FieldShape, node: Node, message: Any, where: Where, path: str) -> None:
        if not node.is_map:
            self._mismatch(node, where, path, "must be a mapping")
            return
        container = getattr(message, field.name)
        for entry in _last_of_each(node):
            below = self._below(where, entry.key, entry)
            entry_path = f'{path}["{entry.key}"]'
            try:
                key = _map_key(entry.key, field.key_kind)
            except BadValueError as error:
                self._bad_value(error, below, f"{entry_path} (key)")
                continue
            if field.kind == "message":
                if entry.node.value is None and field.type_name != "google.protobuf.Value":
                    container.get_or_create(key)
                else:
                    self._any_kind(field, entry.node, container[key], below, entry_path)
            elif entry.node.value is not None:
                value = self._scalar(field, entry.node, below, entry_path)
                if value is not None:
                    container[key] = value

    def _any_kind(self, field: FieldShape, node: Node, message: Any, where: Where, path: str) -> None:
        """A message field: a well-known type by its own form, everything else field by field."""
        name = field.type_name
        if not name.startswith("google.protobuf."):
            self._message(node, message, where, path)
        elif name == "google.protobuf.Any":
            self._any(node, message, where, path, is_extension=field.name in _EXTENSION_FIELDS)
        else:
            self._well_known(name, node, message, where, path)

    # --- well-known types

    def _well_known(self, name: str, node: Node, message: Any, where: Where, path: str) -> None:
        if name == "google.protobuf.Struct":
            if node.is_map:
                _fill_struct(node, message)
                self._note_places(node, where)
            else:
                self._mismatch(node, where, path, "must be a mapping")
        elif name == "google.protobuf.Value":
            _fill_value(node, message)
        elif name == "google.protobuf.ListValue":
            for item in _flattened(node):
                _fill_value(item, message.values.add())
        elif node.is_map:
            self._message(node, message, where, path)
        else:
            self._well_known_scalar(name, node, message, where, path)

    def _well_known_scalar(self, name: str, node: Node, message: Any, where: Where, path: str) -> None:
        try:
            if name == "google.protobuf.Duration":
                message.seconds, message.nanos = scalars.duration_value(_plain_scalar(node, "a duration"))
            elif name == "google.protobuf.Timestamp":
                message.FromJsonString(scalars.text_value(_plain_scalar(node, "a time")))
            elif name == "google.protobuf.FieldMask":
                message.FromJsonString(scalars.text_value(_plain_scalar(node, "a field mask")))
            elif name in WRAPPERS:
                kind = WRAPPERS[name]
                message.value = _convert(kind, _plain_scalar(node, f"a {kind}"))
            else:
                self._message(node, message, where, path)
        except BadValueError as error:
            self._bad_value(error, where, path)
        except ValueError as error:
            self._bad_value(BadValueError(str(error)), where, path)

    # --- Any

    def _any(self, node: Node, message: Any, where: Where, path: str, *, is_extension: bool) -> None:
        if not node.is_map:
            self._mismatch(node, where, path, "must be a mapping with @type")
            return
        entries = list(_last_of_each(node))
        if not entries:
            return
        type_entry = next((entry for entry in entries if entry.key == "@type"), None)
        if type_entry is None:
            where.broken = True
            self._problems.error(where, path, "@type is missing: it names the type of this message")
            return
        where.children["@type"] = self._at(type_entry.node.line, type_entry.node.column)
        type_name = self._type_name(type_entry.node, where, path)
        if type_name is None:
            where.broken = True
            return
        rest = Node([entry for entry in entries if entry.key != "@type"], node.line, node.column, is_map=True)
        if is_extension and type_name in TYPED_STRUCTS and self._typed_struct(rest, message, where, path):
            return
        inner = message_class(type_name)()
        self._content(type_name, rest, inner, where, path)
        message.type_url = type_entry.node.value
        message.value = inner.SerializeToString(deterministic=True)

    def _content(self, type_name: str, node: Node, inner: Any, where: Where, path: str) -> None:
        if not type_name.startswith("google.protobuf.") or type_name == "google.protobuf.Empty":
            self._message(node, inner, where, path)
            return
        for entry in node.value:
            if entry.key != "value":
                self._unknown_name(entry, where, path, f"{type_name} has only the field 'value' here", ("value",))
            elif type_name == "google.protobuf.Any":
                self._any(entry.node, inner, where, path, is_extension=False)
            else:
                self._well_known(type_name, entry.node, inner, where, join_path(path, "value"))

    def _type_name(self, node: Node, where: Where, path: str) -> str | None:
        type_where = where.children["@type"]
        type_path = join_path(path, "@type")
        if not isinstance(node.value, str):
            self._problems.error(type_where, type_path, f"must be text, not {scalars.found(node.value)}")
            return None
        host, slash, name = node.value.rpartition("/")
        if not slash or not host:
            what = f"{node.value!r} needs a host part before the type, as in {TYPE_URL_PREFIX}{name}"
            self._problems.error(type_where, type_path, what)
            return None
        try:
            message_class(name)
        except TypeNotFoundError:
            what, nearest = _unknown_type(name)
            self._problems.error(type_where, type_path, what, nearest)
            return None
        return name

    def _typed_struct(self, node: Node, message: Any, where: Where, path: str) -> bool:
        """Read a TypedStruct as the type it names; False when that type is not known (the plain form is kept)."""
        by_key = {entry.key: entry.node for entry in node.value}
        type_node = by_key.get("type_url") or by_key.get("typeUrl")
        value = by_key.get("value")
        if type_node is None or not isinstance(type_node.value, str) or set(by_key) - {"type_url", "typeUrl", "value"}:
            return False
        name = type_node.value.rpartition("/")[2]
        if name in TYPED_STRUCTS:
            return False
        try:
            inner = message_class(name)()
        except TypeNotFoundError:
            return False
        if value is not None and value.value is not None:
            self._message(value, inner, where, path)
        message.type_url = TYPE_URL_PREFIX + name
        message.value = inner.SerializeToString(deterministic=True)
        return True

    # --- scalars, places, problems

    def _scalar(self, field: FieldShape, node: Node, where: Where, path: str) -> Any:
        try:
            if field.kind == "enum":
                return scalars.enum_value(_plain_scalar(node, "an enum"), field.enum_numbers)
            return _convert(field.kind, _plain_scalar(node, f"a {field.kind}"))
        except BadValueError as error:
            self._bad_value(error, where, path)
            return None

    def _check_oneof(self, field: FieldShape, entry: Entry, oneofs: dict[str, str], where: Where, path: str) -> None:
        if not field.oneof:
            return
        other = oneofs.setdefault(field.oneof, field.name)
        if other != field.name:
            what = f"{field.name} and {other} exclude each other ({field.oneof}): set only one"
            self._problems.error(self._at(entry.line, entry.column), join_path(path, field.name), what)

    def _unknown_field(self, entry: Entry, shape: Shape, where: Where, path: str) -> None:
        place, field_path = self._at(entry.line, entry.column), join_path(path, entry.key)
        if entry.key in newer.FIELDS.get(shape.type_name, ()):
            self._problems.error(place, field_path, "is not supported by pyvoy")
            return
        if entry.key in newer.TUNING.get(shape.type_name, ()):
            self._problems.warning(place, field_path, "has no effect in pyvoy")
            return
        what = f"{shape.type_name} has no field '{entry.key}'"
        if entry.key == "<<":
            what += " (merge keys are not read, as in Envoy)"
        self._unknown_name(entry, where, path, what, shape.fields)

    def _unknown_name(self, entry: Entry, where: Where, path: str, what: str, names: Any) -> None:
        where.broken = True
        nearest = nearest_name(entry.key, names)
        self._problems.error(self._at(entry.line, entry.column), join_path(path, entry.key), what, nearest)

    def _mismatch(self, node: Node, where: Where, path: str, what: str) -> None:
        where.broken = True
        got = "a list" if node.is_list else scalars.found(node.value)
        self._problems.error(where, path, f"{what}, not {got}")

    def _bad_value(self, error: BadValueError, where: Where, path: str) -> None:
        where.broken = True
        self._problems.error(where, path, error.what, error.nearest)

    def _at(self, line: int, column: int) -> Where:
        return Where(Place(self._source, line, column))

    def _below(self, where: Where, key: str, entry: Entry) -> Where:
        """The place of a field: a scalar's own, else that of the key (a collection often starts a line later)."""
        node = entry.node
        if isinstance(node.value, list):
            place = Place(self._source, entry.line, entry.column)
        else:
            place = Place(self._source, node.line, node.column)
        below = where.children[key] = Where(place)
        return below

    def _note_places(self, node: Node, where: Where) -> None:
        """The places within a Struct, for extensions that check what is in it."""
        if node.is_map:
            for entry in node.value:
                self._note_places(entry.node, self._below(where, entry.key, entry))
        elif isinstance(node.value, list):
            for index, item in enumerate(node.value):
                self._note_places(item, self._child(where, index, item))

    def _child(self, where: Where, index: int, node: Node) -> Where:
        below = where.children[index] = self._at(node.line, node.column)
        return below


def _last_of_each(node: Node) -> Iterator[Entry]:
    """The entries of a mapping; of equal keys only the last counts, as in Envoy."""
    entries: list[Entry] = node.value
    last = {entry.key: entry for entry in entries}
    return iter(entries if len(last) == len(entries) else last.values())


def _flattened(node: Node) -> Iterator[Node]:
    if not node.is_list:
        yield node
        return
    for item in node.value:
        yield from _flattened(item)


def _plain_scalar(node: Node, expected: str) -> Any:
    if isinstance(node.value, list):
        raise BadValueError(f"must be {expected}, not a {'mapping' if node.is_map else 'list'}")
    return node.value


def _convert(kind: str, value: Any) -> Any:
    if kind == "string":
        return scalars.text_value(value)
    if kind == "bool":
        return scalars.bool_value(value)
    if kind == "double":
        return scalars.float_value(value)
    if kind == "bytes":
        return scalars.bytes_value(value)
    return scalars.int_value(value, kind)


def _map_key(key: str, kind: str) -> Any:
    return _convert(kind, key)


def _fill_struct(node: Node, struct: Any) -> None:
    for entry in _last_of_each(node):
        _fill_value(entry.node, struct.fields[entry.key])


def _fill_value(node: Node, value: Any) -> None:
    content = node.value
    if node.is_map:
        value.struct_value.SetInParent()
        _fill_struct(node, value.struct_value)
    elif isinstance(content, list):
        value.list_value.SetInParent()
        for item in content:
            _fill_value(item, value.list_value.values.add())
    elif content is None:
        value.null_value = 0
    elif isinstance(content, bool):
        value.bool_value = content
    elif isinstance(content, str):
        value.string_value = content
    else:
        value.number_value = content


def _short(message: Any) -> str:
    name: str = message.DESCRIPTOR.full_name
    return name


def _unknown_type(name: str) -> tuple[str, str]:
    """What to say of a type that is not known, and the nearest one of its package."""
    if name.rpartition(".")[0] in newer.PACKAGES:
        return f"type {name!r} is not supported by pyvoy", ""
    if ".v2." in name or ".v2alpha" in name or name.startswith("envoy.api.v2"):
        return f"type {name!r} is of Envoy's API v2, which is gone", ""
    nearest = nearest_name(name, package_types(name.rpartition(".")[0]))
    return f"there is no type {name!r}", nearest
