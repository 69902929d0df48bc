"""ValueMatcher, MetadataMatcher and FilterStateMatcher -> predicates over plain Python values.

Metadata is {namespace: {key: value}} with values as JSON has them.
Source of behaviour: Envoy's Matchers::ValueMatcher, MetadataMatcher and FilterStateMatcher.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyvoy.config.compile.matchers import never, string_matcher
from pyvoy.config.context import Context
from pyvoy.config.registry import supports

ValueTest = Callable[[Any], bool]
MetadataTest = Callable[[Mapping[str, Mapping[str, Any]]], bool]
FilterStateTest = Callable[[Mapping[str, Any]], bool]

_PREFIX = "envoy.type.matcher.v3"
supports(f"{_PREFIX}.MetadataMatcher", "filter path value invert")
supports(f"{_PREFIX}.MetadataMatcher.PathSegment", "key")
supports(f"{_PREFIX}.ValueMatcher", "null_match double_match string_match bool_match present_match list_match or_match")
supports(f"{_PREFIX}.ValueMatcher.NullMatch")
supports(f"{_PREFIX}.ListMatcher", "one_of")
supports(f"{_PREFIX}.OrMatcher", "value_matchers")
supports(f"{_PREFIX}.DoubleMatcher", "range exact")
supports("envoy.type.v3.DoubleRange", "start end")
supports(f"{_PREFIX}.FilterStateMatcher", "key string_match address_match")
supports(f"{_PREFIX}.AddressMatcher", "ranges")


class _Missing:
    """Stands for a value that is not there; no matcher takes it."""


MISSING = _Missing()


def metadata_matcher(message: Any, context: Context) -> MetadataTest:
    """A MetadataMatcher as a predicate over a stream's metadata."""
    test = value_matcher(message.value, context.at("value"))
    namespace = message.filter
    keys = tuple(segment.key for segment in message.path)
    invert: bool = message.invert

    def matches(metadata: Mapping[str, Mapping[str, Any]]) -> bool:
        value: Any = metadata.get(namespace)
        for key in keys:
            if not isinstance(value, Mapping) or key not in value:
                value = MISSING
                break
            value = value[key]
        return test(value) != invert

    return matches


def filter_state_matcher(message: Any, context: Context) -> FilterStateTest:
    """A FilterStateMatcher as a predicate over a stream's filter state; a missing object does not match."""
    key = message.key
    which = message.WhichOneof("matcher")
    if which == "string_match":
        test = string_matcher(message.string_match, context.at("string_match"))

        def matches(state: Mapping[str, Any]) -> bool:
            value = state.get(key)
            return value is not None and test(_serialized(value))

        return matches
    if which == "address_match":
        inside = context.cidr_ranges(message.address_match.ranges, "address_match.ranges")

        def matches_address(state: Mapping[str, Any]) -> bool:
            value = state.get(key)
            ip = getattr(value, "ip", value)
            return isinstance(ip, str) and bool(inside.contains(ip))

        return matches_address
    return never


def value_matcher(message: Any, context: Context) -> ValueTest:
    """A ValueMatcher as a predicate."""
    which = message.WhichOneof("match_pattern")
    if which == "null_match":
        return lambda value: value is None
    if which == "double_match":
        return _number_test(message.double_match)
    if which == "string_match":
        test = string_matcher(message.string_match, context.at("string_match"))
        return lambda value: isinstance(value, str) and test(value.encode())
    if which == "bool_match":
        wanted = message.bool_match
        return lambda value: value is wanted
    if which == "present_match":
        return (lambda value: value is not MISSING) if message.present_match else never
    if which == "list_match":
        element = value_matcher(message.list_match.one_of, context.at("list_match").at("one_of"))
        return lambda value: isinstance(value, list | tuple) and any(map(element, value))
    if which == "or_match":
        return _any_of(message.or_match.value_matchers, context.at("or_match"))
    return never


def _any_of(messages: Sequence[Any], context: Context) -> ValueTest:
    tests = tuple(value_matcher(item, context.at("value_matchers", index)) for index, item in enumerate(messages))
    return lambda value: any(test(value) for test in tests)


def _number_test(message: Any) -> ValueTest:
    """Equal to a number, or start <= value < end."""
    if message.WhichOneof("match_pattern") == "exact":
        start = end = message.exact
    else:
        start, end = message.range.start, message.range.end
    low, high = float(start), float(end)

    def matches(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return value == low if low == high else low <= value < high

    return matches


def _serialized(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
