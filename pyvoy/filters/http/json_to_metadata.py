"""JSON to metadata: values of a JSON body become dynamic metadata.

The body is held until it is whole.  Source: Envoy, HTTP filter "Json-To-Metadata" (observed on Envoy 1.40).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.filters.common.metadata import plain_value
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, STOP_AND_BUFFER, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

_NAMESPACE = "envoy.filters.http.json_to_metadata"
TYPE = "envoy.extensions.filters.http.json_to_metadata.v3.JsonToMetadata"
_COUNTERS = ("success", "mismatched_content_type", "no_body", "invalid_json_body")
_MAX_BYTES = 8 * 1024
_VALUE, _STRING, _NUMBER = range(3)
_MISSING = object()
_BROKEN = object()

supports(TYPE, "request_rules response_rules")
supports(TYPE + ".MatchRules", "rules allow_content_types allow_empty_content_type allow_content_types_regex")
supports(TYPE + ".Rule", "selectors on_present on_missing on_error")
supports(TYPE + ".Selector", "key")
supports(TYPE + ".KeyValuePair", "metadata_namespace key value type preserve_existing_metadata_value")


@dataclass(slots=True, frozen=True)
class Target:
    """Where a value goes; `fixed` takes its place, `kind` is its type."""

    namespace: str
    key: str
    fixed: Any
    kind: int
    preserves: bool

    def write(self, metadata: dict[str, dict[str, Any]], before: Mapping[str, Any], value: Any) -> None:
        """Put a value, unless there is one that is preserved."""
        if not (self.preserves and self.key in before.get(self.namespace, {})):
            metadata.setdefault(self.namespace, {})[self.key] = value


@dataclass(slots=True, frozen=True)
class Rule:
    """One value of the body, by the keys on the way to it."""

    keys: tuple[str, ...]
    present: Target | None
    missing: Target | None
    error: Target | None


@dataclass(slots=True, frozen=True, eq=False)
class Direction:
    """The rules of one direction, which bodies they are for, and its counters."""

    rules: tuple[Rule, ...]
    allows: Callable[[bytes], bool]
    counters: Mapping[str, Counter]

    def found_nothing(self, stream: Stream, count: str) -> None:
        """There is no body."""
        self.counters[count].inc()
        self._write(stream, [(rule.missing, _MISSING) for rule in self.rules])

    def not_wanted(self, stream: Stream) -> None:
        """The body is of another content type."""
        self.counters["mismatched_content_type"].inc()
        self._write(stream, [(rule.error, _MISSING) for rule in self.rules])

    def read(self, stream: Stream, body: bytes) -> None:
        """Apply the rules to a whole body."""
        if not body:
            self.found_nothing(stream, "no_body")
            return
        try:
            document = json.loads(body)
        except ValueError:
            document = _BROKEN
        if document is _BROKEN:
            self.counters["invalid_json_body"].inc()
            self._write(stream, [(rule.error, _MISSING) for rule in self.rules])
            return
        self._write(stream, [_result(rule, document) for rule in self.rules])
        self.counters["success"].inc()

    @staticmethod
    def _write(stream: Stream, results: list[tuple[Target | None, Any]]) -> None:
        before = stream.info.dynamic_metadata
        written: dict[str, dict[str, Any]] = {}
        for target, value in results:
            if target is not None and value is not None:
                target.write(written, before, target.fixed if value is _MISSING else value)
        for namespace, values in written.items():
            before.setdefault(namespace, {}).update(values)


def _result(rule: Rule, document: Any) -> tuple[Target | None, Any]:
    """Where a rule's value goes, and the value; None writes nothing."""
    found: Any = document
    for key in rule.keys:
        if not isinstance(found, dict) or key not in found:
            return rule.missing, _MISSING
        found = found[key]
    if rule.present is None:
        return None, None
    if rule.present.fixed is not None:
        return rule.present, _MISSING
    try:
        return rule.present, _converted(found, rule.present.kind)
    except ValueError:
        return rule.missing, _MISSING


def _converted(value: Any, kind: int) -> Any:
    """A value as the wanted type; None for an empty text.  Raises ValueError where it cannot be one."""
    if isinstance(value, str) and len(value) > _MAX_BYTES:
        raise ValueError("too long")
    if isinstance(value, dict | list) or value is None:
        raise ValueError("no scalar")
    if kind == _VALUE:
        return value
    if kind == _NUMBER:
        number = float(value)
        return int(number) if number.is_integer() else number
    if isinstance(value, str):
        return value or None
    return f"{value:f}" if isinstance(value, float) else str(int(value))


@dataclass(slots=True, frozen=True, eq=False)
class JsonToMetadataPlan:
    """Both directions; None where there are no rules."""

    request: Direction | None
    response: Direction | None


@http_filter(
    name="envoy.filters.http.json_to_metadata",
    type_url=TYPE,
    route_type_url=TYPE,
    posture="robust_to_untrusted_downstream",
)
class JsonToMetadata(HttpFilter):
    """One per stream: which bodies are waited for."""

    __slots__ = ("_plan", "_request", "_response", "_routed")

    @staticmethod
    def build(message: Any, context: Context) -> JsonToMetadataPlan:
        """The plan of a JsonToMetadata message."""
        if not message.HasField("request_rules") and not message.HasField("response_rules"):
            text = "Per filter configs must at least specify either request or response rules"
            context.error("", f"json_to_metadata_filter: {text}")
        scope = context.root_scope.scope("json_to_metadata")
        return JsonToMetadataPlan(
            _direction(message, "request_rules", context, scope.scope("rq")),
            _direction(message, "response_rules", context, scope.scope("resp")),
        )

    @staticmethod
    def build_route(message: Any, context: Context) -> JsonToMetadataPlan:
        """The same message on a route."""
        return JsonToMetadata.build(message, context)

    def __init__(self, plan: JsonToMetadataPlan) -> None:
        self._plan = plan
        self._request: Direction | None = None
        self._response: Direction | None = None

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Decide whether the body is waited for."""
        self._plan = stream.route_plan(self) or self._plan
        self._request = _begin(self._plan.request, stream, headers, end)
        return CONTINUE if self._request is None else STOP

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Read the body when it is whole."""
        side = self._request
        if side is None:
            return CONTINUE
        if not end:
            return STOP_AND_BUFFER
        self._request = None
        side.read(stream, stream.request_body(self) + data)
        return CONTINUE

    def request_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The body is whole."""
        side, self._request = self._request, None
        if side is not None:
            side.read(stream, stream.request_body(self))
        return CONTINUE

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Decide whether the body is waited for."""
        self._response = _begin(self._plan.response, stream, headers, end)
        return CONTINUE if self._response is None else STOP

    def response_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Read the body when it is whole."""
        side = self._response
        if side is None:
            return CONTINUE
        if not end:
            return STOP_AND_BUFFER
        self._response = None
        side.read(stream, stream.response_body(self) + data)
        return CONTINUE

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The body is whole."""
        side, self._response = self._response, None
        if side is not None:
            side.read(stream, stream.response_body(self))
        return CONTINUE


def _begin(side: Direction | None, stream: Stream, headers: HeaderMap, end: bool) -> Direction | None:
    """The direction whose body is waited for."""
    if side is None:
        return None
    if not side.allows(headers.map.get(b"content-type", b"")):
        side.not_wanted(stream)
        return None
    if end:
        side.found_nothing(stream, "no_body")
        return None
    return side


# ---- load ----


def _direction(message: Any, field: str, context: Context, scope: Scope) -> Direction | None:
    counters = {name: scope.counter(name) for name in _COUNTERS}
    if not message.HasField(field):
        return None
    rules = getattr(message, field)
    place = context.at(field)
    return Direction(
        tuple(_rule(rule, place.at("rules", index)) for index, rule in enumerate(rules.rules)),
        _content_types(rules, place),
        counters,
    )


def _content_types(rules: Any, context: Context) -> Callable[[bytes], bool]:
    types = frozenset(each.encode() for each in rules.allow_content_types) or frozenset((b"application/json",))
    empty = rules.allow_empty_content_type
    fits = context.regex(rules, "allow_content_types_regex") if rules.HasField("allow_content_types_regex") else None

    def allows(value: bytes) -> bool:
        return (value in types or (fits is not None and fits(value))) if value else empty

    return allows


def _rule(message: Any, context: Context) -> Rule:
    if not message.HasField("on_present") and not message.HasField("on_missing"):
        context.error("", "json to metadata filter: neither `on_present` nor `on_missing` set")
    for field in ("on_missing", "on_error"):
        if message.HasField(field) and not getattr(message, field).HasField("value"):
            context.error(field, f"json to metadata filter: cannot specify {field} rule with empty value")
    return Rule(
        tuple(selector.key for selector in message.selectors),
        *(_target(message, field) for field in ("on_present", "on_missing", "on_error")),
    )


def _target(message: Any, field: str) -> Target | None:
    if not message.HasField(field):
        return None
    pair = getattr(message, field)
    fixed = plain_value(pair.value) if pair.HasField("value") else None
    namespace = pair.metadata_namespace or _NAMESPACE
    return Target(namespace, pair.key, fixed, pair.type, pair.preserve_existing_metadata_value)


_: type[HttpFilter] = JsonToMetadata
