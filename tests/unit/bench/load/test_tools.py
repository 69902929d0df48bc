"""wrk and h2load: what they are told, what is read of what they print, and a real run of each that is installed."""

import shutil
import socket
import threading

import pytest

from pyvoy.bench.load import Generator, LoadError, LoadPlan, h2load, run_load, tool, wrk

URL = "http://127.0.0.1:1/"
GENERATOR = Generator("tool", "1", 0.5)


@pytest.fixture
def target():
    """A server that answers each request head with two bytes."""
    server = socket.create_server(("127.0.0.1", 0))
    threads = []

    def serve(client: socket.socket) -> None:
        with client:
            try:
                while data := client.recv(65536):
                    client.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok" * data.count(b"\r\n\r\n"))
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(client,)))
            threads[-1].start()

    acceptor = threading.Thread(target=accept)
    acceptor.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        acceptor.join()
        for thread in threads:
            thread.join()


# ---- wrk ----


def test_the_script_for_wrk_quotes_everything(tmp_path):
    plan = LoadPlan(URL, method="PUT", headers=(("X-A", 'a"b\\'),), body=b"\x00]]", close=True, unique_paths=True)
    script = wrk.script(plan, tmp_path)
    assert r'wrk.headers["\088\045\065"] = "\097\034\098\092"' in script
    assert (tmp_path / "body").read_bytes() == b"\x00]]"
    assert 'wrk.headers["Connection"] = "close"' in script
    assert "wrk.path .. math.random" in script


def test_what_wrk_says():
    printed = "Running\npyvoy-result 100 2000000 5000 7 1 2 3 900.0\npyvoy-result 300 60\npyvoy-result 900 40\n"
    result = wrk.parse(printed, LoadPlan(URL), GENERATOR)
    assert (result.statuses, result.errors) == (
        {"2xx-3xx": 93, "4xx-5xx": 7}, {"connect": 1, "reset": 2, "timeout": 3}
    )  # fmt: skip
    assert (result.rate, result.sent, result.bytes_received, result.basis) == (50.0, 106, 5000, "wrk")
    assert (result.latency.count, result.latency.percentile_us(50.0), result.latency.max_us) == (100, 300, 900)


def test_wrk_without_a_result():
    with pytest.raises(LoadError, match="wrk told no result: nonsense"):
        wrk.parse("nonsense\n", LoadPlan(URL), GENERATOR)


@pytest.mark.skipif(not shutil.which("wrk"), reason="wrk is not installed")
def test_wrk_loads(target):
    result = run_load(LoadPlan(target, connections=2, duration_s=1.0, engine="wrk", method="PUT"))
    assert result.good == result.answered > 0
    assert (result.errors, result.failed) == ({}, 0)
    assert result.latency.count >= result.answered
    assert result.generator.version[0].isdigit()


# ---- h2load ----

H2LOAD = """
finished in 501.04ms, 35106.00 req/s, 4.92MB/s
requests: 100 total, 100 started, 95 done, 80 succeeded, 20 failed, 5 errored, 2 timeout
status codes: 70 2xx, 10 3xx, 9 4xx, 6 5xx
traffic: 14.36KB (14700) total, 1.66KB (1700) headers (space savings 0.00%), 10.45KB (10700) data
"""


def test_what_h2load_says():
    latencies = h2load.read_log(["1\t200\t500\n", "2\t200\t500\n", "3\t503\t700\n", "4\t-1\t9000\n"])
    result = h2load.parse(H2LOAD, LoadPlan(URL, requests=100), GENERATOR, latencies)
    assert result.statuses == {"2xx": 70, "3xx": 10, "4xx": 9, "5xx": 6}
    assert result.errors == {"timeout": 2, "reset": 3}
    assert (result.sent, result.elapsed_s, result.bytes_received) == (100, 0.50104, 14700)
    assert (result.latency.count, result.latency.max_us) == (3, 700)


def test_h2load_without_a_result():
    with pytest.raises(LoadError, match="h2load told no result: nonsense"):
        h2load.parse("nonsense\n", LoadPlan(URL), GENERATOR, None)


@pytest.mark.skipif(not shutil.which("h2load"), reason="h2load is not installed")
@pytest.mark.parametrize("latencies", [True, False])
def test_h2load_loads(target, latencies):
    result = run_load(LoadPlan(target, connections=2, requests=50, engine="h2load", latencies=latencies))
    assert (result.statuses, result.errors, result.sent) == ({"2xx": 50}, {}, 50)
    assert (result.latency.count if result.latency else None) == (50 if latencies else None)


def test_a_tool_that_fails_is_told():
    with pytest.raises(LoadError, match="sh failed: no"):
        tool.run(["sh", "-c", "echo no >&2; exit 3"], LoadPlan(URL), 1.0)
