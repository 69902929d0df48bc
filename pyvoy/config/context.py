"""Context: the only thing a builder sees besides its message.

It knows where in the configuration the builder stands (for problems), what the place offers (stats scope, clusters,
runtime), and it converts the message types that many builders share.  Nothing of it lives on in a plan except the
closures it returns.  The converters report at the field and return something harmless, so that one load shows all
problems.  Hard conversions live in `pyvoy.config.compile`; this file only finds the place and calls them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from pyvoy.config import registry
from pyvoy.config.problems import NOWHERE, Problems, Where, indexed, join_path, nearest_name
from pyvoy.config.runtime import Runtime

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.server.arena import Arena
    from pyvoy.server.services import Services
    from pyvoy.stats.store import Scope

NO_METADATA: Mapping[str, Any] = MappingProxyType({})


@dataclass(slots=True, frozen=True)
class Chained:
    """What stands under one name in a connection manager's filter chain: the extensions (one, unless filters share a
    name), and whether it is off where no route turns it on."""

    extensions: tuple[registry.Extension, ...]
    disabled: bool


@dataclass(slots=True)
class Environment:
    """What all contexts of one load share.  `clusters` may grow while the load goes on.

    `services` are those of the worker that will run the plans; None where they are only tried.  `retire` is what has to
    be done when the plans are no longer in force (or were never put in force).  `files` are those that the plans were
    made from besides the bootstrap; `route_plans` the per-route plans of filters by name, in the order they were built;
    `chain` are the HTTP filters of the connection manager whose routes are being built.
    `development`: what goes wrong may be told to clients.  `caller` makes the calls of extensions in place of the
    clusters (tests).  `trace_sink` takes the traces of requests; None where there are none.  `shared` is what the
    extensions of one mechanism share within this load, by the mechanism's name; `warming` is what has to be waited for
    before its listeners open.  `secrets` are the bootstrap's, by name; `proxy_limit` is how many connections
    all listeners may have (`pyvoy.config.compile.overload.ProxyLimit`)."""

    problems: Problems
    root_scope: Scope
    arena: Arena
    node: Any = None
    clusters: set[str] = field(default_factory=set)
    runtime: Runtime = field(default_factory=Runtime)
    random: Random = field(default_factory=Random)
    services: Services | None = None
    retire: list[Callable[[], None]] = field(default_factory=list)
    shared: dict[str, Any] = field(default_factory=dict)
    warming: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    route_plans: list[tuple[str, Any]] = field(default_factory=list)
    chain: Mapping[str, Chained] = field(default_factory=dict)
    development: bool = False
    caller: Any = None
    trace_sink: Callable[[dict[str, Any]], None] | None = None
    secrets: Mapping[str, Any] = field(default_factory=dict)
    proxy_limit: Any = None


@dataclass(slots=True, frozen=True)
class Built:
    """An extension and the plan its factory made."""

    extension: registry.Extension
    plan: Any


class Context:
    """The place of one message.  Immutable; `at`, `within` and `inside` make contexts for places below."""

    __slots__ = ("_where", "direction", "env", "listener_metadata", "listener_name", "path", "scope")

    def __init__(
        self,
        env: Environment,
        scope: Scope,
        where: Where = NOWHERE,
        path: str = "",
        *,
        listener_name: str = "",
        direction: int = 0,
        listener_metadata: Mapping[str, Any] = NO_METADATA,
    ) -> None:
        """`direction` is Envoy's TrafficDirection: 0 unspecified, 1 inbound, 2 outbound; `listener_metadata` is
        {namespace: {key: value}}."""
        self.env = env
        self.scope = scope
        self.path = path
        self.listener_name = listener_name
        self.direction = direction
        self.listener_metadata = listener_metadata
        self._where = where

    # --- what the place offers

    @property
    def root_scope(self) -> Scope:
        return self.env.root_scope

    @property
    def arena(self) -> Arena:
        return self.env.arena

    @property
    def node(self) -> Any:
        """The Node message of the bootstrap (None without one)."""
        return self.env.node

    @property
    def clusters(self) -> set[str]:
        """Names of the clusters known so far."""
        return self.env.clusters

    @property
    def runtime(self) -> Runtime:
        return self.env.runtime

    @property
    def random(self) -> Random:
        return self.env.random

    # --- moving

    def at(self, field: str, index: int | str | None = None) -> Context:
        """The context of a sub-message: `at("route")`, `at("filters", 2)`, `at("typed_per_filter_config", name)`."""
        step = indexed(field, index)
        return Context(
            self.env,
            self.scope,
            self._where.follow(step),
            join_path(self.path, step),
            listener_name=self.listener_name,
            direction=self.direction,
            listener_metadata=self.listener_metadata,
        )

    def within(self, scope: Scope) -> Context:
        """The same place with another stats scope."""
        return self.inside(self.listener_name, self.direction, scope, self.listener_metadata)

    def inside(
        self, listener_name: str, direction: int, scope: Scope, metadata: Mapping[str, Any] = NO_METADATA
    ) -> Context:
        """The same place as part of a listener."""
        return Context(
            self.env,
            scope,
            self._where,
            self.path,
            listener_name=listener_name,
            direction=direction,
            listener_metadata=metadata,
        )

    # --- problems

    def error(self, field: str, text: str, nearest: str = "") -> None:
        """Report an error at a field (dotted relative path, "" for the message itself)."""
        self.env.problems.error(self._where.follow(field), join_path(self.path, field), text, nearest)

    def warning(self, field: str, text: str, nearest: str = "") -> None:
        """Report a warning at a field."""
        self.env.problems.warning(self._where.follow(field), join_path(self.path, field), text, nearest)

    def require(self, message: Any, field: str, at_least: float | None = None) -> Any:
        """The value of a field that must be set (of a wrapper: its `value`), reporting when it is missing or too
        small; then `at_least` (or the zero value) is returned."""
        descriptor = message.DESCRIPTOR.fields_by_name[field]
        value = getattr(message, field)
        is_set = message.HasField(field) if descriptor.has_presence else bool(value)
        if not is_set:
            self.error(field, "is required")
            return at_least if at_least is not None else _plain(value)
        value = _plain(value)
        if at_least is not None and value < at_least:
            self.error(field, f"must be at least {at_least}, not {value}")
            return at_least
        return value

    # --- converters

    def duration_s(self, message: Any, field: str, default: float | None = None) -> float | None:
        """Seconds of a Duration field; `default` when it is not set."""
        if not message.HasField(field):
            return default
        duration = getattr(message, field)
        return float(duration.seconds + duration.nanos / 1e9)

    def wrapped(self, message: Any, field: str, default: Any) -> Any:
        """The value of a wrapper field (UInt32Value, BoolValue, ...); `default` when it is not set."""
        return getattr(message, field).value if message.HasField(field) else default

    def string_matcher(self, message: Any, field: str) -> Callable[[bytes], bool]:
        """A StringMatcher field as a predicate over bytes."""
        from pyvoy.config.compile import matchers

        return matchers.string_matcher(getattr(message, field), self.at(field))

    def header_matchers(self, message: Any, field: str) -> Callable[[HeaderMap], bool]:
        """A list of HeaderMatcher as one predicate: all must match; an empty list matches."""
        from pyvoy.config.compile import matchers

        return matchers.header_matchers(getattr(message, field), self, field)

    def regex(self, message: Any, field: str) -> Callable[[bytes], bool]:
        """A RegexMatcher field as a predicate: the whole value must match; linear time (RE2)."""
        from pyvoy.config.compile import matchers

        return matchers.regex_matcher(getattr(message, field), self.at(field))

    def fraction(self, message: Any, field: str) -> Callable[[], bool]:
        """A RuntimeFractionalPercent, FractionalPercent or Percent field as a throw of the dice."""
        from pyvoy.config.compile import fractions

        return fractions.chance(message, field, self)

    def cidr_ranges(self, ranges: Iterable[Any], field: str) -> Any:
        """A list of CidrRange as a CidrSet: `.contains(ip_text) -> bool`."""
        from pyvoy.config.compile import cidr

        return cidr.cidr_set(ranges, self, field)

    def data_source(self, message: Any, field: str) -> bytes:
        """The bytes of a DataSource field: inline, from a file or from an environment variable."""
        from pyvoy.config.compile import data_source

        return data_source.read(getattr(message, field), self.at(field))

    def header_rules(self, add_list: Iterable[Any], remove_list: Iterable[str], path: str) -> Any:
        """HeaderValueOption additions and removals as a HeaderRules plan; `path` is the field of the additions."""
        from pyvoy.config.compile import header_rules

        return header_rules.build(add_list, remove_list, self, path)

    def format(self, text: str, field: str) -> Any:
        """A format string of a header value or body as a formatter (called with the stream, returns bytes; what is
        missing is empty)."""
        from pyvoy.observe.access_log import format as access_log_format

        try:
            return access_log_format.compile_format(text, missing=b"")
        except ValueError as error:
            self.error(field, str(error))
            return access_log_format.compile_format("")

    # --- extensions

    def extension(self, category: str, message: Any, field: str) -> Any:
        """The plan of an extension configured by name and typed_config; None after a problem.

        `message` is the message that holds `typed_config` (HttpFilter, TypedExtensionConfig, AccessLog, ...) and
        `field` its place relative to here ("" if this context already stands there)."""
        built = self.built_extension(category, message, field)
        return built.plan if built is not None else None

    def built_extension(self, category: str, message: Any, field: str) -> Built | None:
        """As `extension`, with the registry's entry beside the plan."""
        from pyvoy.config import extensions

        return extensions.build(self.at(field) if field else self, category, message)

    def route_extensions(self, category: str, message: Any, field: str) -> dict[str, Any]:
        """A `typed_per_filter_config` map as {filter name: RouteConfig(built, disabled)}."""
        from pyvoy.config import extensions

        return extensions.build_route_map(self, category, getattr(message, field), field)

    def unknown_cluster(self, field: str, name: str) -> bool:
        """Report a cluster name that nobody defined; True if it was reported."""
        if name in self.env.clusters:
            return False
        self.error(field, f"unknown cluster '{name}'", nearest_name(name, self.env.clusters))
        return True


def _plain(value: Any) -> Any:
    """A wrapper message's value; anything else as it is."""
    descriptor = getattr(value, "DESCRIPTOR", None)
    if descriptor is not None and descriptor.full_name.startswith("google.protobuf.") and hasattr(value, "value"):
        return value.value
    return value
