"""Hosts that fail while the proxy runs: traffic leaves them in every worker, and comes back."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.integration.proxy import Proxy, cluster, listener


@pytest.fixture
def proxy(tmp_path):
    made = Proxy(tmp_path)
    yield made
    made.stop()


class Service:
    """An HTTP service that answers with its own port as the body, with a status that the test may change."""

    def __init__(self) -> None:
        self.status = 200
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = str(service.port).encode()
                self.send_response(service.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.server.block_on_close = False
        self.port: int = self.server.server_address[1]


@contextmanager
def services(count: int) -> Iterator[list[Service]]:
    made = [Service() for _ in range(count)]
    for service in made:
        threading.Thread(target=service.server.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield made
    finally:
        for service in made:
            service.server.shutdown()
            service.server.server_close()


def flags(proxy: Proxy) -> list[str]:
    """The health flags of cluster c's hosts in their order."""
    lines = proxy.get("/clusters")[1].splitlines()
    return [line.rpartition("::")[2] for line in lines if line.startswith("c::") and "::health_flags::" in line]


def asked(proxy: Proxy, count: int = 12) -> set[str]:
    """Who answers so many requests, each on a connection of its own (so that all workers are asked)."""
    return {proxy.get("/", proxy.ports[0])[1] for _ in range(count)}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_host_that_fails_its_checks_gets_no_traffic_until_it_passes(proxy, workers):
    check = {
        "timeout": "1s",
        "interval": "0.05s",
        "no_traffic_interval": "0.05s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 2,
        "http_health_check": {"path": "/healthz"},
    }
    with services(2) as (good, bad):
        proxy.configure(
            listeners=[listener("l", proxy.ports[0], cluster="c")],
            clusters=[cluster("c", good.port, bad.port, health_checks=[check])],
        )
        proxy.start(workers=workers)
        assert flags(proxy) == ["healthy", "healthy"]  # a start waits for the first checks
        assert asked(proxy) == {str(good.port), str(bad.port)}
        bad.status = 503
        proxy.wait(lambda: flags(proxy) == ["healthy", "/failed_active_hc"])
        proxy.wait(lambda: asked(proxy) == {str(good.port)})
        bad.status = 200
        proxy.wait(lambda: asked(proxy) == {str(good.port), str(bad.port)})
        stats = proxy.stats()
        assert stats["cluster.c.health_check.healthy"] == 2
        assert stats["cluster.c.membership_healthy"] == 2


def test_failures_in_several_workers_add_up_to_an_ejection(proxy):
    detection = {"consecutive_5xx": 6, "max_ejection_percent": 100, "interval": "600s"}
    with services(2) as (good, bad):
        bad.status = 500
        proxy.configure(
            listeners=[listener("l", proxy.ports[0], cluster="c")],
            clusters=[cluster("c", good.port, bad.port, outlier_detection=detection)],
        )
        proxy.start(workers=2)
        asked(proxy, 24)
        proxy.wait(lambda: flags(proxy) == ["healthy", "/failed_outlier_check"])
        proxy.wait(lambda: asked(proxy) == {str(good.port)})
        assert proxy.stats()["cluster.c.outlier_detection.ejections_active"] == 1
        assert proxy.stats()["cluster.c.membership_healthy"] == 1
