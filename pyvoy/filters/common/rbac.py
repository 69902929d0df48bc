"""The RBAC rules engine: who (principals) may do what (permissions), for requests and for connections.

Policies are asked by name in alphabetical order; the first that matches counts.  What decides is a tree of closures
over a source with `request_headers`, `info` and `connection`; on a connection, rules about requests see no headers.
Source: Envoy, Filters::Common::RBAC (engine_impl, matchers).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import supports
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.config.context import Context

_RBAC = "envoy.config.rbac.v3"

supports(f"{_RBAC}.RBAC", "action policies")
_ACTION = f"{_RBAC}.Action"
supports(_ACTION, "name action")
supports(f"{_RBAC}.Policy", "permissions principals")
supports(
    f"{_RBAC}.Permission",
    "and_rules or_rules any header url_path destination_ip destination_port destination_port_range metadata not_rule "
    "requested_server_name sourced_metadata",
)
supports(f"{_RBAC}.Permission.Set", "rules")
supports(
    f"{_RBAC}.Principal",
    "and_ids or_ids any authenticated source_ip direct_remote_ip remote_ip header url_path metadata filter_state "
    "not_id sourced_metadata",
)
supports(f"{_RBAC}.Principal.Set", "ids")
supports(f"{_RBAC}.Principal.Authenticated", "principal_name")
supports(f"{_RBAC}.SourcedMetadata", "metadata_matcher metadata_source")
supports("envoy.type.matcher.v3.PathMatcher", "path")
supports("envoy.type.v3.Int32Range", "start end")

Test = Callable[[Any], bool]
_NO_HEADERS = HeaderMap()
_ROUTE_METADATA = 1


class Action(Enum):
    """What a matching policy means."""

    ALLOW = 0
    DENY = 1
    LOG = 2


@dataclass(slots=True, frozen=True, eq=False)
class Engine:
    """The rules of one RBAC message."""

    action: Action
    policies: tuple[tuple[str, Test], ...]

    def match(self, source: Any) -> str:
        """The name of the first policy that matches, "" when none does."""
        for name, test in self.policies:
            if test(source):
                return name
        return ""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the policies."""
        return tuple(name for name, _ in self.policies)

    def allows(self, policy: str) -> bool:
        """Whether a request that this policy matched ("": none) may pass."""
        if self.action is Action.ALLOW:
            return bool(policy)
        return self.action is Action.LOG or not policy


@dataclass(slots=True, frozen=True, eq=False)
class MatcherEngine:
    """A matcher tree in place of rules: the action that it finds counts; finding nothing refuses.

    `names` are those of all actions; `action` is LOG when there is no other."""

    find: Callable[[Any], tuple[str, Action] | None]
    denying: frozenset[str]
    names: tuple[str, ...]
    action: Action

    def match(self, source: Any) -> str:
        """The name of the action found, "" for none."""
        found = self.find(source)
        return "" if found is None else found[0]

    def allows(self, policy: str) -> bool:
        """Whether the action of that name lets a request pass."""
        return bool(policy) and policy not in self.denying


AnyEngine = Engine | MatcherEngine


def engine_of(message: Any, context: Context, rules: str, matcher: str, *, http: bool) -> AnyEngine | None:
    """The engine of a filter's configuration: its rules or its matcher, by the fields' names; None for neither."""
    if message.HasField(matcher):
        return _matcher_engine(getattr(message, matcher), context.at(matcher), http=http)
    return build_engine(getattr(message, rules), context.at(rules)) if message.HasField(rules) else None


def _matcher_engine(message: Any, context: Context, *, http: bool) -> MatcherEngine:
    from pyvoy.config.compile.matching.tree import CONNECTION_INPUTS, JUDGED_INPUTS, compile_matcher
    from pyvoy.config.message_types import unpack
    from pyvoy.config.registry import type_name_of

    actions: dict[str, Action] = {}

    def action(config: Any, place: Context) -> tuple[str, Action] | None:
        name = type_name_of(config.typed_config.type_url)
        if name != _ACTION:
            place.error("typed_config", f"no RBAC action of type {name!r}")
            return None
        inner = unpack(config.typed_config, name)
        kind = actions[inner.name] = Action(inner.action)
        return inner.name, kind

    find = compile_matcher(message, context, action, JUDGED_INPUTS if http else CONNECTION_INPUTS)
    denying = frozenset(name for name, kind in actions.items() if kind is Action.DENY)
    only_logs = bool(actions) and all(kind is Action.LOG for kind in actions.values())
    return MatcherEngine(find, denying, tuple(sorted(actions)), Action.LOG if only_logs else Action.ALLOW)


def build_engine(message: Any, context: Context) -> Engine:
    """The engine of an RBAC message."""
    policies = [
        (name, _policy(message.policies[name], context.at("policies", name))) for name in sorted(message.policies)
    ]
    return Engine(Action(message.action), tuple(policies))


def _policy(message: Any, context: Context) -> Test:
    permitted = _any_of(message.permissions, context, "permissions", _permission)
    known = _any_of(message.principals, context, "principals", _principal)
    return lambda source: permitted(source) and known(source)


# ---- sets ----

Builder = Callable[[Any, "Context"], Test]


def _tests(messages: Sequence[Any], context: Context, field: str, build: Builder) -> tuple[Test, ...]:
    return tuple(build(message, context.at(field, index)) for index, message in enumerate(messages))


def _any_of(messages: Sequence[Any], context: Context, field: str, build: Builder) -> Test:
    tests = _tests(messages, context, field, build)
    return tests[0] if len(tests) == 1 else lambda source: any(test(source) for test in tests)


def _all_of(messages: Sequence[Any], context: Context, field: str, build: Builder) -> Test:
    tests = _tests(messages, context, field, build)
    return tests[0] if len(tests) == 1 else lambda source: all(test(source) for test in tests)


def _not(test: Test) -> Test:
    return lambda source: not test(source)


# ---- permissions and principals ----


def _permission(message: Any, context: Context) -> Test:
    kind = message.WhichOneof("rule")
    if kind == "and_rules":
        return _all_of(message.and_rules.rules, context.at(kind), "rules", _permission)
    if kind == "or_rules":
        return _any_of(message.or_rules.rules, context.at(kind), "rules", _permission)
    if kind == "not_rule":
        return _not(_permission(message.not_rule, context.at(kind)))
    if kind == "destination_ip":
        ranges = _range(message.destination_ip, context.at(kind))
        return lambda source: ranges.contains(source.connection.local.ip)
    if kind == "destination_port":
        port = message.destination_port
        return lambda source: source.connection.local.port == port
    if kind == "destination_port_range":
        return _port_range(message.destination_port_range.start, message.destination_port_range.end, context)
    if kind == "requested_server_name":
        matches = context.string_matcher(message, kind)
        return lambda source: matches(source.connection.requested_server_name.encode())
    return _common(message, kind, context)


def _principal(message: Any, context: Context) -> Test:
    kind = message.WhichOneof("identifier")
    if kind == "and_ids":
        return _all_of(message.and_ids.ids, context.at(kind), "ids", _principal)
    if kind == "or_ids":
        return _any_of(message.or_ids.ids, context.at(kind), "ids", _principal)
    if kind == "not_id":
        return _not(_principal(message.not_id, context.at(kind)))
    if kind == "authenticated":
        return _authenticated(message.authenticated, context.at(kind))
    if kind in ("source_ip", "direct_remote_ip", "remote_ip"):
        return _remote_ip(kind, _range(getattr(message, kind), context.at(kind)))
    if kind == "filter_state":
        return _filter_state(message.filter_state, context.at(kind))
    return _common(message, kind, context)


def _authenticated(message: Any, context: Context) -> Test:
    """A client on TLS; with a name, one whose certificate has it as URI, as DNS name or as subject."""
    if not message.HasField("principal_name"):
        return lambda source: source.connection.tls is not None
    matches = context.string_matcher(message, "principal_name")

    def test(source: Any) -> bool:
        tls = source.connection.tls
        if tls is None:
            return False
        return any(matches(name.encode()) for name in (*tls.peer_uri_sans, *tls.peer_dns_sans, tls.peer_subject))

    return test


def _common(message: Any, kind: str | None, context: Context) -> Test:
    """What permissions and principals have in common; kinds that are not supported have been reported."""
    if kind == "any":
        wanted = bool(message.any)
        return lambda _source: wanted
    if kind == "header":
        from pyvoy.config.compile.matchers import header_matcher

        matches = header_matcher(message.header, context.at(kind))
        return lambda source: matches(source.request_headers or _NO_HEADERS)
    if kind == "url_path":
        return _url_path(context.at(kind).string_matcher(message.url_path, "path"))
    if kind == "metadata":
        return _metadata(message.metadata, 0, context.at(kind))
    if kind == "sourced_metadata":
        place = context.at(kind).at("metadata_matcher")
        return _metadata(message.sourced_metadata.metadata_matcher, message.sourced_metadata.metadata_source, place)
    return lambda _source: False


def _port_range(start: int, end: int, context: Context) -> Test:
    """start <= port < end."""
    if start >= end or start < 0 or end > 65536:
        context.error("destination_port_range", f"Invalid destination port range {start}-{end}")
    return lambda source: start <= source.connection.local.port < end


def _remote_ip(kind: str, ranges: Any) -> Test:
    if kind == "source_ip":
        return lambda source: ranges.contains(source.connection.remote.ip)
    if kind == "direct_remote_ip":
        return lambda source: ranges.contains(source.connection.direct_remote.ip)
    return lambda source: ranges.contains((source.info.downstream_remote or source.connection.remote).ip)


def _url_path(matches: Callable[[bytes], bool]) -> Test:
    def test(source: Any) -> bool:
        headers = source.request_headers
        path = None if headers is None else headers.map.get(b":path")
        return path is not None and matches(path.partition(b"?")[0].partition(b"#")[0])

    return test


def _range(message: Any, context: Context) -> Any:
    from pyvoy.config.compile.cidr import CidrSet, cidr_network

    network = cidr_network(message, context)
    return CidrSet([] if network is None else [network])


def _metadata(message: Any, origin: int, context: Context) -> Test:
    from pyvoy.config.compile.value_matchers import metadata_matcher

    matches = metadata_matcher(message, context)
    if origin == _ROUTE_METADATA:
        return lambda source: matches(source.info.route_metadata or {})
    return lambda source: matches(source.info.dynamic_metadata)


def _filter_state(message: Any, context: Context) -> Test:
    from pyvoy.config.compile.value_matchers import filter_state_matcher

    matches = filter_state_matcher(message, context)
    return lambda source: matches(source.info.filter_state) or matches(source.connection.filter_state)
