"""The running proxy: signals, reloads, deaths and totals over all workers."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.integration.proxy import Proxy, cluster, listener, upstream


@pytest.fixture
def proxy(tmp_path):
    made = Proxy(tmp_path)
    yield made
    made.stop()


class Clients:
    """Threads that send requests one after the other on kept connections, and note what went wrong.

    A connection that the proxy closes before a request is sent is opened again, as any client does."""

    def __init__(self, port: int, count: int = 4) -> None:
        self.port = port
        self.failures: list[str] = []
        self.answered = 0
        self.refused = 0
        self.ending = threading.Event()
        self.threads = [threading.Thread(target=self._run, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        while not self.ending.is_set():
            try:
                connection.connect()
            except OSError:
                self.refused += 1
                return
            self._requests(connection)
        connection.close()

    def _requests(self, connection: http.client.HTTPConnection) -> None:
        for turn in range(10**9):
            if self.ending.is_set():
                break
            try:
                connection.request("GET", "/")
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException) as error:
                if turn == 0:
                    self.failures.append(repr(error))
                break
            self.answered += 1
            if response.status != 200:
                self.failures.append(str(response.status))
            if response.will_close:
                break
        connection.close()

    def end(self) -> None:
        self.ending.set()
        for thread in self.threads:
            thread.join(10)


def test_requests_are_counted_over_all_workers(proxy):
    with upstream() as port:
        proxy.configure(listeners=[listener("in", proxy.ports[0], cluster="up")], clusters=[cluster("up", port)])
        proxy.start(workers=2)
        assert [proxy.get("/", proxy.ports[0]) for _ in range(20)] == [(200, "upstream")] * 20
        proxy.counted("http.in.downstream_rq_2xx", 20)
        stats = proxy.stats()
    assert stats["cluster.up.upstream_rq_200"] == 20
    assert stats[f"listener.127.0.0.1_{proxy.ports[0]}.downstream_cx_total"] == 20
    assert (
        sum(stats[f"listener.127.0.0.1_{proxy.ports[0]}.worker_{index}.downstream_cx_total"] for index in (0, 1)) == 20
    )
    assert stats["cluster.up.membership_total"] == 1
    assert stats["server.live"] == 1
    assert stats["server.concurrency"] == 2


def test_counters_survive_a_killed_worker(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="x")])
    proxy.start(workers=2)
    for _ in range(10):
        proxy.get("/", proxy.ports[0])
    kept = proxy.request("GET", "/", proxy.ports[0])
    assert kept[0] == 200
    proxy.counted("http.in.downstream_rq_2xx", 11)  # written every 10 ms: what is visible survives
    victim = proxy.workers()[0]
    os.kill(victim, signal.SIGKILL)
    proxy.wait(lambda: len(proxy.workers()) == 2 and victim not in proxy.workers(), 2)
    assert [proxy.get("/", proxy.ports[0]) for _ in range(10)] == [(200, "x")] * 10
    proxy.counted("http.in.downstream_rq_2xx", 21)
    proxy.counted("http.in.downstream_cx_active", 0)
    assert "restarted 1" in proxy.get("/")[1]


@pytest.mark.parametrize("workers", [1, 2])
def test_circuit_breakers_are_the_proxys_and_not_the_workers(proxy, workers):
    limits = {"thresholds": [{"max_requests": 2, "max_connections": 100, "max_pending_requests": 100}]}
    with upstream(delay_s=0.6) as port:
        proxy.configure(
            listeners=[listener("in", proxy.ports[0], cluster="up")],
            clusters=[cluster("up", port, circuit_breakers=limits)],
        )
        proxy.start(workers=workers)
        found: list[int] = []
        threads = [threading.Thread(target=lambda: found.append(proxy.get("/", proxy.ports[0])[0])) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == [200] * 2 + [503] * 10


def test_sigterm_under_load_loses_no_request(proxy):
    with upstream(delay_s=0.01) as port:
        proxy.configure(listeners=[listener("in", proxy.ports[0], cluster="up")], clusters=[cluster("up", port)])
        proxy.start(workers=2)
        clients = Clients(proxy.ports[0], 8)
        time.sleep(0.5)
        proxy.signal(signal.SIGTERM)
        assert proxy.server.process.wait(6) == 0
        clients.end()
    assert clients.answered > 20
    assert clients.failures == []


def test_requests_in_flight_are_finished_and_their_connections_closed(proxy):
    with upstream(delay_s=0.5) as port:
        proxy.configure(listeners=[listener("in", proxy.ports[0], cluster="up")], clusters=[cluster("up", port)])
        proxy.start()
        found = []
        thread = threading.Thread(target=lambda: found.append(proxy.request("GET", "/", proxy.ports[0])))
        thread.start()
        time.sleep(0.15)
        proxy.signal(signal.SIGTERM)
        proxy.wait(lambda: proxy.try_get("/ready") in ((503, "DRAINING\n"), (0, "")), 2)
        thread.join()
    ((status, body, headers),) = found
    assert (status, body, headers["connection"]) == (200, "upstream", "close")
    assert proxy.server.process.wait(3) == 0


def test_a_reload_under_load_loses_no_request(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="old")])
    proxy.start(workers=2)
    clients = Clients(proxy.ports[0])
    for turn in range(6):
        others = [listener("other", proxy.ports[1], body="x")] if turn % 2 else []
        proxy.configure(listeners=[listener("in", proxy.ports[0], body=f"new {turn}"), *others])
        proxy.reload()
    clients.end()
    assert clients.failures == []
    assert clients.refused == 0
    assert proxy.get("/", proxy.ports[0]) == (200, "new 5")


def test_a_reload_changes_routes_clusters_and_listeners_and_keeps_connections(proxy):
    with upstream(body=b"one") as one, upstream(body=b"two") as two:
        proxy.configure(listeners=[listener("in", proxy.ports[0], cluster="up")], clusters=[cluster("up", one)])
        proxy.start()
        kept = http.client.HTTPConnection("127.0.0.1", proxy.ports[0], timeout=5)
        kept.request("GET", "/")
        assert kept.getresponse().read() == b"one"
        kept_socket = kept.sock
        proxy.configure(
            listeners=[listener("in", proxy.ports[0], cluster="up"), listener("new", proxy.ports[1], body="new")],
            clusters=[cluster("up", two)],
        )
        proxy.reload()
        kept.request("GET", "/")
        assert kept.getresponse().read() == b"two"
        assert kept.sock is kept_socket
        kept.close()
        assert proxy.get("/", proxy.ports[1]) == (200, "new")
        proxy.configure(listeners=[listener("new", proxy.ports[1], body="new")])
        proxy.reload()
    assert proxy.try_get("/", proxy.ports[0]) == (0, "")
    assert proxy.get("/listeners") == (200, f"new::127.0.0.1:{proxy.ports[1]}\n")
    proxy.counted("listener_manager.listener_removed", 1)


@pytest.mark.parametrize("action", ["direct", "routed"])
def test_open_connections_get_the_new_routes(proxy, action):
    with upstream(body=b"one") as one, upstream(body=b"two") as two:
        clusters = [cluster("a", one), cluster("b", two)]

        def configured(turn: int) -> None:
            how = {"body": ("one", "two")[turn]} if action == "direct" else {"cluster": "ab"[turn]}
            proxy.configure(listeners=[listener("in", proxy.ports[0], **how)], clusters=clusters)

        configured(0)
        proxy.start()
        kept = http.client.HTTPConnection("127.0.0.1", proxy.ports[0], timeout=5)
        kept.request("GET", "/")
        assert kept.getresponse().read() == b"one"
        same = kept.sock
        configured(1)
        proxy.reload()
        for _ in range(2):
            kept.request("GET", "/")
            assert kept.getresponse().read() == b"two"
        assert kept.sock is same
        kept.close()


def test_a_connection_that_is_never_idle_gets_the_new_routes_too(proxy):
    with upstream(delay_s=0.05, body=b"one") as one, upstream(body=b"two") as two:
        clusters = [cluster("a", one), cluster("b", two)]
        proxy.configure(listeners=[listener("in", proxy.ports[0], cluster="a")], clusters=clusters)
        proxy.start()
        clients = Clients(proxy.ports[0], 4)
        proxy.configure(listeners=[listener("in", proxy.ports[0], cluster="b")], clusters=clusters)
        proxy.reload()
        time.sleep(1.5)
        before = proxy.stats()["cluster.a.upstream_rq_total"]
        time.sleep(0.3)
        assert proxy.stats()["cluster.a.upstream_rq_total"] == before
        clients.end()
    assert clients.failures == []


def test_the_admin_stays_where_it_is(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="old")])
    proxy.start()
    text = proxy.path.read_text()
    proxy.path.write_text(text.replace(f'"port_value": {proxy.admin_port}', f'"port_value": {proxy.ports[2]}'))
    proxy.reload()
    assert "the admin's address cannot be changed by a reload" in proxy.log()
    assert proxy.get("/ready")[0] == 200


def test_a_broken_file_changes_nothing_and_says_where(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="old")])
    proxy.start()
    text = proxy.path.read_text()
    proxy.path.write_text(text.replace('"port_value"', '"port_valu"', 1))
    proxy.signal(signal.SIGHUP)
    proxy.wait(lambda: "stays in force" in proxy.log())
    assert re.search(r"bootstrap\.json:1:\d+: error: \S*socket_address.*port_valu", proxy.log())
    proxy.wait(lambda: "The last reload was refused" in proxy.get("/")[1])
    assert proxy.get("/", proxy.ports[0]) == (200, "old")
    proxy.path.write_text(text.replace("old", "new"))
    proxy.reload()
    assert proxy.get("/", proxy.ports[0]) == (200, "new")
    assert "refused" not in proxy.get("/")[1]


def test_reloads_leave_memory_and_descriptors_as_they_were(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="x")])
    proxy.start()

    def measures() -> tuple[int, int]:
        worker = proxy.workers()[0]
        rss = next(line for line in Path(f"/proc/{worker}/status").read_text().splitlines() if "VmRSS" in line)
        return len(os.listdir(f"/proc/{worker}/fd")), int(rss.split()[1])

    for _ in range(3):
        proxy.reload()
    before = measures()
    for _ in range(10):
        proxy.reload()
    after = measures()
    assert after[0] == before[0]
    assert after[1] < before[1] * 1.05


def test_the_admin_address_is_written_and_port_0_is_resolved_once(proxy, tmp_path):
    path = tmp_path / "admin"
    proxy.configure(listeners=[listener("in", 0, body="x")])
    proxy.path.write_text(proxy.path.read_text().replace(f'"port_value": {proxy.admin_port}', '"port_value": 0'))
    from tests.support.process import Server

    command = [
        sys.executable,
        "-m",
        "pyvoy",
        "-c",
        str(proxy.path),
        "--concurrency",
        "3",
        "--admin-address-path",
        str(path),
    ]
    proxy.server = Server(command, tmp_path / "log")
    proxy.wait(lambda: path.exists() and bool(path.read_text()))
    proxy.admin_port = int(path.read_text().rpartition(":")[2])
    proxy.wait(lambda: proxy.try_get("/ready")[0] == 200)
    (line,) = proxy.get("/listeners")[1].splitlines()
    port = int(line.rpartition(":")[2])
    assert [proxy.get("/", port) for _ in range(12)] == [(200, "x")] * 12


def test_a_pipe_and_an_additional_address(proxy, tmp_path):
    pipe = str(tmp_path / "l.sock")
    one = listener("in", proxy.ports[0], body="x")
    one["additional_addresses"] = [{"address": {"pipe": {"path": pipe, "mode": 0o600}}}]
    proxy.configure(listeners=[one])
    proxy.start(workers=2)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(pipe)
        client.sendall(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
    assert proxy.get("/listeners")[1] == f"in::127.0.0.1:{proxy.ports[0]}\nin::{pipe}\n"


def test_a_bad_bootstrap_ends_with_1_and_all_problems(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], cluster="nowhere", nonsense=1)])
    for flags in ([], ["--mode", "validate"]):
        command = [sys.executable, "-m", "pyvoy", "-c", str(proxy.path), *flags]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
        assert ended.returncode == 1
        assert "nonsense" in ended.stderr
        assert f"error initializing configuration '{proxy.path}'" in ended.stderr


def test_a_problem_that_only_the_builders_see_ends_with_1_too(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], cluster="nowhere")])
    command = [sys.executable, "-m", "pyvoy", "-c", str(proxy.path), "--concurrency", "2"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert ended.returncode == 1
    assert len(re.findall(r"bootstrap\.json:1:\d+: error: .*nowhere", ended.stderr)) == 1


def test_validate_prints_envoys_line(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="x")])
    for command in (["-c", str(proxy.path), "--mode", "validate"], ["validate", str(proxy.path)]):
        ended = subprocess.run(
            [sys.executable, "-m", "pyvoy", *command], capture_output=True, text=True, timeout=20, check=False
        )
        assert (ended.returncode, ended.stdout) == (0, f"configuration '{proxy.path}' OK\n")


def test_config_yaml_is_merged_over_the_file(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="x")], node={"id": "from file"})
    proxy.start("--config-yaml", "node: {id: from text}", "--service-cluster", "c", "-l", "warning")
    info = json.loads(proxy.get("/server_info")[1])
    assert info["node"]["id"] == "from text"
    assert info["node"]["cluster"] == "c"
    assert proxy.log() == ""


def test_the_log_is_reopened_on_sigusr1(proxy, tmp_path):
    path = tmp_path / "app.log"
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="x")])
    proxy.start("--log-path", str(path))
    path.rename(tmp_path / "old.log")
    proxy.signal(signal.SIGUSR1)
    proxy.wait(path.exists)
    proxy.signal(signal.SIGTERM)
    proxy.server.process.wait(6)
    assert "exiting" in path.read_text()
    assert "admin address" in (tmp_path / "old.log").read_text()


def test_quitquitquit_drains_and_ends_with_0(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="x")])
    proxy.start()
    assert proxy.post("/quitquitquit") == (200, "OK\n")
    assert proxy.server.process.wait(6) == 0


def test_drained_listeners_refuse_and_the_process_stays(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="x")])
    proxy.start()
    assert proxy.post("/drain_listeners") == (200, "OK\n")
    proxy.wait(lambda: proxy.try_get("/", proxy.ports[0]) == (0, ""), 3)
    assert proxy.get("/ready")[0] == 200


def test_a_failed_health_check_closes_connections_and_is_not_ready(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="x")])
    proxy.start()
    proxy.post("/healthcheck/fail")
    proxy.wait(lambda: proxy.request("GET", "/", proxy.ports[0])[2]["connection"] == "close", 2)
    assert proxy.get("/ready") == (503, "DRAINING\n")
    proxy.post("/healthcheck/ok")
    proxy.wait(lambda: proxy.request("GET", "/", proxy.ports[0])[2]["connection"] is None, 2)
    assert proxy.get("/ready") == (200, "LIVE\n")


def test_reset_counters(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="x")])
    proxy.start(workers=2)
    proxy.get("/", proxy.ports[0])
    proxy.counted("http.in.downstream_rq_2xx", 1)
    proxy.post("/reset_counters")
    assert proxy.stats()["http.in.downstream_rq_2xx"] == 0
    proxy.get("/", proxy.ports[0])
    proxy.counted("http.in.downstream_rq_2xx", 1)


def test_logging_reaches_every_process(proxy):
    proxy.configure(listeners=[listener("in", proxy.ports[0], body="x")])
    proxy.start()
    assert "  http: debug\n" in proxy.post("/logging?http=debug")[1]
    assert proxy.post("/logging?nothing=debug")[0] == 400
