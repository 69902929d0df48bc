"""The field rules that the API's messages carry (protoc-gen-validate), checked on one message at a time.

Rule tables are made per message type when the type first appears.  A check returns texts; finding places and walking
the tree is `walk`'s matter.  Source: the validate.rules options of the Envoy API; a wrapper's rules hold for its value,
unset messages and wrappers pass unless they are required.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pyvoy.config.problems import Problems, Where, join_path
from pyvoy.config.protos import newer
from pyvoy.config.shapes import WRAPPERS, FieldShape, shape_of

Test = Callable[[Any], "str | None"]
MAX_DURATION_S = 9_223_372_036  # nanoseconds in 64 bits: Envoy refuses longer ones

_EMPTY = "must not be empty"
_HEADER_NAME = re.compile(r":?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+")
_HEADER_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
_HEADER_LOOSE = re.compile(r"[^\x00\x0a\x0d]*")


@dataclass(slots=True, frozen=True)
class FieldRules:
    """Rules of one field: `whole` looks at the field's value (or list, or map), `items` and `keys` at each element."""

    name: str
    required: bool
    only_if_set: bool
    whole: tuple[Test, ...] = ()
    items: tuple[Test, ...] = ()
    keys: tuple[Test, ...] = ()


@dataclass(slots=True, frozen=True)
class TypeRules:
    """Rules of one message type; `oneofs` are those of which one member must be set."""

    fields: tuple[FieldRules, ...]
    oneofs: tuple[tuple[str, tuple[str, ...]], ...]


def check(message: Any, where: Where, path: str, problems: Problems) -> None:
    """Report what the rules of this message's type say against it (not against the messages within)."""
    rules = rules_of(message.DESCRIPTOR)
    for oneof, members in rules.oneofs:
        if message.WhichOneof(oneof) is None and not where.broken and not _any_broken(where, members):
            problems.error(where, path, f"needs one of: {', '.join(members)}")
    for field in rules.fields:
        below = where.children.get(field.name)
        if below is not None and below.broken:
            continue
        if field.only_if_set and not message.HasField(field.name):
            if field.required and not where.broken:
                problems.error(where, join_path(path, field.name), "is required")
            continue
        for step, text in _against(field, getattr(message, field.name)):
            if below is None and where.broken:
                continue
            missing = below is None and text == _EMPTY and where.place is not None
            at = below.follow(step) if below is not None else where
            problems.error(at, join_path(join_path(path, field.name), step), "is required" if missing else text)


def duration_problem(message: Any) -> str | None:
    """What Envoy refuses in any Duration, whatever the field's rules."""
    if message.seconds < 0 or message.nanos < 0:
        return "must not be negative"
    if message.seconds > MAX_DURATION_S or message.nanos > 999_999_999:
        return f"must not be longer than {MAX_DURATION_S}s"
    return None


@cache
def rules_of(descriptor: Any) -> TypeRules:
    """The rule table of a message type."""
    from validate import validate_pb2

    if descriptor.GetOptions().Extensions[validate_pb2.disabled]:
        return TypeRules((), ())
    fields = []
    for shape in shape_of(descriptor).fields.values():
        if not shape.descriptor.has_options or f"{descriptor.full_name}.{shape.name}" in newer.WITHOUT_RULES:
            continue
        options = shape.descriptor.GetOptions()
        if options.HasExtension(validate_pb2.rules):
            made = _field_rules(shape, options.Extensions[validate_pb2.rules])
            if made is not None:
                fields.append(made)
    oneofs = [
        (oneof.name, tuple(member.name for member in oneof.fields if not member.GetOptions().deprecated))
        for oneof in descriptor.oneofs
        if oneof.has_options and oneof.GetOptions().Extensions[validate_pb2.required]
    ]
    return TypeRules(tuple(fields), tuple(oneofs))


def _any_broken(where: Where, members: tuple[str, ...]) -> bool:
    return any(name in where.children and where.children[name].broken for name in members)


def _against(field: FieldRules, value: Any) -> Iterator[tuple[str, str]]:
    """What speaks against a value: (step below the field, text), the first text for each element."""
    text = _first(field.whole, value)
    if text is not None:
        yield "", text
    if field.items:
        keyed = hasattr(value, "items")
        for index, item in value.items() if keyed else enumerate(value):
            text = _first(field.items, item)
            if text is not None:
                yield f'["{index}"]' if keyed else f"[{index}]", text
    for key in value if field.keys else ():
        text = _first(field.keys, key)
        if text is not None:
            yield f'["{key}"]', f"the key {text}"


def _first(tests: tuple[Test, ...], value: Any) -> str | None:
    return next((text for text in (test(value) for test in tests) if text is not None), None)


def _field_rules(shape: FieldShape, rules: Any) -> FieldRules | None:
    kind = rules.WhichOneof("type")
    # A member of a oneof is set by being chosen: there "required" asks nothing more.
    required = rules.message.required and not shape.oneof
    has_presence = bool(shape.descriptor.has_presence)
    if kind == "repeated":
        return _repeated_rules(shape, rules.repeated)
    if kind == "map":
        return _map_rules(shape, rules.map)
    if kind is None:
        return FieldRules(shape.name, True, True) if required else None
    required = required or (bool(getattr(getattr(rules, kind), "required", False)) and not shape.oneof)
    tests = _tests(kind, getattr(rules, kind), shape)
    if shape.kind == "message" and shape.type_name in WRAPPERS:
        tests = tuple(_on_wrapper(test) for test in tests)
    if not tests and not required:
        return None
    return FieldRules(shape.name, required, has_presence, tests)


def _on_wrapper(test: Test) -> Test:
    return lambda wrapper: test(wrapper.value)


def _repeated_rules(shape: FieldShape, rules: Any) -> FieldRules:
    whole: list[Test] = []
    if rules.min_items:
        whole.append(_min_count(rules.min_items))
    if rules.HasField("max_items"):
        whole.append(_max_count(rules.max_items))
    if rules.unique:
        whole.append(_unique)
    kind = rules.items.WhichOneof("type")
    items = _tests(kind, getattr(rules.items, kind), shape) if kind and kind != "message" else ()
    return FieldRules(shape.name, False, False, tuple(whole), items)


def _map_rules(shape: FieldShape, rules: Any) -> FieldRules:
    whole: tuple[Test, ...] = (_min_count(rules.min_pairs),) if rules.min_pairs else ()
    key_kind, value_kind = rules.keys.WhichOneof("type"), rules.values.WhichOneof("type")
    keys = _tests(key_kind, getattr(rules.keys, key_kind), shape) if key_kind else ()
    values = _tests(value_kind, getattr(rules.values, value_kind), shape) if value_kind else ()
    return FieldRules(shape.name, False, False, whole, values, keys)


def _min_count(minimum: int) -> Test:
    text = f"must have at least {minimum} {'entry' if minimum == 1 else 'entries'}"
    return lambda values: text if len(values) < minimum else None


def _max_count(maximum: int) -> Test:
    text = f"must have at most {maximum} {'entry' if maximum == 1 else 'entries'}"
    return lambda values: text if len(values) > maximum else None


def _unique(values: Any) -> str | None:
    return "must not repeat a value" if len(set(values)) < len(values) else None


def _tests(kind: str, rules: Any, shape: FieldShape) -> tuple[Test, ...]:
    if kind in ("string", "bytes"):
        tests = list(_text_tests(rules, "bytes" if kind == "bytes" else "characters"))
    elif kind == "enum":
        tests = list(_enum_tests(rules, shape))
    elif kind == "duration":
        tests = [_duration_test(name, limit) for name, limit in _bounds(rules)]
    elif kind == "bool":
        tests = [_equal(rules.const)] if rules.HasField("const") else []
    elif kind in ("any", "timestamp", "message"):
        tests = []
    else:
        tests = [_bound(name, limit, str(limit)) for name, limit in _bounds(rules)]
    if getattr(rules, "ignore_empty", False):
        return tuple(_unless_empty(test) for test in tests)
    return tuple(tests)


def _unless_empty(test: Test) -> Test:
    return lambda value: test(value) if value else None


def _equal(wanted: Any) -> Test:
    return lambda value: None if value == wanted else f"must be {str(wanted).lower()}"


def _bounds(rules: Any) -> Iterator[tuple[str, Any]]:
    for name in ("gt", "gte", "lt", "lte"):
        if rules.HasField(name):
            yield name, getattr(rules, name)


def _bound(name: str, limit: Any, shown: str) -> Test:
    # Written so that NaN fails every bound.
    if name == "gt":
        return lambda value: None if value > limit else f"must be greater than {shown}"
    if name == "gte":
        return lambda value: None if value >= limit else f"must be at least {shown}"
    if name == "lt":
        return lambda value: None if value < limit else f"must be less than {shown}"
    return lambda value: None if value <= limit else f"must be at most {shown}"


def _duration_test(name: str, limit: Any) -> Test:
    test = _bound(name, (limit.seconds, limit.nanos), f"{limit.seconds + limit.nanos / 1e9:g}s")
    return lambda value: test((value.seconds, value.nanos))


def _enum_tests(rules: Any, shape: FieldShape) -> Iterator[Test]:
    known = frozenset(shape.enum_numbers.values())
    if rules.defined_only:
        yield lambda value: None if value in known else f"{value} is no value of {shape.type_name}"
    refused = {number: name for name, number in shape.enum_numbers.items() if number in rules.not_in}
    if refused:
        yield lambda value: f"must not be {refused[value]}" if value in refused else None


def _text_tests(rules: Any, unit: str) -> Iterator[Test]:
    for name in ("min_len", "min_bytes"):
        if rules.DESCRIPTOR.fields_by_name.get(name) is not None and rules.HasField(name):
            yield _min_length(getattr(rules, name), unit)
    for name in ("max_len", "max_bytes"):
        if rules.DESCRIPTOR.fields_by_name.get(name) is not None and rules.HasField(name):
            yield _max_length(getattr(rules, name), unit, in_bytes=name == "max_bytes")
    choices = list(getattr(rules, "in"))
    if choices:
        shown = ", ".join(repr(choice) for choice in choices)
        yield lambda value: None if value in choices else f"must be one of {shown}"
    if unit == "characters":
        yield from _string_tests(rules)


def _string_tests(rules: Any) -> Iterator[Test]:
    if rules.HasField("pattern"):
        pattern = re.compile(rules.pattern)
        yield lambda value: None if pattern.search(value) else f"must match {rules.pattern}"
    if rules.HasField("prefix"):
        yield lambda value: None if value.startswith(rules.prefix) else f"must start with {rules.prefix!r}"
    if rules.HasField("suffix"):
        yield lambda value: None if value.endswith(rules.suffix) else f"must end with {rules.suffix!r}"
    if rules.well_known_regex == 1:
        name = _HEADER_NAME if rules.strict else _HEADER_LOOSE
        yield lambda value: None if name.fullmatch(value) else f"{value!r} is no header name"
    elif rules.well_known_regex == 2:
        allowed = _HEADER_VALUE if rules.strict else _HEADER_LOOSE
        yield lambda value: None if allowed.fullmatch(value) else "must not contain control characters"


def _min_length(minimum: int, unit: str) -> Test:
    text = _EMPTY if minimum == 1 else f"must have at least {minimum} {unit}"
    return lambda value: text if len(value) < minimum else None


def _max_length(maximum: int, unit: str, *, in_bytes: bool) -> Test:
    text = f"must have at most {maximum} {'bytes' if in_bytes else unit}"
    if in_bytes:
        return lambda value: text if len(value.encode() if isinstance(value, str) else value) > maximum else None
    return lambda value: text if len(value) > maximum else None
