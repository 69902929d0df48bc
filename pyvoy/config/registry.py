"""Which extensions exist and which configuration fields are read: strings and classes, nothing else.

A decorator records category, canonical name, type URLs and the class; `supports` records the fields of a message
that some builder reads.  Importing this module imports no protobuf, so that filters may use it on the request path.
What it does not do: build anything (see `context.Context.extension`) or judge a bootstrap (see `coverage`).
Source of the categories and metadata: Envoy's extension list (category, status, security posture, type URLs).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

Cls = TypeVar("Cls", bound=type)

TYPE_URL_HOST = "type.googleapis.com/"

STATUSES = frozenset(("stable", "alpha", "wip"))
POSTURES = frozenset(
    (
        "robust_to_untrusted_downstream",
        "robust_to_untrusted_downstream_and_upstream",
        "requires_trusted_downstream_and_upstream",
        "unknown",
        "data_plane_agnostic",
    )
)

# Packages whose modules register something when they are imported; those not present in a build are skipped.
BUILTIN_PACKAGES = (
    "pyvoy.filters",
    "pyvoy.config.compile",
    "pyvoy.observe.access_log",
)


@dataclass(slots=True, frozen=True)
class Extension:
    """One registered extension.  `factory` has a static `build(message, context)` (and perhaps `build_route`)."""

    category: str
    name: str
    type_url: str
    route_type_urls: tuple[str, ...]
    status: str
    posture: str
    factory: Any


@dataclass(slots=True)
class Support:
    """What the builders read of one message type.

    `fields` change what traffic sees and are implemented; `tuning` are accepted, change nothing here, and are reported
    as a warning.  A field in neither is an error when somebody sets it.
    """

    fields: set[str] = field(default_factory=set)
    tuning: set[str] = field(default_factory=set)


class Registry:
    """Extensions by category and the support table.  Filled at import, frozen before the first listener opens."""

    __slots__ = ("_by_name", "_by_route_type", "_by_type", "_frozen", "_supports")

    def __init__(self) -> None:
        self._by_type: dict[tuple[str, str], Extension] = {}
        self._by_route_type: dict[tuple[str, str], Extension] = {}
        self._by_name: dict[tuple[str, str], Extension] = {}
        self._supports: dict[str, Support] = {}
        self._frozen = False

    def add(self, extension: Extension) -> None:
        """Record one extension.  Raises ValueError for a duplicate name or type within its category."""
        self._check_open(extension.name)
        if extension.status not in STATUSES:
            raise ValueError(f"{extension.name}: status {extension.status!r} is none of {sorted(STATUSES)}")
        if extension.posture not in POSTURES:
            raise ValueError(f"{extension.name}: posture {extension.posture!r} is none of {sorted(POSTURES)}")
        self._put(self._by_name, extension.category, extension.name, extension)
        self._put(self._by_type, extension.category, extension.type_url, extension)
        self.support(extension.type_url)
        for type_url in extension.route_type_urls:
            self._put(self._by_route_type, extension.category, type_url, extension)
            self.support(type_url)

    def support(self, type_name: str) -> Support:
        """The support record of a message type; made empty (declared, no field read) if it is new."""
        found = self._supports.get(type_name)
        if found is None:
            self._check_open(type_name)
            found = self._supports[type_name] = Support()
        return found

    def declare(self, type_name: str, fields: str, tuning: str) -> None:
        """Add fields (names separated by blanks) to what is read of a message type."""
        self._check_open(type_name)
        record = self.support(type_name)
        record.fields.update(fields.split())
        record.tuning.update(tuning.split())

    def lookup(self, category: str, type_url: str) -> Extension | None:
        """The extension of this category for a type URL, with or without its host part."""
        return self._by_type.get((category, type_name_of(type_url)))

    def lookup_route(self, category: str, type_url: str) -> Extension | None:
        """The extension whose per-route configuration has this type URL.

        Some filters use one type for both (their `build_route` reads the same message)."""
        return self._by_route_type.get((category, type_name_of(type_url)))

    def by_name(self, category: str, name: str) -> Extension | None:
        return self._by_name.get((category, name))

    def supported(self, type_name: str) -> Support | None:
        """What is read of a message type; None when nobody declared it."""
        return self._supports.get(type_name)

    def supported_types(self) -> Iterator[tuple[str, Support]]:
        return iter(sorted(self._supports.items()))

    def extensions(self, category: str | None = None) -> list[Extension]:
        """All extensions (of one category), sorted by category and name."""
        return [self._by_name[key] for key in sorted(self._by_name) if category is None or key[0] == category]

    def freeze(self) -> None:
        """From here on adding raises RuntimeError."""
        self._frozen = True

    @property
    def frozen(self) -> bool:
        return self._frozen

    def _check_open(self, what: str) -> None:
        if self._frozen:
            raise RuntimeError(f"{what}: registered after the registry was frozen")

    @staticmethod
    def _put(table: dict[tuple[str, str], Extension], category: str, key: str, extension: Extension) -> None:
        other = table.get((category, key))
        if other is not None and not _same_class(other.factory, extension.factory):
            raise ValueError(f"{category} {key!r} is registered twice: {_place(other)} and {_place(extension)}")
        table[(category, key)] = extension


REGISTRY = Registry()
_LOADED: set[str] = set()


def extension(
    category: str,
    *,
    name: str,
    type_url: str,
    route_type_url: str | tuple[str, ...] = (),
    status: str = "stable",
    posture: str = "unknown",
) -> Callable[[Cls], Cls]:
    """Register the decorated class under `category`.

    `name` is Envoy's canonical name, the type URLs are message full names without a host part; what routes say of a
    filter may be of several types.
    Raises ValueError for duplicates, unknown status or posture; RuntimeError once the registry is frozen."""

    def register(cls: Cls) -> Cls:
        on_route = (route_type_url,) if isinstance(route_type_url, str) else route_type_url
        REGISTRY.add(Extension(category, name, type_url, on_route, status, posture, cls))
        return cls

    return register


def http_filter(
    *,
    name: str,
    type_url: str,
    route_type_url: str | tuple[str, ...] = (),
    status: str = "stable",
    posture: str = "unknown",
) -> Callable[[Cls], Cls]:
    """Register an HTTP filter (Envoy: `envoy.filters.http`)."""
    return extension(
        "http_filter", name=name, type_url=type_url, route_type_url=route_type_url, status=status, posture=posture
    )


def network_filter(
    *, name: str, type_url: str, status: str = "stable", posture: str = "unknown"
) -> Callable[[Cls], Cls]:
    """Register a network filter (Envoy: `envoy.filters.network`)."""
    return extension("network_filter", name=name, type_url=type_url, status=status, posture=posture)


def listener_filter(
    *, name: str, type_url: str, status: str = "stable", posture: str = "unknown"
) -> Callable[[Cls], Cls]:
    """Register a listener filter (Envoy: `envoy.filters.listener`)."""
    return extension("listener_filter", name=name, type_url=type_url, status=status, posture=posture)


def access_logger(
    *, name: str, type_url: str, status: str = "stable", posture: str = "unknown"
) -> Callable[[Cls], Cls]:
    """Register an access logger (Envoy: `envoy.access_loggers`)."""
    return extension("access_logger", name=name, type_url=type_url, status=status, posture=posture)


def supports(type_name: str, fields: str = "", tuning: str = "") -> None:
    """Declare which fields of a message type are read; call it next to the builder that reads them.

    `fields` and `tuning` are field names separated by blanks.  Several modules may declare parts of one type.
    A field of a declared type that is in neither list is an error when set; in `tuning`, a warning."""
    REGISTRY.declare(type_name, fields, tuning)


def lookup(category: str, type_url: str) -> Extension | None:
    return REGISTRY.lookup(category, type_url)


def lookup_route(category: str, type_url: str) -> Extension | None:
    return REGISTRY.lookup_route(category, type_url)


def by_name(category: str, name: str) -> Extension | None:
    return REGISTRY.by_name(category, name)


def type_name_of(type_url: str) -> str:
    """The message's full name: what follows the last slash."""
    return type_url.rpartition("/")[2]


def load_builtin() -> Registry:
    """Import every module of the packages that register something; once per process.  Returns the registry."""
    for package in BUILTIN_PACKAGES:
        if package not in _LOADED:
            _LOADED.add(package)
            _import_tree(package)
    return REGISTRY


def _import_tree(package: str) -> None:
    try:
        root = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is not None and package.startswith(error.name):
            return
        raise
    for folder in root.__path__:
        for path in sorted(Path(folder).rglob("*.py")):
            parts = path.relative_to(folder).with_suffix("").parts
            if parts[-1] != "__init__":
                importlib.import_module(".".join((package, *parts)))


def _same_class(one: Any, other: Any) -> bool:
    return (one.__module__, one.__qualname__) == (other.__module__, other.__qualname__)


def _place(extension: Extension) -> str:
    return f"{extension.factory.__module__}.{extension.factory.__qualname__}"
