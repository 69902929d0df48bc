"""Header mutation: add, replace and remove headers and trailers of both directions, and query parameters of the path.

Mutations are done one after the other, as configured; those of the filter first, then those of every level of the
route, the most specific level first (`most_specific_header_mutations_wins`: last).
Source: Envoy, HTTP filter "Header mutation" (order and encoding of query parameters observed on Envoy 1.40: those that
were there come out decoded).  Other than Envoy, blanks, control characters and bytes above 0x7e stay encoded, because a
request line that holds them is another request.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Stream, Verdict
from pyvoy.http.routing.header_rules import AppendAction, HeaderRule, clean

if TYPE_CHECKING:
    from pyvoy.config.context import Context

_PACKAGE = "envoy.extensions.filters.http.header_mutation.v3"
TYPE = f"{_PACKAGE}.HeaderMutation"
ROUTE_TYPE = f"{_PACKAGE}.HeaderMutationPerRoute"
_MUTATION = "envoy.config.common.mutation_rules.v3.HeaderMutation"

supports(TYPE, "mutations most_specific_header_mutations_wins")
supports(ROUTE_TYPE, "mutations")
supports(
    f"{_PACKAGE}.Mutations",
    "request_mutations query_parameter_mutations response_mutations response_trailers_mutations "
    "request_trailers_mutations",
)
supports(_MUTATION, "remove append remove_on_match")
supports(f"{_MUTATION}.RemoveOnMatch", "key_matcher")
supports("envoy.config.core.v3.KeyValueMutation", "append remove")
supports("envoy.config.core.v3.KeyValueAppend", "record action")
supports("envoy.config.core.v3.KeyValuePair", "key value")

Mutate = Callable[[Any, HeaderMap], None]
Query = dict[bytes, list[bytes]]
MutateQuery = Callable[[Any, Query], None]

_ESCAPED = re.compile(rb"%([0-9a-fA-F]{2})")
_UNSAFE = re.compile(rb"[^\x21-\x7e]")
_RESERVED = re.compile(rb"[^0-9A-Za-z*\-._]")


@dataclass(slots=True, frozen=True, eq=False)
class HeaderMutationPlan:
    """What one level does, in order."""

    request: tuple[Mutate, ...] = ()
    query: tuple[MutateQuery, ...] = ()
    response: tuple[Mutate, ...] = ()
    request_trailers: tuple[Mutate, ...] = ()
    response_trailers: tuple[Mutate, ...] = ()
    most_specific_wins: bool = False


@http_filter(
    name="envoy.filters.http.header_mutation",
    type_url=TYPE,
    route_type_url=ROUTE_TYPE,
    posture="robust_to_untrusted_downstream_and_upstream",
)
class HeaderMutation(HttpFilter):
    """One per stream: a route change in between must not change the response's mutations."""

    __slots__ = ("_levels", "_plan")

    @staticmethod
    def build(message: Any, context: Context) -> HeaderMutationPlan:
        """The plan of a HeaderMutation message."""
        return _plan(message.mutations, context.at("mutations"), message.most_specific_header_mutations_wins)

    @staticmethod
    def build_route(message: Any, context: Context) -> HeaderMutationPlan:
        """The plan of a HeaderMutationPerRoute message."""
        return _plan(message.mutations, context.at("mutations"))

    def __init__(self, plan: HeaderMutationPlan) -> None:
        self._plan = plan
        self._levels: Sequence[HeaderMutationPlan] | None = None

    def _levels_of(self, stream: Stream) -> Sequence[HeaderMutationPlan]:
        """The filter's own plan and those of the route, in the order in which they are done."""
        if self._levels is None:
            route = stream.route_plans(self)
            if not route:
                self._levels = (self._plan,)
            else:
                self._levels = (self._plan, *(route if self._plan.most_specific_wins else reversed(route)))
        return self._levels

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Request headers and query parameters."""
        for level in self._levels_of(stream):
            for mutate in level.request:
                mutate(stream, headers)
            if level.query and b":path" in headers.map:
                _mutate_path(level.query, stream, headers)
        return CONTINUE

    def request_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """Request trailers."""
        for level in self._levels_of(stream):
            for mutate in level.request_trailers:
                mutate(stream, trailers)
        return CONTINUE

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Response headers, of local replies too."""
        for level in self._levels_of(stream):
            for mutate in level.response:
                mutate(stream, headers)
        return CONTINUE

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """Response trailers."""
        for level in self._levels_of(stream):
            for mutate in level.response_trailers:
                mutate(stream, trailers)
        return CONTINUE


# ---- load ----


def _plan(message: Any, context: Context, most_specific_wins: bool = False) -> HeaderMutationPlan:
    return HeaderMutationPlan(
        _mutations(message.request_mutations, context, "request_mutations"),
        tuple(
            found
            for index, item in enumerate(message.query_parameter_mutations)
            if (found := _query_mutation(item, context.at("query_parameter_mutations", index))) is not None
        ),
        _mutations(message.response_mutations, context, "response_mutations"),
        _mutations(message.request_trailers_mutations, context, "request_trailers_mutations"),
        _mutations(message.response_trailers_mutations, context, "response_trailers_mutations"),
        most_specific_wins,
    )


def _mutations(messages: Sequence[Any], context: Context, field: str) -> tuple[Mutate, ...]:
    found = [_mutation(item, context.at(field, index)) for index, item in enumerate(messages)]
    return tuple(mutate for mutate in found if mutate is not None)


def _mutation(message: Any, context: Context) -> Mutate | None:
    from pyvoy.config.compile.header_rules import header_rule

    kind = message.WhichOneof("action")
    if kind == "remove":
        name = message.remove.lower().encode()
        return lambda _stream, headers: _remove(headers, name)
    if kind == "remove_on_match":
        matches = context.at("remove_on_match").string_matcher(message.remove_on_match, "key_matcher")
        return lambda _stream, headers: _remove_matching(headers, matches)
    if kind == "append":
        rule = header_rule(message.append, context.at("append"))
        return None if rule is None else _rule(rule)
    return None


def _remove(headers: HeaderMap, name: bytes) -> None:
    headers.remove(name)


def _remove_matching(headers: HeaderMap, matches: Callable[[bytes], bool]) -> None:
    for name in [name for name in headers.map if matches(name)]:
        headers.remove(name)


def _rule(rule: HeaderRule) -> Mutate:
    """One HeaderValueOption as a function; an empty value is skipped unless it is to be kept."""
    name, action, formatter, constant = rule.name, rule.action, rule.formatter, rule.value
    replaces = action in (AppendAction.OVERWRITE_IF_EXISTS_OR_ADD, AppendAction.OVERWRITE_IF_EXISTS)

    def mutate(stream: Any, headers: HeaderMap) -> None:
        value = constant if formatter is None else clean(formatter(stream))
        if not value and not rule.keep_empty:
            return
        present = name in headers.map
        if (action is AppendAction.ADD_IF_ABSENT and present) or (
            action is AppendAction.OVERWRITE_IF_EXISTS and not present
        ):
            return
        if replaces:
            headers.remove(name)
        headers.add(name, value)

    return mutate


def _query_mutation(message: Any, context: Context) -> MutateQuery | None:
    from pyvoy.config.compile.header_rules import value_or_formatter

    if message.remove:
        name = message.remove.encode()
        return lambda _stream, query: _drop(query, name)
    if not message.HasField("append"):
        context.error("", "One of 'append'/'remove' must be specified.")
        return None
    append = message.append
    if not append.HasField("record"):
        context.error("append", "No record specified for append mutation.")
        return None
    if append.record.value.WhichOneof("kind") != "string_value":
        context.error("append.record.value", "Only string value is allowed for record value.")
        return None
    text = append.record.value.string_value
    value, formatter = value_or_formatter(text, context, "append.record.value")
    return _query_append(append.record.key.encode(), value, formatter, AppendAction(append.action))


def _drop(query: Query, name: bytes) -> None:
    query.pop(name, None)


def _query_append(
    name: bytes, constant: bytes, formatter: Callable[[Any], bytes] | None, action: AppendAction
) -> MutateQuery:
    def mutate(stream: Any, query: Query) -> None:
        value = encode_value(constant if formatter is None else formatter(stream))
        present = name in query
        if action is AppendAction.APPEND_IF_EXISTS_OR_ADD:
            query.setdefault(name, []).append(value)
        elif action is AppendAction.ADD_IF_ABSENT:
            if not present:
                query[name] = [value]
        elif present or action is AppendAction.OVERWRITE_IF_EXISTS_OR_ADD:
            query[name] = [value]

    return mutate


# ---- query parameters ----


def _mutate_path(mutations: Sequence[MutateQuery], stream: Any, headers: HeaderMap) -> None:
    path, _, text = headers.map[b":path"].partition(b"?")
    query = parse_query(text)
    for mutate in mutations:
        mutate(stream, query)
    written = write_query(query)
    headers.set(b":path", path + b"?" + written if written else path)


def parse_query(text: bytes) -> Query:
    """Parameters of a query string with their values, percent-decoded; "+" is left alone."""
    query: Query = {}
    if text:
        for item in text.split(b"&"):
            name, _, value = item.partition(b"=")
            query.setdefault(_decode(name), []).append(_decode(value))
    return query


def write_query(query: Query) -> bytes:
    """The query string, sorted by name; only what no request line may hold is percent-encoded."""
    text = b"&".join([name + b"=" + value for name in sorted(query) for value in query[name]])
    return _UNSAFE.sub(_escape, text)


def encode_value(value: bytes) -> bytes:
    """A value that a mutation sets, percent-encoded but for letters, digits and `*-._`."""
    return _RESERVED.sub(_escape, value)


def _escape(found: re.Match[bytes]) -> bytes:
    return b"%%%02X" % found[0][0]


def _decode(text: bytes) -> bytes:
    return _ESCAPED.sub(lambda found: bytes((int(found[1], 16),)), text) if b"%" in text else text


_: type[HttpFilter] = HeaderMutation
