"""StringMatcher, RegexMatcher and HeaderMatcher -> closures that only compare.

Source: Envoy's Matchers::StringMatcherImpl and HeaderUtility::HeaderData: of several values of a header one must match
(inverted: none may; measured on Envoy 1.40, which no longer joins them with commas), a missing header never matches
except by inverted presence, `host` is `:authority`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from pyvoy.config.compile import regex
from pyvoy.config.context import Context
from pyvoy.config.problems import Reporter
from pyvoy.config.registry import supports

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap

Predicate = Callable[[bytes], bool]
HeaderTest = Callable[["HeaderMap"], bool]

supports("envoy.type.matcher.v3.StringMatcher", "exact prefix suffix safe_regex contains ignore_case custom")
supports("envoy.type.matcher.v3.RegexMatcher", "regex google_re2")
supports("envoy.type.matcher.v3.RegexMatcher.GoogleRE2", tuning="max_program_size")
supports("envoy.type.matcher.v3.ListStringMatcher", "patterns")
supports(
    "envoy.config.route.v3.HeaderMatcher",
    "name exact_match safe_regex_match range_match present_match prefix_match suffix_match contains_match string_match "
    "invert_match treat_missing_header_as_empty",
)
supports("envoy.type.v3.Int64Range", "start end")

_LEGACY = {
    "exact_match": "exact",
    "prefix_match": "prefix",
    "suffix_match": "suffix",
    "contains_match": "contains",
}


def never(_value: object) -> bool:
    """What a matcher that could not be compiled answers."""
    return False


def always(_value: object) -> bool:
    """What an empty list of matchers answers."""
    return True


def string_matcher(message: Any, context: Reporter) -> Predicate:
    """A StringMatcher as a predicate over bytes; `ignore_case` folds ASCII and has no effect on a regex, as in Envoy.

    Also takes the xDS type of the same shape (xds.type.matcher.v3.StringMatcher)."""
    kind = message.WhichOneof("match_pattern")
    if kind == "safe_regex":
        return regex_matcher(message.safe_regex, context.at("safe_regex"))
    if kind in ("exact", "prefix", "suffix", "contains"):
        return text_test(kind, getattr(message, kind).encode(), ignore_case=message.ignore_case)
    if kind == "custom":
        return _custom(message.custom, context)
    return never


def _custom(message: Any, context: Reporter) -> Predicate:
    """A matcher that is an extension; only builders can make one."""
    if not isinstance(context, Context):
        context.error("custom", "is not supported here")
        return never
    return context.extension("string_matcher", message, "custom") or never


def string_matchers(messages: Iterable[Any], context: Reporter, field: str) -> Predicate:
    """A list of StringMatcher as one predicate: any of them; an empty list matches nothing."""
    tests = tuple(string_matcher(message, context.at(field, index)) for index, message in enumerate(messages))
    if not tests:
        return never
    if len(tests) == 1:
        return tests[0]
    return lambda value: any(test(value) for test in tests)


def regex_matcher(message: Any, context: Reporter) -> Predicate:
    """A RegexMatcher as a predicate over the whole value."""
    try:
        return regex.full_match(message.regex)
    except regex.RegexError as error:
        context.error("regex", f"not a regular expression of RE2: {error}")
        return never


def text_test(kind: str, wanted: bytes, *, ignore_case: bool = False) -> Predicate:
    """exact, prefix, suffix or contains."""
    if ignore_case:
        test = text_test(kind, wanted.lower())
        return lambda value: test(value.lower())
    if kind == "exact":
        return lambda value: value == wanted
    if kind == "prefix":
        return lambda value: value.startswith(wanted)
    if kind == "suffix":
        return lambda value: value.endswith(wanted)
    return lambda value: wanted in value


def header_matchers(messages: Iterable[Any], context: Context, field: str) -> HeaderTest:
    """A list of HeaderMatcher as one predicate: all must match."""
    tests = tuple(header_matcher(message, context.at(field, index)) for index, message in enumerate(messages))
    if not tests:
        return always
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda headers: first(headers) and second(headers)
    return lambda headers: all(test(headers) for test in tests)


def header_matcher(message: Any, context: Context) -> HeaderTest:
    """One HeaderMatcher."""
    name = header_name(message.name)
    kind = message.WhichOneof("header_match_specifier")
    invert = message.invert_match
    if kind is None or kind == "present_match":
        present = kind is None or message.present_match
        return _presence(name, present != invert, message.treat_missing_header_as_empty)
    test = _value_test(message, kind, context)
    missing: bytes | None = b"" if message.treat_missing_header_as_empty else None
    return _on_header(name, test, invert, missing)


def header_name(name: str) -> bytes:
    """The name under which the header map holds a header."""
    lowered = name.lower().encode()
    return b":authority" if lowered == b"host" else lowered


def _value_test(message: Any, kind: str, context: Context) -> Predicate:
    if kind == "string_match":
        return string_matcher(message.string_match, context.at("string_match"))
    if kind == "safe_regex_match":
        return regex_matcher(message.safe_regex_match, context.at("safe_regex_match"))
    if kind == "range_match":
        return _range_test(message.range_match.start, message.range_match.end)
    return text_test(_LEGACY[kind], getattr(message, kind).encode())


def _presence(name: bytes, wanted: bool, missing_is_empty: bool) -> HeaderTest:
    if missing_is_empty:
        return always if wanted else never
    if wanted:
        return lambda headers: name in headers.map
    return lambda headers: name not in headers.map


def _on_header(name: bytes, test: Predicate, invert: bool, missing: bytes | None) -> HeaderTest:
    def matches(headers: HeaderMap) -> bool:
        if headers.pairs is not None:
            return any(map(test, headers.get_all(name)))
        value = headers.map.get(name)
        return value is not None and test(value)

    def unless(headers: HeaderMap) -> bool:
        if headers.pairs is not None:
            values = headers.get_all(name)
            return bool(values) and not any(map(test, values))
        value = headers.map.get(name)
        return value is not None and not test(value)

    def with_default(headers: HeaderMap) -> bool:
        return any(map(test, headers.get_all(name) or (missing or b"",))) != invert

    if missing is not None:
        return with_default
    return unless if invert else matches


def _range_test(start: int, end: int) -> Predicate:
    """start <= value < end for a value that is a whole number (absl::SimpleAtoi)."""

    def within(value: bytes) -> bool:
        text = value.strip()
        digits = text[1:] if text[:1] in (b"-", b"+") else text
        if not digits.isdigit() or len(digits) > 19:
            return False
        return start <= int(text) < end

    return within
