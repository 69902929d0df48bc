"""Builds the plan of an extension from YAML as its factory does at load, with stats and shared state of its own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml
from google.protobuf import json_format

from pyvoy.config.context import Context, Environment
from pyvoy.config.message_types import message_class
from pyvoy.config.problems import Problems
from pyvoy.config.registry import REGISTRY
from pyvoy.config.runtime import Runtime
from pyvoy.server.arena import local_arena
from pyvoy.stats.store import Store, memory_store


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        """The time in seconds."""
        return self.now_s


@dataclass(slots=True)
class Place:
    """Where things are built; `runtime` is one static layer."""

    runtime: dict[str, Any] = field(default_factory=dict)
    clock: Clock = field(default_factory=Clock)
    store: Store = field(default_factory=memory_store)
    problems: Problems = field(default_factory=Problems)
    environment: Environment = field(init=False)

    def __post_init__(self) -> None:
        self.environment = Environment(
            self.problems, self.store.root, local_arena(self.clock), runtime=Runtime([self.runtime])
        )

    def context(self, path: str = "here") -> Context:
        """A context at a path."""
        return Context(self.environment, self.store.root, path=path)

    def plan(self, factory: Any, text: str = "{}", path: str = "here") -> Any:
        """The plan that `factory` builds from a message in YAML."""
        return factory.build(message(type_of(factory), text), self.context(path))

    def count(self, name: str) -> int:
        """A counter's value."""
        return self.store.root.counter(name).value

    def level(self, name: str) -> int:
        """A gauge's value."""
        return self.store.root.gauge(name).value

    @property
    def errors(self) -> list[str]:
        """Problems as "path: what"."""
        return [f"{problem.path}: {problem.what}" for problem in self.problems]


def message(type_name: str, text: str) -> Any:
    """A message from YAML."""
    return json_format.ParseDict(yaml.safe_load(text) or {}, message_class(type_name)())


def type_of(factory: Any) -> str:
    """The message type a registered class is configured by."""
    return next(found.type_url for found in REGISTRY.extensions() if found.factory is factory)
