"""A running proxy whose listeners and clusters come from files: a file that changes is in force without a signal."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.integration.proxy import Proxy, cluster, listener, typed, upstream


@pytest.fixture
def proxy(tmp_path):
    made = Proxy(tmp_path)
    yield made
    made.stop()


def write(path: Path, type_name: str, *resources: dict[str, Any]) -> None:
    """Replace a file in one step, as deployments do."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"resources": [{**typed(type_name), **each} for each in resources]}))
    os.replace(fresh, path)


def test_files_are_followed(proxy, tmp_path):
    listeners, clusters = tmp_path / "lds.json", tmp_path / "cds.json"
    with upstream() as port:
        write(clusters, "envoy.config.cluster.v3.Cluster", cluster("app", port))
        write(listeners, "envoy.config.listener.v3.Listener", listener("web", proxy.ports[0], cluster="app"))
        sources = {name: {"path_config_source": {"path": str(path)}} for name, path in
                   (("lds_config", listeners), ("cds_config", clusters))}  # fmt: skip
        proxy.configure(dynamic_resources=sources)
        proxy.start()
        assert proxy.get("/", proxy.ports[0])[0] == 200
        more = listener("more", proxy.ports[1], body="hello")
        write(listeners, "envoy.config.listener.v3.Listener", listener("web", proxy.ports[0], body="own"), more)
        proxy.wait(lambda: proxy.try_get("/", proxy.ports[1]) == (200, "hello"))
        assert proxy.get("/", proxy.ports[0]) == (200, "own")
        listeners.write_text("{}}")
        proxy.wait(lambda: "is not used, the one before stays in force" in proxy.log())
        assert proxy.get("/", proxy.ports[1]) == (200, "hello")
        proxy.wait(lambda: "lds.update_failure: 1" in proxy.get("/stats?filter=lds.update_failure")[1])
