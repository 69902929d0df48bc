"""Which gRPC method a request's method and path mean: a tree of path segments, made when the configuration is loaded.

Literals win over `*`, `*` over `**`.  A path that two methods claim belongs to none.  Text is UTF-8 with other octets
as lone surrogates, so that every path can be looked up.
Source: google/api/http.proto; observed on Envoy 1.40.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

from pyvoy.filters.http.grpc_json_transcoder.path_template import ONE, REST, Template, Variable

Method = TypeVar("Method")

ANY_METHOD = "*"
_RESERVED = b"!#$&'()*+,/:;=?@[]"
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_ESCAPE_OR_PLUS = re.compile(rb"%([0-9A-Fa-f]{2})|\+")


class Unescape(Enum):
    """Which escapes in several segments that one variable takes are undone (Envoy: UrlUnescapeSpec)."""

    EXCEPT_RESERVED = 0
    EXCEPT_SLASH = 1
    ALL = 2


def unescape(text: str, spec: Unescape = Unescape.ALL, *, plus: bool = False) -> str:
    """Undo percent-encoding; `plus`: a plus sign is a blank."""
    if "%" not in text and not (plus and "+" in text):
        return text
    kept = {Unescape.EXCEPT_RESERVED: _RESERVED, Unescape.EXCEPT_SLASH: b"/", Unescape.ALL: b""}[spec]

    def octet(found: re.Match[bytes]) -> bytes:
        if found[0] == b"+":
            return b" "
        value = bytes((int(found[1], 16),))
        return found[0] if value in kept else value

    raw = text.encode("utf-8", "surrogateescape")
    return (_ESCAPE_OR_PLUS if plus else _ESCAPE).sub(octet, raw).decode("utf-8", "surrogateescape")


@dataclass(slots=True, frozen=True)
class Found(Generic[Method]):
    """A match: the method and (variable, value) of the path."""

    method: Method
    values: tuple[tuple[Variable, str], ...]


class _Node(Generic[Method]):
    """A place in the tree: what may follow, and who ends here by HTTP method and verb (nobody if two claim it)."""

    __slots__ = ("children", "ends", "is_rest")

    def __init__(self, is_rest: bool = False) -> None:
        self.children: dict[str, _Node[Method]] = {}
        self.ends: dict[str, tuple[Template, Method | None]] = {}
        self.is_rest = is_rest

    def end(self, key: str) -> tuple[Template, Method | None] | None:
        """Who ends here."""
        return self.ends.get(key) or self.ends.get(ANY_METHOD)


class PathMatcher(Generic[Method]):
    """Filled by `add` when the configuration is loaded, then only asked."""

    __slots__ = ("_any_verb", "_root", "_unescape", "_verbs")

    def __init__(self, spec: Unescape, *, any_verb: bool) -> None:
        """`any_verb`: what follows the last colon is a custom verb, whether or not a template has it."""
        self._root: _Node[Method] = _Node()
        self._verbs: set[str] = set()
        self._unescape = spec
        self._any_verb = any_verb

    def add(self, http_method: str, template: Template, method: Method) -> None:
        """Requests of this HTTP method (`*`: any) and this shape mean `method`."""
        node = self._root
        for segment in template.segments:
            node = node.children.setdefault(segment, _Node(segment == REST))
        key = http_method + template.verb
        node.ends[key] = (template, None if key in node.ends else method)
        if template.verb:
            self._verbs.add(template.verb)

    def find(self, http_method: str, path: str) -> Found[Method] | None:
        """The method of a request; `path` has no query."""
        verb = ""
        colon = path.rfind(":")
        if colon > path.rfind("/"):
            after = path[colon + 1 :]
            if self._any_verb or after in self._verbs:
                verb, path = after, path[:colon]
        parts = path[1:].split("/") if path else []
        while parts and not parts[-1]:
            parts.pop()
        end = _look(self._root, parts, 0, http_method + verb)
        if end is None:
            return None
        template, method = end
        if method is None:
            return None
        return Found(method, tuple((each, self._value(each, parts)) for each in template.variables))

    def _value(self, variable: Variable, parts: list[str]) -> str:
        start, stop = variable.start, variable.stop
        several = stop < 0 or stop - start > 1
        taken = parts[start : len(parts) + stop + 1 if stop < 0 else stop]
        spec = self._unescape if several else Unescape.ALL
        return "/".join([unescape(part, spec) for part in taken])


def _look(node: _Node[Method], parts: list[str], at: int, key: str) -> tuple[Template, Method | None] | None:
    """The end that the parts from `at` on lead to; the first child that leads anywhere is it."""
    while at < len(parts):
        child = node.children.get(parts[at])
        if child is not None and (found := _look(child, parts, at + 1, key)) is not None:
            return found
        if not node.is_rest:
            for wild in (ONE, REST):
                child = node.children.get(wild)
                if child is not None and (found := _look(child, parts, at + 1, key)) is not None:
                    return found
            return None
        at += 1  # a `**` takes this part too; only literals follow it
    found = node.end(key)
    if found is None and REST in node.children:
        found = node.children[REST].end(key)
    return found
