"""`pyvoy trace` against the running proxy: the table, the admin's pages, and the picture in a browser."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.proxy import Proxy, cluster, upstream
from tests.integration.test_python_filters import python_listener

CODE = """
import asyncio
from pyvoy.api import *

class F(Filter):
    async def on_request(self, request):
        await asyncio.sleep(0.05)
        request.headers["x-added"] = "<script>1</script>"
        del request.headers["user-agent"]

    async def on_response(self, response):
        response.set_body((await response.body()).upper())
"""


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trace")
    proxy = Proxy(folder)
    code = folder / "f.py"
    code.write_text(CODE)
    with upstream() as port:
        proxy.configure(listeners=[python_listener(proxy, code)], clusters=[cluster("up", port)])
        proxy.start("--trace", workers=2)
        yield proxy
        proxy.stop()


def run(proxy, *arguments):
    command = [sys.executable, "-m", "pyvoy", "trace", f"http://127.0.0.1:{proxy.ports[0]}/a?b=1"]
    command += ["--admin", f"127.0.0.1:{proxy.admin_port}", "-H", "User-Agent: test", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_table(proxy):
    ended = run(proxy)
    assert ended.returncode == 0, ended.stderr
    for text in (
        "GET /a?b=1 -> 200 via_upstream",
        "cluster up",
        "holds (STOP)",
        "+ x-added: <script>1</script>",
        "- user-agent: test",
        "envoy.filters.http.router",
    ):
        assert text in ended.stdout
    assert "\x1b[" not in ended.stdout
    assert "\x1b[32m+ x-added" in run(proxy, "--color", "always").stdout


def test_the_data(proxy):
    trace = json.loads(run(proxy, "--json", "-d", "body").stdout)
    assert [entry["name"] for entry in trace["filters"]] == ["f", "envoy.filters.http.router"]
    assert trace["request"][0]["body"] == "body"
    assert trace["duration_us"] >= 50_000


def test_the_pages(proxy):
    trace = json.loads(run(proxy, "--json").stdout)
    status, page = proxy.get(f"/trace?id={trace['id']}")
    assert status == 200
    assert "<svg" in page
    assert "&lt;script&gt;1&lt;/script&gt;" in page
    assert "<script" not in page
    assert trace["id"] in proxy.get("/trace")[1]
    assert proxy.get("/trace?id=none")[0] == 404


def test_the_picture_in_a_browser(proxy, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("chromium is not installed")
    trace = json.loads(run(proxy, "--json").stdout)
    url = f"http://127.0.0.1:{proxy.admin_port}/trace?id={trace['id']}"
    picture = tmp_path / "trace.png"
    flags = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile"]
    shot = [browser, *flags, f"--screenshot={picture}", "--window-size=1100,900", url]
    subprocess.run(shot, capture_output=True, timeout=60, check=True)
    assert picture.stat().st_size > 10_000
    dom = subprocess.run([browser, *flags, "--dump-dom", url], capture_output=True, text=True, timeout=60, check=True)
    assert dom.stdout.count("<rect") >= 4


def test_without_tracing_there_is_a_word_about_it(tmp_path: Path):
    proxy = Proxy(tmp_path)
    code = tmp_path / "f.py"
    code.write_text(CODE)
    with upstream() as port:
        proxy.configure(listeners=[python_listener(proxy, code)], clusters=[cluster("up", port)])
        try:
            proxy.start()
            ended = run(proxy)
            assert ended.returncode == 1
            assert "tracing is off: start with pyvoy run --trace" in ended.stderr
        finally:
            proxy.stop()


def test_a_proxy_that_is_not_there():
    command = [sys.executable, "-m", "pyvoy", "trace"]
    ended = subprocess.run([*command, "http://127.0.0.1:1/"], capture_output=True, text=True, check=False)
    assert (ended.returncode, "refused" in ended.stderr) == (1, True)
    ended = subprocess.run([*command, "https://127.0.0.1/"], capture_output=True, text=True, check=False)
    assert "is no http URL" in ended.stderr
