"""A Matcher message -> one function: from a source (a stream, or a connection) to the action that its facts lead to.

The tree's shape is compiled here; what it looks at is in `inputs`, tests that are extensions in `tests`.  A nested
matcher that finds nothing lets the search go on behind it.  `keep_matching` is refused, as Envoy does wherever there
is no list of actions to gather.
Source: Envoy, Matcher::MatchTreeFactory, ListMatcher, ExactMapMatcher, PrefixMapMatcher and IPMatcher.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from pyvoy.config.compile.cidr import cidr_network
from pyvoy.config.compile.matchers import string_matcher
from pyvoy.config.compile.matching.inputs import (
    HEADER_INPUT,
    HTTP_INPUT,
    LISTENER_INPUT,
    MATCH_INPUT,
    NETWORK_INPUT,
    Input,
)
from pyvoy.config.compile.matching.value_tests import INPUT_TEST
from pyvoy.config.context import Context
from pyvoy.config.registry import lookup, supports, type_name_of

T = TypeVar("T")
Found = Callable[[Any], "T | None"]
"""From a source to what was found; None is nothing."""
Action = Callable[[Any, Context], "T | None"]
"""Builds the action of a TypedExtensionConfig; the context stands at it."""
Predicate = Callable[[Any], bool]
_Chain = Callable[[Any], "list[Found[T]]"]

_IP_MATCHER = "xds.type.matcher.v3.IPMatcher"
_NAME_MATCHER = "xds.type.matcher.v3.ServerNameMatcher"

for _matcher in ("xds.type.matcher.v3.Matcher", "envoy.config.common.matcher.v3.Matcher"):
    supports(_matcher, "matcher_list matcher_tree on_no_match")
    supports(_matcher + ".OnMatch", "matcher action keep_matching")
    supports(_matcher + ".MatcherList", "matchers")
    supports(_matcher + ".MatcherList.FieldMatcher", "predicate on_match")
    supports(_matcher + ".MatcherList.Predicate", "single_predicate or_matcher and_matcher not_matcher")
    supports(_matcher + ".MatcherList.Predicate.PredicateList", "predicate")
    supports(_matcher + ".MatcherList.Predicate.SinglePredicate", "input value_match custom_match")
    supports(_matcher + ".MatcherTree", "input exact_match_map prefix_match_map custom_match")
    supports(_matcher + ".MatcherTree.MatchMap", "map")
supports("xds.core.v3.TypedExtensionConfig", "name typed_config")
supports("xds.core.v3.CidrRange", "address_prefix prefix_len")
supports("xds.type.matcher.v3.StringMatcher", "exact prefix suffix safe_regex contains ignore_case custom")
supports("xds.type.matcher.v3.RegexMatcher", "regex google_re2")
supports("xds.type.matcher.v3.RegexMatcher.GoogleRE2")
supports(_IP_MATCHER, "range_matchers")
supports(_IP_MATCHER + ".IPRangeMatcher", "ranges on_match exclusive")
supports(_NAME_MATCHER, "domain_matchers")
supports(_NAME_MATCHER + ".DomainMatcher", "domains on_match")


CONNECTION_INPUTS = (MATCH_INPUT, NETWORK_INPUT)
LISTENER_INPUTS = (*CONNECTION_INPUTS, LISTENER_INPUT)
JUDGED_INPUTS = (*CONNECTION_INPUTS, HEADER_INPUT)
STREAM_INPUTS = (*JUDGED_INPUTS, HTTP_INPUT)
ROUTE_INPUTS = (HEADER_INPUT,)
"""What a tree may look at, by what it is for: connections, listeners, RBAC of requests, filters, routes."""


def compile_matcher(message: Any, context: Context, action: Action[T], inputs: tuple[str, ...]) -> Found[T]:
    """The function of a Matcher message; `inputs` are the kinds of inputs that its sources have facts for."""
    return _Compiler(action, inputs).matcher(message, context)


def _nothing(_source: Any) -> None:
    return None


class _Compiler:
    """What all levels of one tree share."""

    def __init__(self, action: Action[Any], categories: tuple[str, ...]) -> None:
        self._action = action
        self._categories = categories

    def matcher(self, message: Any, context: Context) -> Found[Any]:
        kind = message.WhichOneof("matcher_type")
        no_match: Found[Any] = _nothing
        if message.HasField("on_no_match"):
            no_match = self._on_match(message.on_no_match, context.at("on_no_match"))
        if kind == "matcher_list":
            return self._list(message.matcher_list, context.at(kind), no_match)
        if kind == "matcher_tree":
            return self._tree(message.matcher_tree, context.at(kind), no_match)
        return no_match

    def _on_match(self, message: Any, context: Context) -> Found[Any]:
        found: Found[Any] = _nothing
        if message.WhichOneof("on_match") == "matcher":
            found = self.matcher(message.matcher, context.at("matcher"))
        else:
            action = self._action(message.action, context.at("action"))
            found = lambda _source: action  # noqa: E731  # one of two closures
        if message.keep_matching:
            context.error("keep_matching", "keep_matching is not supported in this context")
        return found

    # ---- lists ----

    def _list(self, message: Any, context: Context, no_match: Found[Any]) -> Found[Any]:
        entries = []
        for index, entry in enumerate(message.matchers):
            place = context.at("matchers", index)
            test = self._predicate(entry.predicate, place.at("predicate"))
            entries.append((test, self._on_match(entry.on_match, place.at("on_match"))))
        table = tuple(entries)

        def find(source: Any) -> Any:
            for test, on_match in table:
                if test(source):
                    found = on_match(source)
                    if found is not None:
                        return found
            return no_match(source)

        return find

    def _predicate(self, message: Any, context: Context) -> Predicate:
        kind = message.WhichOneof("match_type")
        if kind == "single_predicate":
            return self._single(message.single_predicate, context.at(kind))
        if kind == "not_matcher":
            test = self._predicate(message.not_matcher, context.at(kind))
            return lambda source: not test(source)
        if kind not in ("or_matcher", "and_matcher"):
            return lambda _source: False
        place = context.at(kind)
        entries = enumerate(getattr(message, kind).predicate)
        tests = tuple(self._predicate(entry, place.at("predicate", index)) for index, entry in entries)
        if kind == "or_matcher":
            return lambda source: any(each(source) for each in tests)
        return lambda source: all(each(source) for each in tests)

    def _single(self, message: Any, context: Context) -> Predicate:
        read = self._input(message.input, context.at("input"))
        if message.WhichOneof("matcher") == "custom_match":
            test = context.extension(INPUT_TEST, message.custom_match, "custom_match")
            if test is None:
                return lambda _source: False
        else:
            test = string_matcher(message.value_match, context.at("value_match"))

        def holds(source: Any) -> bool:
            value = read(source)
            return value is not None and test(value)

        return holds

    def _input(self, message: Any, context: Context) -> Input:
        """What reads a value; an input that this place has no facts for is reported."""
        for category in self._categories:
            if lookup(category, message.typed_config.type_url) is not None:
                found = context.extension(category, message, "")
                return found if found is not None else _nothing
        name = type_name_of(message.typed_config.type_url)
        context.error("typed_config", f"no matching input of type {name!r} here: takes {' or '.join(self._categories)}")
        return _nothing

    # ---- maps ----

    def _tree(self, message: Any, context: Context, no_match: Found[Any]) -> Found[Any]:
        read = self._input(message.input, context.at("input"))
        kind = message.WhichOneof("tree_type")
        chain: Callable[[bytes], list[Found[Any]]]
        if kind == "custom_match":
            chain = self._custom(message.custom_match, context.at(kind))
        elif kind is None:
            return no_match
        else:
            place = context.at(kind)
            entries = sorted(getattr(message, kind).map.items())
            table = {key.encode(): self._on_match(entry, place.at("map", key)) for key, entry in entries}
            chain = _exact(table) if kind == "exact_match_map" else _prefixes(table)

        def find(source: Any) -> Any:
            value = read(source)
            if value is not None:
                for on_match in chain(value):
                    found = on_match(source)
                    if found is not None:
                        return found
            return no_match(source)

        return find

    def _custom(self, message: Any, context: Context) -> Callable[[bytes], list[Found[Any]]]:
        from pyvoy.config.message_types import unpack

        name = type_name_of(message.typed_config.type_url)
        place = context.at("typed_config")
        if name == _IP_MATCHER:
            return self._by_network(unpack(message.typed_config, name), place)
        if name == _NAME_MATCHER:
            return self._by_name(unpack(message.typed_config, name), place)
        context.error("typed_config", f"no matcher tree of type {name!r}")
        return lambda _value: []

    def _by_network(self, message: Any, context: Context) -> Callable[[bytes], list[Found[Any]]]:
        """The networks that an address lies in, narrowest first; an exclusive one counts only if it is that one."""
        networks: list[tuple[Any, bool, Found[Any]]] = []
        for index, entry in enumerate(message.range_matchers):
            place = context.at("range_matchers", index)
            on_match = self._on_match(entry.on_match, place.at("on_match"))
            for number, cidr in enumerate(entry.ranges):
                network = cidr_network(cidr, place.at("ranges", number))
                if network is not None:
                    networks.append((network, entry.exclusive, on_match))
        networks.sort(key=lambda each: -each[0].prefixlen)

        def chain(value: bytes) -> list[Found[Any]]:
            try:
                address = ipaddress.ip_address(value.decode("latin-1"))
            except ValueError:
                return []
            found: list[Found[Any]] = []
            for network, exclusive, on_match in networks:
                if address.version == network.version and address in network and not (exclusive and found):
                    found.append(on_match)
            return found

        return chain

    def _by_name(self, message: Any, context: Context) -> Callable[[bytes], list[Found[Any]]]:
        """The domains that a name belongs to: itself, then `*.` wildcards from long to short, then `*`."""
        table: dict[bytes, Found[Any]] = {}
        for index, entry in enumerate(message.domain_matchers):
            place = context.at("domain_matchers", index)
            on_match = self._on_match(entry.on_match, place.at("on_match"))
            for number, domain in enumerate(entry.domains):
                key = domain.lower().encode()
                if key in table:
                    place.error(f"domains[{number}]", f"Duplicate domain in ServerNameMatcher: {domain}")
                table[key] = on_match

        def chain(value: bytes) -> list[Found[Any]]:
            name = value.lower()
            parts = name.split(b".")
            keys = [name, *(b"*." + b".".join(parts[at:]) for at in range(1, len(parts))), b"*"]
            return [table[key] for key in keys if key in table]

        return chain


def _exact(table: Mapping[bytes, Found[Any]]) -> Callable[[bytes], list[Found[Any]]]:
    return lambda value: [table[value]] if value in table else []


def _prefixes(table: Mapping[bytes, Found[Any]]) -> Callable[[bytes], list[Found[Any]]]:
    """The prefixes of a value, longest first."""
    ordered = tuple(sorted(table.items(), key=lambda entry: -len(entry[0])))
    return lambda value: [on_match for prefix, on_match in ordered if value.startswith(prefix)]
