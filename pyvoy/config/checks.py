"""One walk over a loaded message: field rules, durations, deprecations, and what pyvoy does not implement.

Goes into every set field, into lists, maps and Any.  Used for the bootstrap and for resources that come as messages
(then without places).  Source: Envoy's MessageUtil::validate and checkForUnexpectedFields; ARCHITECTURE rule 6.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pyvoy.config import coverage, rules
from pyvoy.config.message_types import TypeNotFoundError, unpack
from pyvoy.config.problems import Problems, Where, join_path
from pyvoy.config.registry import Registry, Support, type_name_of
from pyvoy.config.shapes import FieldShape, shape_of

_DEEPEST = 200


class Checker:
    """Walks messages and reports into one list of problems."""

    __slots__ = ("_problems", "_registry")

    def __init__(self, problems: Problems, registry: Registry) -> None:
        self._problems = problems
        self._registry = registry

    def check(self, message: Any, where: Where, path: str = "", *, covered: bool = True) -> None:
        """Check a message and all within.  `covered` is False below a field that was reported as not supported."""
        if path.count(".") > _DEEPEST:
            self._problems.error(where, path, "nested too deeply")
            return
        rules.check(message, where, path, self._problems)
        shape = shape_of(message.DESCRIPTOR)
        support = self._registry.supported(shape.type_name) if covered else None
        for descriptor, value in message.ListFields():
            field = shape.fields[descriptor.name]
            below = where.child(field.name)
            below_path = join_path(path, field.name)
            self._deprecations(field, value, below, below_path)
            goes_on = support is not None and self._covers(support, field, below, below_path)
            if field.kind == "message":
                optional = bool(getattr(message, "is_optional", False))
                self._below(field, value, below, below_path, covered=goes_on, optional=optional)

    def _below(self, field: FieldShape, value: Any, where: Where, path: str, *, covered: bool, optional: bool) -> None:
        name = field.type_name
        if name.startswith("google.protobuf.") and name not in ("google.protobuf.Any", "google.protobuf.Duration"):
            return
        if covered and not name.startswith("google.protobuf.") and self._registry.supported(name) is None:
            self._problems.error(where, path, f"{name} is not supported by pyvoy")
            covered = False
        if field.key_kind:
            for key in sorted(value):
                step = f'["{key}"]'
                self._message(name, value[key], where.child(key), path + step, covered=covered, optional=optional)
        elif field.repeated:
            for index, item in enumerate(value):
                self._message(name, item, where.child(index), f"{path}[{index}]", covered=covered, optional=optional)
        else:
            self._message(name, value, where, path, covered=covered, optional=optional)

    def _message(self, name: str, value: Any, where: Where, path: str, *, covered: bool, optional: bool) -> None:
        if name == "google.protobuf.Duration":
            text = rules.duration_problem(value)
            if text is not None and not self._problems.has_error_at(path):
                self._problems.error(where, path, text)
        elif name == "google.protobuf.Any":
            self._any(value, where, path, covered=covered, optional=optional)
        else:
            self.check(value, where, path, covered=covered)

    def _any(self, value: Any, where: Where, path: str, *, covered: bool, optional: bool) -> None:
        if not value.type_url:
            return
        name = type_name_of(value.type_url)
        if covered and not name.startswith("google.protobuf."):
            covered = self._covers_type(name, value, where, path, optional=optional)
            if optional and not covered:
                return
        try:
            inner = unpack(value, name)
        except (TypeNotFoundError, ValueError) as error:
            self._problems.error(where, path, str(error))
            return
        if not name.startswith("google.protobuf."):
            self.check(inner, where, path, covered=covered)

    def _covers_type(self, name: str, value: Any, where: Where, path: str, *, optional: bool) -> bool:
        if self._registry.supported(name) is not None:
            return True
        what, nearest = coverage.unsupported_type(self._registry, name, value)
        if optional:
            self._problems.warning(where, path, f"{what}; skipped, because it is optional")
        else:
            self._problems.error(where, path, what, nearest)
        return False

    def _covers(self, support: Support, field: FieldShape, where: Where, path: str) -> bool:
        """Whether the walk goes on to ask for support below this field."""
        if field.name in support.fields:
            return True
        if field.name in support.tuning:
            self._problems.warning(where, path, "has no effect in pyvoy")
            return False
        self._problems.error(where, path, "is not supported by pyvoy")
        return False

    def _deprecations(self, field: FieldShape, value: Any, where: Where, path: str) -> None:
        deprecated, disallowed = _field_deprecation(field.descriptor)
        if disallowed:
            self._problems.error(where, path, "is deprecated, and Envoy no longer reads it")
        elif deprecated:
            self._problems.warning(where, path, "is deprecated")
        if field.kind != "enum" or field.key_kind:
            return
        numbers = enumerate(value) if field.repeated else (("", value),)
        for index, number in numbers:
            deprecated, disallowed = _enum_deprecation(field.descriptor.enum_type).get(number, (False, False))
            at = where.child(index) if field.repeated else where
            text = field.descriptor.enum_type.values_by_number[number].name if deprecated or disallowed else ""
            if disallowed:
                self._problems.error(at, path, f"{text} is deprecated, and Envoy no longer reads it")
            elif deprecated:
                self._problems.warning(at, path, f"{text} is deprecated")


@cache
def _field_deprecation(descriptor: Any) -> tuple[bool, bool]:
    if not descriptor.has_options:
        return False, False
    from envoy.annotations import deprecation_pb2

    options = descriptor.GetOptions()
    return bool(options.deprecated), bool(options.Extensions[deprecation_pb2.disallowed_by_default])


@cache
def _enum_deprecation(descriptor: Any) -> dict[int, tuple[bool, bool]]:
    from envoy.annotations import deprecation_pb2

    found = {}
    for value in descriptor.values:
        if value.has_options:
            options = value.GetOptions()
            disallowed = bool(options.Extensions[deprecation_pb2.disallowed_by_default_enum])
            if options.deprecated or disallowed:
                found[value.number] = (bool(options.deprecated), disallowed)
    return found
