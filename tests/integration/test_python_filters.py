"""Python filters in the running proxy: several workers, calls, reload of an edited file."""

import json
import socket
import textwrap
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pyvoy.bench.process import StartError
from tests.integration.proxy import Proxy, address, cluster, listener, peak_bytes, typed, upstream

CODE = """
from pyvoy.api import *

class F(Filter):
    async def on_request(self, request):
        if request.path == "/call":
            answer = await self.call("up", "/x")
            return Response(200, answer.body)
        if request.path == "/count":
            value = self.shared_data("test").update(b"n", lambda old: b"%d" % (int(old or b"0") + 1))
            return Response(200, value)
        if request.path == "/boom":
            raise ValueError("boom")

    async def on_response(self, response):
        response.headers["x-version"] = "1"
"""


def python_listener(proxy: Proxy, code: Path, *, index: int = 0, **fields: Any):
    """A listener on the proxy's port of that index, with a Python filter before the router."""
    found = listener("in" if not index else f"in{index}", proxy.ports[index], cluster="up")
    manager = found["filter_chains"][0]["filters"][0]["typed_config"]
    config = typed("pyvoy.filters.http.python.v1.Python", code={"filename": str(code)}, **fields)
    manager["http_filters"].insert(0, {"name": "f", "typed_config": config})
    return found


@pytest.fixture
def scene(tmp_path):
    proxy = Proxy(tmp_path)
    code = tmp_path / "f.py"
    code.write_text(CODE)
    with upstream() as port:
        proxy.configure(listeners=[python_listener(proxy, code)], clusters=[cluster("up", port)])
        yield proxy, code
        proxy.stop()


def version(proxy):
    return proxy.request("GET", "/", proxy.ports[0])[2]["x-version"]


def test_filters_of_several_workers_share_their_data(scene):
    proxy, _ = scene
    proxy.start(workers=2)
    port = proxy.ports[0]
    assert proxy.get("/", port) == (200, "upstream")
    assert proxy.get("/call", port) == (200, "upstream")
    counts = [int(proxy.get("/count", port)[1]) for _ in range(20)]
    assert counts == list(range(1, 21))
    assert proxy.get("/boom", port) == (500, "")
    proxy.counted("http.in.python.F.errors", 1)
    assert "ValueError: boom" in proxy.log()


def test_an_edit_is_live_and_a_mistake_leaves_the_old_code_running(scene):
    proxy, code = scene
    proxy.start("--dev")
    assert version(proxy) == "1"
    status, body = proxy.get("/boom", proxy.ports[0])
    assert status == 500
    assert body.startswith("Traceback")
    assert "ValueError: boom" in body
    code.write_text(CODE.replace('= "1"', '= "2"'))
    proxy.wait(lambda: version(proxy) == "2")
    code.write_text("x = = 1\n")
    proxy.wait(lambda: "f.py:1: invalid syntax" in proxy.log())
    assert version(proxy) == "2"
    code.write_text(CODE.replace('= "1"', '= "3"'))
    proxy.wait(lambda: version(proxy) == "3")


def test_an_edit_of_an_imported_module_is_live_too(scene):
    proxy, code = scene
    rules = code.parent / "rules.py"
    rules.write_text('VERSION = "1"\n')
    code.write_text("from rules import VERSION\n" + CODE.replace('= "1"', "= VERSION"))
    proxy.start("--dev", workers=2)
    assert version(proxy) == "1"
    rules.write_text('VERSION = "2"\n')
    proxy.wait(lambda: {version(proxy) for _ in range(8)} == {"2"})
    rules.write_text("VERSION = = 3\n")
    proxy.wait(lambda: "rules.py:1: invalid syntax" in proxy.log())
    assert version(proxy) == "2"
    rules.write_text("from other import VERSION\n")
    proxy.wait(lambda: "No module named 'other'" in proxy.log())
    other = code.parent / "other.py"
    other.write_text("VERSION = broken\n")
    rules.write_text("from other import VERSION  # again\n")
    proxy.wait(lambda: "other.py:1: NameError" in proxy.log())
    assert version(proxy) == "2"
    other.write_text('VERSION = "4"\n')
    proxy.wait(lambda: {version(proxy) for _ in range(8)} == {"4"})


OF_ROUTE = """
from pyvoy.api import *

class R(StreamFilter):
    def on_response_headers(self, stream, headers, end):
        headers.set(b"x-route", self.config["name"].encode())
"""


def at_every_level(proxy: Proxy, code: Path, own: Path) -> None:
    """A listener whose table, virtual host, routes and weighted clusters have Python filters of their own."""

    def here(name: str, **more: Any) -> dict[str, Any]:
        config = typed("pyvoy.filters.http.python.v1.Python", code={"filename": str(own)}, config={"name": name})
        return {"typed_per_filter_config": {"f": typed("envoy.config.route.v3.FilterConfig", config=config, **more)}}

    found = python_listener(proxy, code)
    manager = found["filter_chains"][0]["filters"][0]["typed_config"]
    weighted = {"clusters": [{"name": "up", "weight": 1, **here("cluster")}]}
    routes = [
        {"match": {"prefix": "/route"}, "route": {"cluster": "up"}, **here("route")},
        {"match": {"prefix": "/off"}, "route": {"cluster": "up"}, **here("off", disabled=True)},
        {"match": {"prefix": "/cluster"}, "route": {"weighted_clusters": weighted}, **here("route")},
        {"match": {"prefix": "/"}, "route": {"cluster": "up"}},
    ]
    manager["route_config"] = {
        "virtual_hosts": [
            {"name": "host", "domains": ["host.test"], "routes": routes, **here("host")},
            {"name": "other", "domains": ["*"], "routes": [routes[-1]]},
        ],
        **here("table"),
    }
    clusters = json.loads(proxy.path.read_text())["static_resources"]["clusters"]
    proxy.configure(listeners=[found], clusters=clusters)


def test_filters_of_routes_stand_in_the_listeners_place_at_every_level(scene):
    proxy, code = scene
    own = code.parent / "own.py"
    own.write_text(OF_ROUTE)
    at_every_level(proxy, code, own)
    proxy.start("--dev")

    def names(path: str, host: str = "host.test") -> tuple[str | None, str | None]:
        seen = proxy.request("GET", path, proxy.ports[0], host=host)[2]
        return seen.get("x-route"), seen.get("x-version")

    assert names("/route") == ("route", None)
    assert names("/off") == (None, None)
    assert names("/cluster") == ("cluster", None)
    assert names("/") == ("host", None)
    assert names("/", "other.test") == ("table", None)
    own.write_text(OF_ROUTE.replace('["name"]', '["name"].upper()'))
    proxy.wait(lambda: names("/route") == ("ROUTE", None))
    own.write_text("x = = 1\n")
    proxy.wait(lambda: "own.py:1: invalid syntax" in proxy.log())
    assert names("/cluster") == ("CLUSTER", None)


def test_a_filter_of_a_route_that_cannot_be_loaded_is_refused_with_its_place(scene):
    proxy, code = scene
    own = code.parent / "own.py"
    own.write_text("from pyvoy.api import *\nx = = 1\n")
    at_every_level(proxy, code, own)
    with pytest.raises(StartError):
        proxy.start()
    assert "own.py:2: invalid syntax" in proxy.log()
    assert 'virtual_hosts[0].routes[0].typed_per_filter_config["f"].config.code' in proxy.log()


def test_a_filter_that_cannot_be_loaded_ends_the_start_with_its_place(scene):
    proxy, code = scene
    code.write_text(
        textwrap.dedent("""
        from pyvoy.api import *
        import nothing_there
    """)
    )
    with pytest.raises(StartError):
        proxy.start()
    assert "f.py:3: ModuleNotFoundError: No module named 'nothing_there'" in proxy.log()


NETWORK = """
import asyncio
from pyvoy.api import *

class N(NetworkFilter):
    async def on_new_connection(self, connection):
        await asyncio.sleep(0.01)
    def on_downstream_data(self, connection, data, end):
        return data.replace(b"/secret", b"/public")
    def on_upstream_data(self, connection, data, end):
        return data.replace(b"upstream", b"UPSTREAM")
    def on_close(self, connection):
        self.counter("closed").inc()
"""


def test_a_network_filter_before_the_connection_manager(scene, tmp_path):
    proxy, code = scene
    code.write_text(CODE.replace('if request.path == "/boom":', 'if request.path == "/public":'))
    network = tmp_path / "n.py"
    network.write_text(NETWORK)
    found = python_listener(proxy, code)
    config = typed("pyvoy.filters.network.python.v1.Python", code={"filename": str(network)})
    found["filter_chains"][0]["filters"].insert(0, {"name": "n", "typed_config": config})
    with upstream() as port:
        proxy.configure(listeners=[found], clusters=[cluster("up", port)])
        proxy.start()
        assert proxy.get("/a", proxy.ports[0]) == (200, "UPSTREAM")
        assert proxy.get("/secret", proxy.ports[0])[0] == 500, "it is /public, where the HTTP filter fails"
        proxy.counted("network.python.N.closed", 2)


WAITING = """
import asyncio
from pyvoy.api import *

class N(NetworkFilter):
    async def on_upstream_data(self, connection, data, end):
        await asyncio.sleep(0.001)
        return data.replace(b"a", b"b")
"""
SIZE = 20 << 20


@contextmanager
def bulk_server():
    """Sends SIZE bytes to whoever connects, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            client, _ = server.accept()
            with client:
                client.sendall(b"a" * SIZE)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(20)


def test_bytes_to_the_client_wait_for_a_coroutine_in_order_and_bounded(tmp_path):
    proxy = Proxy(tmp_path)
    network = tmp_path / "n.py"
    network.write_text(WAITING)
    config = typed("pyvoy.filters.network.python.v1.Python", code={"filename": str(network)})
    tcp = typed("envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy", stat_prefix="t", cluster="up")
    filters = [{"name": "n", "typed_config": config}, {"name": "envoy.filters.network.tcp_proxy", "typed_config": tcp}]
    with bulk_server() as port:
        found = {"name": "in", "address": address(proxy.ports[0]), "filter_chains": [{"filters": filters}]}
        proxy.configure(listeners=[found], clusters=[cluster("up", port)])
        try:
            proxy.start()
            (worker,) = proxy.workers()
            before = peak_bytes(worker)
            with socket.create_connection(("127.0.0.1", proxy.ports[0]), timeout=20) as client:
                proxy.wait(lambda: proxy.stats()["cluster.up.upstream_flow_control_paused_reading_total"] > 0)
                got = bytearray()
                while piece := client.recv(1 << 20):
                    got += piece
            assert len(got) == SIZE
            assert got.count(b"b") == SIZE
            assert peak_bytes(worker) - before < 12 << 20
        finally:
            proxy.stop()
