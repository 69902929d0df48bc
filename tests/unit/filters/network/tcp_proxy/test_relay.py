"""What a relay counts, and when."""

from __future__ import annotations

from pyvoy.filters.network.tcp_proxy.plan import TcpStats
from pyvoy.filters.network.tcp_proxy.relay import METER_S, Meter, Relay
from pyvoy.testing.fakes import FakeServices
from pyvoy.upstream.cluster_stats import ClusterStats

NAMES = (
    "tcp.t.downstream_cx_rx_bytes_total",
    "cluster.c.upstream_cx_tx_bytes_total",
    "cluster.c.upstream_cx_rx_bytes_total",
    "tcp.t.downstream_cx_tx_bytes_total",
)


class Rig:
    def __init__(self) -> None:
        self.fake = FakeServices()
        self.to_client: list[bytes] = []
        self.to_upstream: list[bytes] = []
        meter = Meter()
        meter.serve(self.fake.services)
        stats = TcpStats(self.fake.scope.scope("tcp.t"))
        cluster_stats = ClusterStats(self.fake.scope.scope("cluster.c"))
        self.relay = Relay(stats, cluster_stats, self.to_client.append, meter)
        self.relay.to_upstream = self.to_upstream.append

    @property
    def counted(self) -> list[int]:
        return [self.fake.counter(name) for name in NAMES]


def test_bytes_pass_at_once_and_are_counted_soon() -> None:
    rig = Rig()
    rig.relay.from_client(b"four")
    rig.relay.from_upstream(b"seven..")
    rig.relay.from_upstream(b"one")
    assert (rig.to_upstream, rig.to_client) == ([b"four"], [b"seven..", b"one"])
    assert (rig.relay.received, rig.relay.sent, rig.counted) == (4, 10, [0, 0, 0, 0])
    rig.fake.loop.advance(METER_S * 2)
    assert rig.counted == [4, 4, 10, 10]
    assert rig.relay.active_s >= 1000 + METER_S


def test_counting_early_does_not_count_twice() -> None:
    rig = Rig()
    rig.relay.from_client(b"four")
    rig.relay.count(1.0)
    rig.relay.count(2.0)
    assert (rig.counted, rig.relay.active_s) == ([4, 4, 0, 0], 1.0)
    rig.relay.from_client(b"four")
    rig.relay.count(3.0)
    assert (rig.counted, rig.relay.active_s) == ([8, 8, 0, 0], 3.0)


def test_early_bytes_were_counted_when_the_client_sent_them() -> None:
    rig = Rig()
    rig.relay.early(b"four")
    rig.relay.from_client(b"x")
    rig.relay.count(1.0)
    assert (rig.relay.received, rig.counted) == (5, [1, 5, 0, 0])
