"""YAML or JSON text -> nodes that remember line and column, with scalars read as Envoy's reader (yaml-cpp) reads them.

Only the first document counts; later duplicate keys win; merge keys are ordinary keys; keys tagged `!ignore` vanish.
Cyclic anchors, too deep nesting and anchors that multiply beyond measure are errors.  Nothing here knows protobuf.
Source: Envoy's yaml_utility.cc as observed on Envoy 1.40 (reference 6.4); the depth limit is protobuf's JSON parser's.
"""

from __future__ import annotations

import codecs
import json
import re
from typing import Any

import yaml

from pyvoy.config.problems import ConfigErrors, ConfigProblem, Place, Source

_LIBYAML_DEPTH = "exceeded maximum nesting depth"
_LIBYAML_DEPTH = "exceeded maximum nesting depth"
MAX_DEPTH = 100
MAX_NODES = 1_000_000

Scalar = str | bool | int | float | None

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_TRUE = frozenset(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"))
_FALSE = frozenset(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"))
_DECIMAL = re.compile(r"[+-]?(?:0|[1-9][0-9]*)\Z", re.ASCII)
_OCTAL = re.compile(r"[+-]?0[0-7]+\Z", re.ASCII)
_HEX = re.compile(r"[+-]?0[xX][0-9a-fA-F]+\Z", re.ASCII)
_SURROGATES = re.compile(r"\\u([dD][89abAB][0-9a-fA-F]{2})\\u([dD][c-fC-F][0-9a-fA-F]{2})")
_TAB_LINES = re.compile(r"^ *\t[ \t]*$", re.MULTILINE)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


class Node:
    """A value of the text.  `value` is a scalar, a list of Node, or a list of Entry (a mapping)."""

    __slots__ = ("column", "height", "is_map", "line", "size", "value")

    def __init__(self, value: Any, line: int, column: int, *, is_map: bool = False) -> None:
        self.value = value
        self.line = line
        self.column = column
        self.is_map = is_map
        self.height = 0
        self.size = 1

    @property
    def is_list(self) -> bool:
        return not self.is_map and isinstance(self.value, list)

    def plain(self) -> Any:
        """The value as plain dictionaries, lists and scalars."""
        if self.is_map:
            return {entry.key: entry.node.plain() for entry in self.value}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value


class Entry:
    """A key of a mapping with its place and its value."""

    __slots__ = ("column", "key", "line", "node")

    def __init__(self, key: str, line: int, column: int, node: Node) -> None:
        self.key = key
        self.line = line
        self.column = column
        self.node = node


def decode(data: bytes) -> str:
    """Text of a file: UTF-8, or UTF-16 with a byte order mark; what is no UTF-8 becomes U+FFFD, as in Envoy."""
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    return data.decode("utf-8", "replace")


def parse(text: str, name: str, *, is_json: bool = False) -> tuple[Source, Node]:
    """The first document of a text; `name` is its file name for messages.

    Raises ConfigErrors when the text cannot be read or holds no mapping."""
    source = Source(name, tuple(text.split("\n")))
    if is_json:
        _check_json(text, source)
        text = _SURROGATES.sub(_join_surrogates, text)
    elif "\t" in text:
        text = _TAB_LINES.sub("", text)  # libyaml stumbles over a tab on an otherwise empty line, yaml-cpp does not
    node = _Composer(source, is_json).compose(text)
    if not node.is_map:
        raise _failure(source, node.line, node.column, "the configuration must be a mapping of fields")
    return source, node


def scalar_value(text: str) -> Scalar:
    """What a plain (unquoted) YAML scalar means to Envoy.

    Whole numbers within 32 bits are numbers; larger ones are handed on as decimal text, fractions as their own text,
    for the field's type to decide (so `id: 1.5` is a string and `id: 5` is not)."""
    if text in _NULLS:
        return None
    return _untagged(text)


def _untagged(text: str) -> Scalar:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if text[0:1] in "+-0123456789" and text:
        number = _whole_number(text)
        if number is not None:
            return number if -(2**31) <= number < 2**31 else str(number)
    return text


def _whole_number(text: str) -> int | None:
    if _DECIMAL.match(text):
        number = int(text[:24])
    elif _OCTAL.match(text):
        number = int(text[:32], 8)
    elif _HEX.match(text):
        number = int(text[:32], 16)
    else:
        return None
    return number if -(2**63) <= number < 2**63 else None


class _Composer:
    """Builds the node tree of one document from parser events, without recursion."""

    __slots__ = ("_anchors", "_is_json", "_open_anchors", "_source")

    def __init__(self, source: Source, is_json: bool) -> None:
        self._source = source
        self._is_json = is_json
        self._anchors: dict[str, Node] = {}
        self._open_anchors: set[int] = set()

    def compose(self, text: str) -> Node:
        try:
            return self._document(text)
        except yaml.MarkedYAMLError as error:
            what, mark = _explained(error, len(self._source.lines))
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            if _LIBYAML_DEPTH in what:  # its look-ahead for a key can meet its own limit before `_open` meets ours
                raise _too_deep(self._source, line, column) from None
            raise _failure(self._source, line, column, f"not valid YAML: {what}") from None
        except yaml.reader.ReaderError as error:
            position = max(text.find(chr(error.character)), 0)  # the error's own position counts bytes
            line, column = text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
            what = f"not valid YAML: character U+{error.character:04X} is not allowed"
            raise _failure(self._source, line, column, what) from None

    def _document(self, text: str) -> Node:
        # A table-driven loop over the events; `stack` holds the open collections, `keys` a pending key for each.
        stack: list[Node] = []
        keys: list[tuple[str, int, int, bool] | None] = []
        for event in yaml.parse(text, Loader=yaml.CSafeLoader):
            kind = type(event)
            if kind is yaml.ScalarEvent:
                node = self._scalar(event)
            elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
                self._open(event, stack, keys)
                continue
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                node = stack.pop()
                keys.pop()
                self._open_anchors.discard(id(node))
            elif kind is yaml.AliasEvent:
                node = self._alias(event)
            else:
                if kind is yaml.DocumentEndEvent:
                    break
                continue
            if not stack:
                return node
            self._attach(node, event, stack, keys)
        raise _failure(self._source, 1, 1, "the configuration is empty")

    def _open(self, event: Any, stack: list[Node], keys: list[tuple[str, int, int, bool] | None]) -> None:
        mark = event.start_mark
        if len(stack) >= MAX_DEPTH:
            raise _too_deep(self._source, mark.line + 1, mark.column + 1)
        if stack and stack[-1].is_map and keys[-1] is None:
            raise _failure(self._source, mark.line + 1, mark.column + 1, "a key must be a scalar")
        node = Node([], mark.line + 1, mark.column + 1, is_map=type(event) is yaml.MappingStartEvent)
        if event.anchor:
            self._anchors[event.anchor] = node
            self._open_anchors.add(id(node))
        stack.append(node)
        keys.append(None)

    def _attach(self, node: Node, event: Any, stack: list[Node], keys: list[tuple[str, int, int, bool] | None]) -> None:
        parent = stack[-1]
        parent.size += node.size
        parent.height = max(parent.height, node.height + 1)
        if parent.size > MAX_NODES or len(stack) + node.height > MAX_DEPTH:
            raise _failure(self._source, node.line, node.column, "anchors expand to too much")
        if not parent.is_map:
            parent.value.append(node)
        elif keys[-1] is None:
            if type(event) is yaml.AliasEvent and isinstance(node.value, list):
                raise _failure(self._source, node.line, node.column, "a key must be a scalar")
            mark = event.start_mark
            key = event.value if type(event) is yaml.ScalarEvent and node.value is not None else _key_text(node.value)
            keys[-1] = (key, mark.line + 1, mark.column + 1, getattr(event, "tag", None) == "!ignore")
        else:
            key, line, column, ignored = keys[-1]
            keys[-1] = None
            if not ignored:
                parent.value.append(Entry(key, line, column, node))

    def _scalar(self, event: Any) -> Node:
        mark = event.start_mark
        node = Node(self._scalar_value(event), mark.line + 1, mark.column + 1)
        if event.anchor:
            self._anchors[event.anchor] = node
        return node

    def _scalar_value(self, event: Any) -> Scalar:
        text: str = event.value
        if event.tag is not None and event.tag != "!":
            return _untagged(text)  # an explicit tag hides the quotes from yaml-cpp, and is otherwise ignored
        if event.tag == "!" or not event.implicit[0]:
            return text
        return _json_scalar(text) if self._is_json else scalar_value(text)

    def _alias(self, event: Any) -> Node:
        mark = event.start_mark
        node = self._anchors.get(event.anchor)
        if node is None:
            what = f"the anchor '{event.anchor}' is not defined"
            raise _failure(self._source, mark.line + 1, mark.column + 1, what)
        if id(node) in self._open_anchors:
            what = f"the anchor '{event.anchor}' contains itself"
            raise _failure(self._source, mark.line + 1, mark.column + 1, what)
        return node


def _explained(error: yaml.MarkedYAMLError, line_count: int) -> tuple[str, Any]:
    """What libyaml says, and the mark to show: what is never closed is best shown where it opens."""
    what = ", ".join(part for part in (error.context, error.problem) if part)
    mark, opened = error.problem_mark or error.context_mark, error.context_mark
    if mark and opened and mark.line >= line_count:
        mark = opened
    elif opened and what.startswith("while parsing a flow"):
        what += f" (opened at {opened.line + 1}:{opened.column + 1})"
    return what, mark


def _key_text(value: Scalar) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)


def _json_scalar(text: str) -> Scalar:
    value: Scalar = json.loads(text)
    return value


def _check_json(text: str, source: Source) -> None:
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise _failure(source, error.lineno, error.colno, f"not valid JSON: {error.msg}") from None
    except RecursionError:
        raise _too_deep(source, 1, 1) from None


def _join_surrogates(match: re.Match[str]) -> str:
    high, low = int(match.group(1), 16), int(match.group(2), 16)
    return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"


def _too_deep(source: Source, line: int, column: int) -> ConfigErrors:
    return _failure(source, line, column, f"nested too deeply (more than {MAX_DEPTH} levels)")


def _failure(source: Source, line: int, column: int, what: str) -> ConfigErrors:
    return ConfigErrors([ConfigProblem(what, "", Place(source, line, column))])
