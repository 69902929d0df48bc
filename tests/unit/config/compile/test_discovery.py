"""Resources of files: where they go, what is said of files that are not right, and what is not read from files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyvoy.config.compile.discovery import Subscription
from pyvoy.config.load import LoadedBootstrap, load
from pyvoy.config.message_types import unpack
from pyvoy.config.problems import ConfigErrors
from pyvoy.server.plans import try_build

MANAGER = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
ROUTES = """
resources:
- "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
  name: other
- "@type": type.googleapis.com/envoy.config.route.v3.RouteConfiguration
  name: main
  virtual_hosts:
  - {name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: gone}}]}
"""
LISTENERS = """
resources:
- "@type": type.googleapis.com/envoy.config.listener.v3.Listener
  name: web
  address: {socket_address: {address: 127.0.0.1, port_value: 0}}
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        "@type": type.googleapis.com/%s
        stat_prefix: web
        rds: {route_config_name: %s, config_source: {path_config_source: {path: %s}}}
        http_filters:
        - name: envoy.filters.http.router
          typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
"""
CLUSTERS = """
resources:
- "@type": type.googleapis.com/envoy.service.discovery.v3.Resource
  name: one
  resource:
    "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
    name: one
    type: EDS
    eds_cluster_config: {service_name: first, eds_config: {path_config_source: {path: %s}}}
- "@type": type.googleapis.com/envoy.config.cluster.v3.Cluster
  name: two
  type: EDS
  eds_cluster_config: {eds_config: {path: %s}}
"""
ENDPOINTS = """
resources:
- "@type": type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment
  cluster_name: first
  endpoints:
  - lb_endpoints:
    - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 7}}}
"""


class Folder:
    """A bootstrap and the files it takes resources from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        endpoints = self.write("eds.yaml", ENDPOINTS)
        routes = self.write("rds.yaml", ROUTES)
        self.write("cds.yaml", CLUSTERS % (endpoints, endpoints))
        self.write("lds.yaml", LISTENERS % (MANAGER, "main", routes))

    def write(self, name: str, text: str) -> str:
        (self.path / name).write_text(text)
        return str(self.path / name)

    def load(self, more: str = "") -> LoadedBootstrap:
        text = f"dynamic_resources: {{cds_config: {{path_config_source: {{path: {self.path}/cds.yaml}}}}, "
        text += f"lds_config: {{path_config_source: {{path: {self.path}/lds.yaml}}, resource_api_version: V3}}{more}}}"
        return load(self.write("bootstrap.yaml", text))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def errors(folder: Folder, more: str = "") -> str:
    with pytest.raises(ConfigErrors) as caught:
        folder.load(more)
    return str(caught.value)


def manager(loaded: LoadedBootstrap) -> Any:
    listener = loaded.message.static_resources.listeners[0]
    return unpack(listener.filter_chains[0].filters[0].typed_config, MANAGER)


def test_everything_goes_where_it_belongs(folder: Folder) -> None:
    loaded = folder.load()
    one, two = loaded.message.static_resources.clusters
    assert one.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.port_value == 7
    assert not two.load_assignment.endpoints
    assert manager(loaded).route_config.name == "main"
    assert [problem.what for problem in try_build(loaded) if problem.is_error] == []


def test_the_files_are_known_with_the_names_of_their_statistics(folder: Folder) -> None:
    at = str(folder.path)
    assert set(folder.load().subscriptions) == {
        Subscription("cluster_manager.cds", f"{at}/cds.yaml"),
        Subscription("listener_manager.lds", f"{at}/lds.yaml"),
        Subscription("http.web.rds.main", f"{at}/rds.yaml"),
        Subscription("cluster.one", f"{at}/eds.yaml"),
        Subscription("cluster.two", f"{at}/eds.yaml"),
    }


def test_routes_of_files_may_name_clusters_that_are_not_there(folder: Folder) -> None:
    assert not manager(folder.load()).route_config.validate_clusters.value
    folder.write("rds.yaml", ROUTES + "  validate_clusters: true\n")
    with pytest.raises(ConfigErrors, match="unknown cluster 'gone'"):
        try_build(folder.load())


def test_what_is_wrong_in_a_file_has_its_place_there(folder: Folder) -> None:
    folder.write("rds.yaml", ROUTES.replace("prefix:", "prefx:"))
    assert f"{folder.path}/rds.yaml:8:" in errors(folder)
    folder.write("rds.yaml", ROUTES.replace("route.v3.RouteConfiguration", "cluster.v3.Cluster"))
    assert "must be a envoy.config.route.v3.RouteConfiguration" in errors(folder)
    folder.write("rds.yaml", "no mapping")
    assert "must be a mapping" in errors(folder)


def test_a_route_table_that_is_not_in_its_file(folder: Folder) -> None:
    folder.write("rds.yaml", ROUTES.replace("main", "mine"))
    assert "there is no route table 'main'" in errors(folder)


def test_a_file_that_is_not_there(folder: Folder) -> None:
    (folder.path / "cds.yaml").unlink()
    assert "cannot read" in errors(folder)


def test_servers_are_not_asked(folder: Folder) -> None:
    assert "in dynamic_resources.ads_config" in errors(folder, ", ads_config: {api_type: GRPC}")


def test_a_file_in_protobuf_form(folder: Folder) -> None:
    from envoy.config.cluster.v3 import cluster_pb2
    from envoy.service.discovery.v3 import discovery_pb2

    response = discovery_pb2.DiscoveryResponse()
    response.resources.add().Pack(cluster_pb2.Cluster(name="packed"))
    path = folder.path / "cds.pb"
    path.write_bytes(response.SerializeToString())
    bootstrap = folder.write("b.yaml", f"dynamic_resources: {{cds_config: {{path: {path}}}}}")
    assert [cluster.name for cluster in load(bootstrap).message.static_resources.clusters] == ["packed"]
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigErrors, match="is no DiscoveryResponse"):
        load(bootstrap)
