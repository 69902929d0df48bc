"""Header rules: what request_headers_to_add/remove and their response twins do to a header map.

Removals first; then every value is computed from the headers as they are, then replacements are written, then
additions.  Constant values are bytes; only values with operators call a formatter.
Source of behaviour: Envoy's HeaderParser::evaluateHeaders.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from pyvoy.http.headers import HeaderMap, Pair

Apply = Callable[[Any, HeaderMap], None]
Formatter = Callable[[Any], bytes]


class AppendAction(IntEnum):
    """HeaderValueOption.HeaderAppendAction, with the numbers of the protobuf enum."""

    APPEND_IF_EXISTS_OR_ADD = 0
    ADD_IF_ABSENT = 1
    OVERWRITE_IF_EXISTS_OR_ADD = 2
    OVERWRITE_IF_EXISTS = 3


@dataclass(slots=True, frozen=True)
class HeaderRule:
    """One HeaderValueOption.  `value` is constant bytes, or computed by `formatter`; an empty value is skipped unless
    `keep_empty`."""

    name: bytes
    value: bytes = b""
    formatter: Formatter | None = None
    action: AppendAction = AppendAction.APPEND_IF_EXISTS_OR_ADD
    keep_empty: bool = False


class HeaderRules:
    """All rules of one place.  `apply(source, headers)` does them; `source` is the stream the formatters read."""

    __slots__ = ("apply", "empty", "removals", "rules")

    def __init__(self, rules: Sequence[HeaderRule] = (), removals: Sequence[bytes] = ()) -> None:
        self.rules = tuple(rule for rule in rules if rule.value or rule.formatter or rule.keep_empty)
        self.removals = tuple(removals)
        self.empty = not self.rules and not self.removals
        self.apply: Apply = _compile(self.removals, self.rules)


def _compile(removals: tuple[bytes, ...], rules: tuple[HeaderRule, ...]) -> Apply:
    """The cheapest function that does these rules."""
    unconditional = (AppendAction.APPEND_IF_EXISTS_OR_ADD, AppendAction.OVERWRITE_IF_EXISTS_OR_ADD)
    if any(rule.formatter is not None or rule.action not in unconditional for rule in rules):
        return _general(removals, rules)
    adds = _constants(rules, AppendAction.APPEND_IF_EXISTS_OR_ADD)
    sets = _constants(rules, AppendAction.OVERWRITE_IF_EXISTS_OR_ADD)
    if len(rules) == 1 and not removals:
        name, value = (*adds, *sets)[0]
        if adds:
            return lambda _source, headers: headers.add(name, value)
        return lambda _source, headers: _replace(headers, name, value)

    def apply(_source: Any, headers: HeaderMap) -> None:
        for name in removals:
            headers.remove(name)
        for name, value in sets:
            _replace(headers, name, value)
        for name, value in adds:
            headers.add(name, value)

    return apply


def _replace(headers: HeaderMap, name: bytes, value: bytes) -> None:
    """Replace all values by one at the end of the map (Envoy's setReferenceKey, measured on 1.40)."""
    headers.remove(name)
    headers.add(name, value)


def _constants(rules: Sequence[HeaderRule], action: AppendAction) -> tuple[Pair, ...]:
    return tuple((rule.name, rule.value) for rule in rules if rule.action is action)


def _general(removals: tuple[bytes, ...], rules: tuple[HeaderRule, ...]) -> Apply:
    rows = tuple((rule.name, rule.value, rule.formatter, rule.action, rule.keep_empty) for rule in rules)

    def apply(source: Any, headers: HeaderMap) -> None:
        for name in removals:
            headers.remove(name)
        sets: list[Pair] = []
        adds: list[Pair] = []
        present = headers.map
        for name, constant, formatter, action, keep_empty in rows:
            value = constant if formatter is None else clean(formatter(source))
            if not value and not keep_empty:
                continue
            if action is AppendAction.APPEND_IF_EXISTS_OR_ADD:
                adds.append((name, value))
            elif action is AppendAction.OVERWRITE_IF_EXISTS_OR_ADD:
                sets.append((name, value))
            elif action is AppendAction.ADD_IF_ABSENT:
                if name not in present:
                    adds.append((name, value))
            elif name in present:
                sets.append((name, value))
        for name, value in sets:
            _replace(headers, name, value)
        for name, value in adds:
            headers.add(name, value)

    return apply


def showing_response(apply: Apply) -> Apply:
    """Rules whose operators may ask for the response: the stream shows the head that is being made."""

    def apply_shown(stream: Any, headers: HeaderMap) -> None:
        stream.response_headers = headers
        status = headers.map.get(b":status")
        if status is not None:
            stream.info.response_code = int(status)
        apply(stream, headers)

    return apply_shown


def clean(value: bytes) -> bytes:
    """A computed value without the bytes that would break a header line (metadata may hold any text)."""
    if b"\n" in value or b"\r" in value or b"\x00" in value:
        return value.translate(None, b"\r\n\x00")
    return value
