"""A running proxy whose statistics go to statsd, in datagrams and over TCP."""

import socket
import threading

import pytest

from tests.integration.proxy import Proxy, cluster, listener, typed

_METRICS = "envoy.config.metrics.v3."


@pytest.fixture
def proxy(tmp_path):
    made = Proxy(tmp_path)
    yield made
    made.stop()


def test_statistics_are_sent_at_every_flush(proxy):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    tcp = socket.create_server(("127.0.0.1", 0))
    got: list[str] = []
    piped: list[bytes] = []

    def receive() -> None:
        while data := udp.recv(65536):
            got.append(data.decode())

    def read() -> None:
        peer, _ = tcp.accept()
        with peer:
            while data := peer.recv(65536):
                piped.append(data)

    udp.bind(("127.0.0.1", 0))
    readers = [threading.Thread(target=target, daemon=True) for target in (receive, read)]
    for reader in readers:
        reader.start()
    try:
        to = {"socket_address": {"protocol": "UDP", "address": "127.0.0.1", "port_value": udp.getsockname()[1]}}
        sinks = [
            typed(_METRICS + "DogStatsdSink", address=to, prefix="edge"),
            typed(_METRICS + "StatsdSink", tcp_cluster_name="statsd"),
        ]
        proxy.configure(
            listeners=[listener("web", proxy.ports[0], body="own")],
            clusters=[cluster("statsd", tcp.getsockname()[1])],
            stats_sinks=[{"name": f"s{number}", "typed_config": sink} for number, sink in enumerate(sinks)],
            stats_flush_interval="0.2s",
        )
        proxy.start()
        for _ in range(3):
            assert proxy.get("/", proxy.ports[0]) == (200, "own")
        name = "edge.http.downstream_rq_total:3|c|#envoy.http_conn_manager_prefix:web"
        proxy.wait(lambda: name in got)
        proxy.wait(lambda: name.replace(":3", ":0") in got)
        proxy.wait(lambda: b"envoy.http.web.downstream_rq_total:3|c\n" in b"".join(piped))
    finally:
        proxy.stop()
        udp.sendto(b"", udp.getsockname())
        for reader in readers:
            reader.join(timeout=5)
        udp.close()
        tcp.close()
