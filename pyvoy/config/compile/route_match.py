"""RouteMatch -> the tests an Entry of the route finder needs: path test, literal, condition.

Source of behaviour: Envoy's RouteEntryImplBase constructor and its path classes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyvoy.config.compile import value_matchers
from pyvoy.config.compile.path_templates import UriTemplate, template_match
from pyvoy.config.compile.value_matchers import FilterStateTest, MetadataTest
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.routing import match as tests
from pyvoy.http.routing.match import Condition, Kind, PathTest
from pyvoy.http.routing.query import query_condition

supports(
    "envoy.config.route.v3.RouteMatch",
    "prefix path safe_regex connect_matcher path_separated_prefix case_sensitive runtime_fraction headers "
    "query_parameters grpc dynamic_metadata filter_state path_match_policy tls_context",
)
supports("envoy.config.route.v3.RouteMatch.TlsContextMatchOptions", "presented validated")
supports("envoy.config.route.v3.RouteMatch.GrpcRouteMatchOptions")
supports("envoy.config.route.v3.RouteMatch.ConnectMatcher")
supports("envoy.config.route.v3.QueryParameterMatcher", "name string_match present_match")

_SPECIAL = frozenset("\\.+*?()|[]{}^$")
_DENOMINATORS = (100, 10_000, 1_000_000)


@dataclass(slots=True, frozen=True)
class PathMatch:
    """How a route looks at the path.  `matched` is the text that `prefix_rewrite` replaces (None: the whole path);
    `template` is the URI template that the path must match."""

    kind: Kind
    test: PathTest
    literal: bytes = b""
    matched: bytes | None = None
    template: UriTemplate | None = None


def path_match(message: Any, context: Context, *, ignore_parameters: bool) -> PathMatch:
    """The path specifier of a RouteMatch."""
    case_sensitive = context.wrapped(message, "case_sensitive", True)
    found = _path_match(message, context, case_sensitive)
    if not ignore_parameters or found.kind == "connect" or found.template:
        return found
    return PathMatch("other", tests.without_parameters(found.test), found.literal, found.matched)


def conditions(message: Any, context: Context) -> Condition | None:
    """Everything of a RouteMatch that is not the path, cheapest first; None when there is nothing."""
    found: list[Condition] = []
    if message.HasField("runtime_fraction"):
        found.append(_fraction(message.runtime_fraction, context))
    if message.HasField("grpc"):
        found.append(tests.is_grpc)
    if message.headers:
        matches = context.header_matchers(message, "headers")
        found.append(lambda stream, _values: matches(stream.request_headers))
    if message.query_parameters:
        found.append(_query(message, context))
    if message.HasField("tls_context"):
        found += _certificate(message.tls_context, context.at("tls_context"))
    for index, matcher in enumerate(message.dynamic_metadata):
        found.append(_metadata(value_matchers.metadata_matcher(matcher, context.at("dynamic_metadata", index))))
    for index, matcher in enumerate(message.filter_state):
        found.append(_filter_state(value_matchers.filter_state_matcher(matcher, context.at("filter_state", index))))
    if message.WhichOneof("path_specifier") == "connect_matcher":
        found.insert(0, tests.is_connect)
    return tests.all_of(found)


def _path_match(message: Any, context: Context, case_sensitive: bool) -> PathMatch:
    which = message.WhichOneof("path_specifier")
    if which == "prefix":
        literal = message.prefix.encode()
        kind: Kind = "prefix" if case_sensitive else "other"
        return PathMatch(kind, tests.prefix_test(literal, case_sensitive=case_sensitive), literal, literal)
    if which == "path":
        literal = message.path.encode()
        kind = "path" if case_sensitive else "other"
        return PathMatch(kind, tests.exact_test(literal, case_sensitive=case_sensitive), literal, literal)
    if which == "path_separated_prefix":
        literal = message.path_separated_prefix.encode()
        test = tests.separated_prefix_test(literal, case_sensitive=case_sensitive)
        return PathMatch("other", test, literal, literal)
    if which == "safe_regex":
        test = context.regex(message, "safe_regex")
        return PathMatch("other", _behind_head(test, literal_head(message.safe_regex.regex)))
    if which == "path_match_policy":
        template = template_match(message.path_match_policy, context.at("path_match_policy"))
        return PathMatch("other", tests.any_path if template is None else template.test, template=template)
    if which == "connect_matcher":
        return PathMatch("connect", tests.any_path)
    return PathMatch("other", tests.any_path)


def literal_head(pattern: str) -> bytes:
    """Text that every match of the pattern begins with; empty when that is not plain to see."""
    text = pattern.removeprefix("^")
    size = 0
    while size < len(text) and text[size] not in _SPECIAL:
        size += 1
    if size < len(text) and text[size] in "*?{|":
        size -= 1
    if "|" in text and ("\\" in text or "[" in text or "|" in _outside_groups(text)):
        return b""
    return text[: max(size, 0)].encode()


def _outside_groups(text: str) -> str:
    """The characters outside parentheses, of a pattern without escapes and classes."""
    depth = 0
    found = []
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth <= 0:
            found.append(character)
    return "".join(found)


def _behind_head(test: PathTest, head: bytes) -> PathTest:
    """The engine is asked only about paths that begin right: comparing bytes costs a tenth of it."""
    if len(head) < 2:
        return test
    return lambda path: path.startswith(head) and test(path)


def _certificate(message: Any, context: Context) -> list[Condition]:
    """Whether the client has shown a certificate, and whether it was verified in this connection's handshake."""
    presented = context.wrapped(message, "presented", None)
    validated = context.wrapped(message, "validated", None)
    found: list[Condition] = []
    if presented is not None:
        found.append(lambda stream, _values: tests.shows_certificate(stream, validated=False) == presented)
    if validated is not None:
        found.append(lambda stream, _values: tests.shows_certificate(stream, validated=True) == validated)
    return found


def _metadata(matches: MetadataTest) -> Condition:
    return lambda stream, _values: matches(stream.info.dynamic_metadata)


def _filter_state(matches: FilterStateTest) -> Condition:
    return lambda stream, _values: matches(stream.info.filter_state)


def _fraction(message: Any, context: Context) -> Condition:
    default = message.default_value
    denominator = _DENOMINATORS[default.denominator]
    numerator, denominator = context.runtime.fraction(message.runtime_key, default.numerator, denominator)
    return tests.fraction_condition(numerator, denominator)


def _query(message: Any, context: Context) -> Condition:
    rows = []
    for index, matcher in enumerate(message.query_parameters):
        place = context.at("query_parameters", index)
        which = matcher.WhichOneof("query_parameter_match_specifier")
        test = place.string_matcher(matcher, "string_match") if which == "string_match" else None
        present = matcher.present_match if which == "present_match" else None
        rows.append((matcher.name.encode(), test, present))
    return query_condition(rows)
