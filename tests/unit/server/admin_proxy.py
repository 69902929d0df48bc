"""A Proxy with a small bootstrap and a memory store, for tests of the admin's pages."""

import random
from typing import Any

from pyvoy.config.load import LoadedBootstrap, load
from pyvoy.server.admin import Admin, AdminStats
from pyvoy.server.admin_http import Request, Response
from pyvoy.server.arena import local_arena
from pyvoy.server.options import Options
from pyvoy.server.pages import all_pages
from pyvoy.server.pages.page import Proxy, Worker
from pyvoy.server.plans import build
from pyvoy.stats.merge import View
from pyvoy.stats.store import memory_store
from pyvoy.stats.tags import TagExtractor
from pyvoy.upstream.cluster_manager import ClusterManager

BOOTSTRAP = """
node: {id: n1, cluster: c1}
layered_runtime:
  layers:
  - {name: base, static_layer: {upstream: {use_retry: true, weight: 3}, fraction: {numerator: 5, denominator: HUNDRED}}}
  - {name: over, static_layer: {upstream.weight: 4}}
static_resources:
  listeners:
  - name: ingress
    traffic_direction: INBOUND
    address: {socket_address: {address: 127.0.0.1, port_value: 8080}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config:
            name: routes
            virtual_hosts:
            - {name: v, domains: ["*"], routes: [{match: {prefix: /}, route: {cluster: details}}]}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  - name: egress
    address: {pipe: {path: /tmp/egress.sock}}
    filter_chains: [{filters: [{name: envoy.filters.network.echo, typed_config:
      {"@type": type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}]}]
  clusters:
  - name: details
    load_assignment:
      cluster_name: details
      endpoints:
      - locality: {region: r, zone: z}
        lb_endpoints:
        - endpoint: {address: {socket_address: {address: 10.0.0.1, port_value: 80}}, hostname: one}
        - {endpoint: {address: {socket_address: {address: 10.0.0.2, port_value: 80}}}, health_status: UNHEALTHY}
  - {name: empty}
"""


class Bench:
    """The admin with everything around it replaced; `sent` collects what would go to other processes."""

    def __init__(self, text: str = BOOTSTRAP, loaded: LoadedBootstrap | None = None) -> None:
        self.store = memory_store()
        root = self.store.root
        arena = local_arena()
        self.loaded = loaded or load(config_yaml=text)
        clusters = ClusterManager(root, arena, random.Random(1))
        clusters.apply(build(self.loaded, root, arena).clusters)
        view = View((self.store.file,))
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.proxy = Proxy(
            options=Options(config_path="x.yaml", concurrency=2),
            bootstrap=self.loaded.message,
            clusters=clusters,
            runtime=self.loaded.environment(root, arena).runtime,
            tags=TagExtractor(),
            snapshot=view.snapshot,
            reset_counters=lambda: self.sent.append(("reset", {})),
            send=lambda kind, fields: self.sent.append((kind, fields)),
            to_workers=lambda kind, fields: self.sent.append((f"workers:{kind}", fields)),
            close_listeners=lambda names, delay_s: self.sent.append(("close", {"names": names, "delay_s": delay_s})),
            started_wall_s=0.0,
            addresses={"ingress": ["127.0.0.1:8080", "[::1]:8081"], "egress": ["/tmp/egress.sock"]},
            workers=[Worker(0, 0, 0, True), Worker(1, 0, 2, True)],
            live=True,
        )
        self.proxy.pages = {page.path: page for page in all_pages()}
        self.admin = Admin(self.proxy.pages.values(), self.proxy, AdminStats(root))

    def get(self, path: str, **query: str) -> Response:
        return self.admin.handle(Request("GET", path, query))

    def post(self, path: str, **query: str) -> Response:
        return self.admin.handle(Request("POST", path, query))

    def text(self, path: str, **query: str) -> str:
        body = self.get(path, **query).body
        return body if isinstance(body, str) else body.decode()
