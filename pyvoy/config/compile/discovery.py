"""Discovery by files: what a bootstrap takes from files of resources is put in its place while it is loaded.

Clusters (CDS) and listeners (LDS) become those of the bootstrap, a route table (RDS) that of its connection manager,
endpoints (EDS) those of their cluster; from there on nothing differs from a static bootstrap.  The main process looks
at the files and asks for a reload when one has changed.  What it does not do: discovery by servers, which is reported.
Source: Envoy's filesystem subscriptions and its xDS file format (checked on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyvoy.config import source
from pyvoy.config.message_types import TypeNotFoundError, unpack
from pyvoy.config.messages import MessageReader
from pyvoy.config.problems import ConfigErrors, Problems, Where, join_path
from pyvoy.config.registry import supports, type_name_of

_CORE = "envoy.config.core.v3."
_MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3."
_CLUSTER = "envoy.config.cluster.v3.Cluster"
_LISTENER = "envoy.config.listener.v3.Listener"
_ROUTES = "envoy.config.route.v3.RouteConfiguration"
_ENDPOINTS = "envoy.config.endpoint.v3.ClusterLoadAssignment"
_WRAPPED = "envoy.service.discovery.v3.Resource"

supports("envoy.config.bootstrap.v3.Bootstrap", "dynamic_resources")
supports("envoy.config.bootstrap.v3.Bootstrap.DynamicResources", "lds_config cds_config")
supports(_CORE + "ConfigSource", "path path_config_source resource_api_version", tuning="initial_fetch_timeout")
supports(_CORE + "PathConfigSource", "path", tuning="watched_directory")
supports(_CLUSTER, "eds_cluster_config")
supports(_CLUSTER + ".EdsClusterConfig", "eds_config service_name")
supports(_MANAGER + "HttpConnectionManager", "rds")
supports(_MANAGER + "Rds", "config_source route_config_name")


@dataclass(slots=True, frozen=True)
class Subscription:
    """A file that something was taken from.  `scope` is the prefix of its statistics."""

    scope: str
    path: str


@dataclass(slots=True)
class Found:
    """The resources of one type in one file, with their places."""

    resources: list[tuple[Any, Where]] = field(default_factory=list)
    broken: bool = False
    """The file cannot be read, which was reported."""

    def named(self, attribute: str, name: str) -> tuple[Any, Where] | None:
        """The resource whose `attribute` is `name`."""
        return next((found for found in self.resources if getattr(found[0], attribute) == name), None)


def put_in_place(message: Any, where: Where, problems: Problems) -> tuple[Subscription, ...]:
    """Fill a Bootstrap with what it takes from files; the files, for whoever looks at them."""
    place = _Place(message, where, problems)
    dynamic = message.dynamic_resources
    place.append(dynamic, "cds_config", "clusters", _CLUSTER, "cluster_manager.cds")
    place.append(dynamic, "lds_config", "listeners", _LISTENER, "listener_manager.lds")
    for index, listener in enumerate(message.static_resources.listeners):
        place.fill_routes(listener, f"static_resources.listeners[{index}]")
    for index, cluster in enumerate(message.static_resources.clusters):
        place.fill_endpoints(cluster, f"static_resources.clusters[{index}]")
    return tuple(place.subscriptions)


def file_of(config_source: Any) -> str:
    """The file that a ConfigSource names; "" for any other source."""
    return str(config_source.path or config_source.path_config_source.path)


class _Place:
    """One bootstrap being filled."""

    def __init__(self, message: Any, where: Where, problems: Problems) -> None:
        self._message = message
        self._where = where
        self._problems = problems
        self._read: dict[tuple[str, str], Found] = {}
        self.subscriptions: list[Subscription] = []

    def append(self, dynamic: Any, config: str, target: str, type_name: str, scope: str) -> None:
        """The resources of a file at the end of a list of static ones."""
        path = file_of(getattr(dynamic, config))
        if not path:
            return
        found = self._take(scope, path, type_name, f"dynamic_resources.{config}")
        resources = getattr(self._message.static_resources, target)
        places = _kept(_kept(self._where, "static_resources"), target)
        for resource, where in found.resources:
            places.children[len(resources)] = where
            resources.add().CopyFrom(resource)

    def fill_routes(self, listener: Any, path: str) -> None:
        """Route tables of files into the connection managers of a listener."""
        for config, below in _managers(listener):
            try:
                manager = unpack(config, _MANAGER + "HttpConnectionManager")
            except (TypeNotFoundError, ValueError):
                continue  # reported by whoever checks it
            file = file_of(manager.rds.config_source)
            if not file:
                continue
            name = manager.rds.route_config_name
            at = join_path(path, f"{below}.typed_config")
            scope = f"http.{manager.stat_prefix}.rds.{name}"
            found = self._take(scope, file, _ROUTES, join_path(at, "rds.config_source"))
            routes = found.named("name", name)
            if found.broken:
                continue
            if routes is None:
                self._error(join_path(at, "rds.route_config_name"), f"there is no route table {name!r} in {file!r}")
                continue
            manager.route_config.CopyFrom(routes[0])
            if not manager.route_config.HasField("validate_clusters"):
                manager.route_config.validate_clusters.value = False
            config.value = manager.SerializeToString(deterministic=True)
            self._where.follow(at).children["route_config"] = routes[1]

    def fill_endpoints(self, cluster: Any, path: str) -> None:
        """Endpoints of a file into their cluster; one that the file does not name has none."""
        from envoy.config.cluster.v3 import cluster_pb2

        config = cluster.eds_cluster_config
        file = file_of(config.eds_config)
        if cluster.type != cluster_pb2.Cluster.EDS or not file:
            return
        scope = f"cluster.{cluster.alt_stat_name or cluster.name}"
        found = self._take(scope, file, _ENDPOINTS, f"{path}.eds_cluster_config.eds_config")
        endpoints = found.named("cluster_name", config.service_name or cluster.name)
        if endpoints is None:
            cluster.load_assignment.cluster_name = cluster.name
            return
        cluster.load_assignment.CopyFrom(endpoints[0])
        self._where.follow(path).children["load_assignment"] = endpoints[1]

    def _take(self, scope: str, file: str, type_name: str, path: str) -> Found:
        self.subscriptions.append(Subscription(scope, file))
        found = self._read.get((file, type_name))
        if found is None:
            found = self._read[file, type_name] = self._read_file(file, type_name, path)
        return found

    def _read_file(self, file: str, type_name: str, path: str) -> Found:
        from envoy.service.discovery.v3 import discovery_pb2

        response = discovery_pb2.DiscoveryResponse()
        try:
            data = Path(file).read_bytes()
        except OSError as error:
            self._error(path, f"cannot read {file!r}: {error.strerror}")
            return Found(broken=True)
        try:
            where = _parse(file, data, response, self._problems)
        except ConfigErrors as error:
            for problem in error.problems:
                self._problems.add(problem)
            return Found(broken=True)
        resources = where.child("resources")
        found = Found()
        for index, resource in enumerate(response.resources):
            at = resources.child(index)
            opened = self._open(resource, at, type_name, f"resources[{index}]")
            if opened is not None:
                found.resources.append(opened)
        return found

    def _open(self, resource: Any, where: Where, type_name: str, path: str) -> tuple[Any, Where] | None:
        """The resource in an Any, perhaps in one more wrapping."""
        name = type_name_of(resource.type_url)
        try:
            if name == _WRAPPED:
                return self._open(unpack(resource, name).resource, where.child("resource"), type_name, path)
            if name == type_name:
                return unpack(resource, name), where
        except ValueError as error:
            self._problems.error(where, path, str(error))
            return None
        if name:  # without a type it was reported while it was read
            self._problems.error(where, path, f"must be a {type_name}, not a {name}")
        return None

    def _error(self, path: str, text: str) -> None:
        self._problems.error(self._where.follow(path), path, text)


def _parse(file: str, data: bytes, response: Any, problems: Problems) -> Where:
    """Read a DiscoveryResponse, by the ending of its file's name.  Raises ConfigErrors."""
    from google.protobuf.message import DecodeError

    lowered = file.lower()
    if lowered.endswith(".pb"):
        try:
            response.ParseFromString(data)
        except DecodeError as error:
            problems.error(Where(), "", f"{file!r} is no DiscoveryResponse: {error}")
        return Where()
    parsed, node = source.parse(source.decode(data), file, is_json=lowered.endswith(".json"))
    return MessageReader(parsed, problems).read(node, response)


def _kept(where: Where, key: str) -> Where:
    """The place below, which stays."""
    return where.children.setdefault(key, Where(where.place))


def _managers(listener: Any) -> Iterator[tuple[Any, str]]:
    """The typed_config of every connection manager of a listener, and the path to its filter."""
    chains = [(chain, f"filter_chains[{index}]") for index, chain in enumerate(listener.filter_chains)]
    if listener.HasField("default_filter_chain"):
        chains.append((listener.default_filter_chain, "default_filter_chain"))
    for chain, path in chains:
        for index, entry in enumerate(chain.filters):
            if type_name_of(entry.typed_config.type_url) == _MANAGER + "HttpConnectionManager":
                yield entry.typed_config, f"{path}.filters[{index}]"
