"""Histograms of the filters' own time: off they are absent, on they count, in every mechanism and over all workers."""

import base64
import json
import os
import re
import signal

import pytest

from tests.integration.proxy import Proxy, cluster, listener, typed, upstream
from tests.support.guest import Guest, call

HTTP = "envoy.extensions.filters.http"
PYTHON = """
import asyncio
from pyvoy.api import Filter

class Waits(Filter):
    async def on_request(self, request):
        await asyncio.sleep(0.02)
        request.headers["x-python"] = "1"

    async def on_response(self, response):
        response.headers["x-python"] = "1"
"""
LUA = """
function envoy_on_request(handle)
  handle:httpCall("up", {[":method"] = "GET", [":path"] = "/", [":authority"] = "up"}, "", 1000)
  for i = 1, 1000 do handle:headers():get("x-" .. i) end
end
function envoy_on_response(handle)
  local body = handle:body()
  handle:headers():replace("x-lua", tostring(body:length()))
end
"""


def filters() -> list[dict[str, object]]:
    wasm = Guest().on("response_headers", call("add_header_map_value", 2, "x-wasm", "yes", quiet=True)).build()
    code = {"local": {"inline_bytes": base64.b64encode(wasm).decode()}}
    return [
        {"name": "buffer", "typed_config": typed(f"{HTTP}.buffer.v3.Buffer", max_request_bytes=1000)},
        {
            "name": "in python",
            "typed_config": typed("pyvoy.filters.http.python.v1.Python", code={"inline_string": PYTHON}),
        },
        {"name": "in lua", "typed_config": typed(f"{HTTP}.lua.v3.Lua", default_source_code={"inline_string": LUA})},
        {
            "name": "in.wasm",
            "typed_config": typed(
                f"{HTTP}.wasm.v3.Wasm", config={"name": "w", "vm_config": {"vm_id": "w", "code": code}}
            ),
        },
        {"name": "router", "typed_config": typed(f"{HTTP}.router.v3.Router")},
    ]


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Starts a proxy with these filters and runtime keys."""
    monkeypatch.setenv("PYVOY_WASM_CACHE", str(tmp_path / "cache"))
    proxy = Proxy(tmp_path)

    def started(port, workers, **runtime):
        found = listener("in", proxy.ports[0], cluster="up")
        found["filter_chains"][0]["filters"][0]["typed_config"]["http_filters"] = filters()
        layers = [{"name": "static", "static_layer": {f"pyvoy.{key}": value for key, value in runtime.items()}}]
        proxy.configure(
            listeners=[found],
            clusters=[cluster("up", port)],
            stats_flush_interval="0.2s",
            layered_runtime={"layers": layers},
        )
        proxy.start(workers=workers)
        return proxy

    with upstream() as port:
        yield lambda workers, **runtime: started(port, workers, **runtime)
        proxy.stop()


def ask(proxy, times):
    for _ in range(times):
        status, _, headers = proxy.request("GET", "/", proxy.ports[0])
        assert status == 200
        assert (headers["x-wasm"], headers["x-python"], headers["x-lua"] is not None) == ("yes", "1", True)


def counts(proxy):
    """How many streams each histogram has, as Prometheus' page tells it."""
    text = proxy.get("/stats/prometheus")[1]
    found = re.findall(r"^envoy_http_filter_time_(\w+)_ns_count\{(.*)\} (\d+)$", text, re.MULTILINE)
    return {
        (re.search('pyvoy_filter_name="([^"]*)"', labels)[1], side): int(count) for side, labels, count in found
    }  # fmt: skip


ALL = {
    ("buffer", "request"), ("in python", "request"), ("in python", "response"), ("in lua", "request"),
    ("in lua", "response"), ("in.wasm", "request"), ("in.wasm", "response"),
}  # fmt: skip


def test_the_runtime_key_switches_it_on_in_every_worker(start):
    proxy = start(2, filter_timing=100)
    ask(proxy, 12)
    proxy.wait(lambda: counts(proxy) == dict.fromkeys(ALL, 12))
    stats = json.loads(proxy.get("/stats?format=json&histogram_buckets=detailed&filter=filter_time")[1])
    names = {one["name"] for one in stats["stats"][0]["histograms"]["details"]}
    assert names == {f"http.in.filter_time.{name}.{side}_ns" for name, side in ALL}
    assert "http.in.filter_time.in.wasm.request_ns: P0(" in proxy.get("/stats?filter=filter_time")[1]
    told = "filters are timed for 100 % of the requests (runtime key pyvoy.filter_timing)\n"
    assert proxy.post("/filter_timing") == (200, told)


def test_it_is_off_and_the_admin_switches_it_while_the_proxy_runs(start):
    proxy = start(1)
    ask(proxy, 2)
    assert "filter_time." not in proxy.get("/stats")[1]
    told = "filters are timed for 0 % of the requests (runtime key pyvoy.filter_timing)\n"
    assert proxy.post("/filter_timing") == (200, told)
    told = "filters are timed for 100 % of the requests (asked for here)\n"
    assert proxy.post("/filter_timing?percent=100") == (200, told)
    proxy.wait(lambda: asked(proxy) > 0)

    before = asked(proxy)
    (worker,) = proxy.workers()
    os.kill(worker, signal.SIGKILL)
    proxy.wait(lambda: proxy.workers() not in ([], [worker]) and proxy.try_get("/", proxy.ports[0])[0] == 200)
    proxy.wait(lambda: asked(proxy) > before + 5)  # a new worker is told

    proxy.reload()
    before = asked(proxy)
    proxy.wait(lambda: asked(proxy) > before + 5)  # and so is a new configuration

    told = "filters are timed for 0 % of the requests (runtime key pyvoy.filter_timing)\n"
    assert proxy.post("/filter_timing?percent=default") == (200, told)
    for wrong in ("percent=nine", "percent=101", "percent=nan", "per=1", "percent=1&x=2"):
        assert proxy.post(f"/filter_timing?{wrong}")[0] == 400
    assert proxy.get("/filter_timing")[0] == 405


def asked(proxy):
    """Send a request; how many have been timed by the last flush."""
    ask(proxy, 1)
    return counts(proxy).get(("buffer", "request"), 0)
