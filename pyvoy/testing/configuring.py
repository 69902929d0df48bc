"""Configuration for tests: YAML text -> plan, through the same reader, checks and builders as a bootstrap.

A text describes one message; the type comes from the registered class.  Problems are raised as `ConfigErrors`, so a
test of what a builder refuses looks at the message of that exception.
"""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any

import yaml

from pyvoy.config import source
from pyvoy.config.checks import Checker
from pyvoy.config.context import Context, Environment
from pyvoy.config.message_types import message_class
from pyvoy.config.messages import MessageReader
from pyvoy.config.problems import Problems, Where
from pyvoy.config.registry import REGISTRY, Extension, load_builtin, type_name_of
from pyvoy.config.runtime import Runtime
from pyvoy.server.arena import Arena
from pyvoy.server.services import Services
from pyvoy.stats.store import Scope

STAT_PREFIX = "test"
"""HTTP filters count below `http.test.`."""


class Configuration:
    """One load: what it collects and the contexts it hands to builders.

    `runtime` holds the keys of a static runtime layer, `clusters` the names that builders may refer to, `services` are
    those of the worker that will run the plans (None: they are only tried)."""

    def __init__(
        self,
        root_scope: Scope,
        arena: Arena,
        *,
        random: Random | None = None,
        runtime: dict[str, Any] | None = None,
        clusters: tuple[str, ...] = ("upstream",),
        services: Services | None = None,
    ) -> None:
        self.problems = Problems()
        self.environment = Environment(self.problems, root_scope, arena)
        self.environment.random = random or Random(1)
        self.environment.runtime = Runtime([runtime or {}])
        self.environment.clusters = set(clusters)
        self.environment.services = services
        self.environment.development = services is not None and services.development
        self.root_scope = root_scope
        self.listener_metadata: Mapping[str, Any] = {}
        """{namespace: {key: value}} of the listener that the filters stand in."""

    def context(self, path: str, scope: Scope | None = None) -> Context:
        """The context of a builder at a path, without a text."""
        return Context(self.environment, scope or self.root_scope, path=path, listener_metadata=self.listener_metadata)

    def http_filter(self, cls: type, text: str = "", path: str = "http_filters[0]") -> Any:
        """The plan of an HTTP filter; its stats live below `http.test.`."""
        return self._build(
            extension_of(cls, "http_filter").type_url, cls, "build", text, path=path, scope=self.http_scope
        )

    def http_filter_on_route(self, cls: type, text: str) -> Any:
        """The per-route plan of an HTTP filter; where routes may have several types, "@type" says which."""
        fields = yaml.safe_load(text) or {}
        type_name = type_name_of(fields.pop("@type", ""))
        if type_name:
            text = yaml.safe_dump(fields)
        else:
            *_, type_name = extension_of(cls, "http_filter").route_type_urls
        return self._build(type_name, cls, "build_route", text, path="typed_per_filter_config", scope=self.http_scope)

    def network_filter(self, cls: type, text: str = "") -> Any:
        """The plan of a network filter."""
        return self._build(extension_of(cls, "network_filter").type_url, cls, "build", text, path="filters[0]")

    def listener_filter(self, cls: type, text: str = "") -> Any:
        """The plan of a listener filter."""
        return self._build(
            extension_of(cls, "listener_filter").type_url, cls, "build", text, path="listener_filters[0]"
        )

    @property
    def http_scope(self) -> Scope:
        """`http.test.`"""
        return self.root_scope.scope(f"http.{STAT_PREFIX}")

    def _build(
        self, type_name: str, cls: Any, factory: str, text: str, *, path: str, scope: Scope | None = None
    ) -> Any:
        message, where = self.read(type_name, text, path)
        context = Context(
            self.environment, scope or self.root_scope, where, path, listener_metadata=self.listener_metadata
        )
        plan = getattr(cls, factory)(message, context)
        self.problems.raise_errors()
        return plan

    def read(self, type_name: str, text: str, path: str) -> tuple[Any, Where]:
        """A message of any type with the places of its fields."""
        load_builtin()
        message = message_class(type_name)()
        where = Where()
        if text.strip():
            parsed, node = source.parse(text, "test.yaml")
            where = MessageReader(parsed, self.problems).read(node, message, path)
        Checker(self.problems, REGISTRY).check(message, where, path)
        self.problems.raise_errors()
        return message, where


def extension_of(cls: type, category: str) -> Extension:
    """The registry's entry of a class.  Raises LookupError for a class that is not registered."""
    for extension in REGISTRY.extensions(category):
        if extension.factory is cls:
            return extension
    raise LookupError(f"{cls.__name__} is not registered as a {category}")


def is_registered(cls: type, category: str = "http_filter") -> bool:
    """Whether a class is an extension with configuration, or just a filter that a test has written."""
    return any(extension.factory is cls for extension in REGISTRY.extensions(category))
