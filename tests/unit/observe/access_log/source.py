"""A finished request as formats and filters see it."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from pyvoy.http.headers import HeaderMap
from pyvoy.network.address import Address
from pyvoy.observe.stream_info import ConnectionInfo, StreamInfo


class Host:
    """The part of an upstream host that operators read."""

    def __init__(self, address: Address, hostname: str = "") -> None:
        self.address = address
        self.hostname = hostname
        self.metadata = {"h": {"k": "hh"}}


class Plan:
    """A cluster's plan."""

    metadata = MappingProxyType({"m": {"k": "kv", "n": 1, "l": [1, "a", None], "o": {"p": "q", "a": 2}, "b": True}})


class Cluster:
    """A cluster."""

    plan = Plan()


class Clocks:
    """The services that operators read."""

    clusters = MappingProxyType({"up": Cluster()})

    def clock(self) -> float:
        return 1010.5

    def wall(self) -> float:
        return 1_795_458_523.5


class Source:
    """GET /p/q answered 200 by the upstream, started at 2026-11-23T18:28:42.212001Z."""

    def __init__(self) -> None:
        self.services = Clocks()
        self.route: Any = None
        self.log_type = "DownstreamEnd"
        self.local_reply_body = b""
        connection = self.connection = ConnectionInfo()
        connection.remote = connection.direct_remote = Address("127.0.0.1", 39512)
        connection.local = connection.direct_local = Address("127.0.0.1", 18300)
        connection.connection_id = 7
        connection.filter_chain_name = "fcn"
        connection.listener_name = "lname"
        self.request_headers: HeaderMap | None = HeaderMap(
            [
                (b":authority", b"h.test:80"),
                (b":path", b"/new?a=1&b=xyz&e="),
                (b":method", b"GET"),
                (b"x-a", b"valA"),
                (b"x-empty", b""),
                (b"x-m", b"1"),
                (b"x-m", b"2"),
                (b"user-agent", b"ua"),
                (b"x-envoy-original-path", b"/p/q?a=1&b=xyz&e="),
            ]
        )
        self.response_headers: HeaderMap | None = HeaderMap([(b":status", b"200"), (b"server", b"envoy")])
        self.response_trailers: HeaderMap | None = None
        self.info = self._info()

    def _info(self) -> StreamInfo:
        info = StreamInfo()
        info.protocol = "HTTP/1.1"
        info.response_code = 200
        info.response_code_details = "via_upstream"
        info.bytes_sent = 316
        info.start_s, info.start_wall_s = 1000.0, 1_795_458_522.212001
        info.last_downstream_rx_s = 1000.0015
        info.first_upstream_tx_s = info.last_upstream_tx_s = 1000.002
        info.first_upstream_rx_s = info.last_upstream_rx_s = 1000.004
        info.first_downstream_tx_s = info.last_downstream_tx_s = info.end_s = 1000.0055
        info.upstream_cluster, info.upstream_cluster_observability_name = "up", "altup"
        info.upstream_host = Host(Address("127.0.0.1", 18981), "hn.test")  # type: ignore[assignment]
        info.upstream_local = Address("127.0.0.1", 56764)
        info.upstream_connection_id = 3
        info.attempt_count = 1
        info.request_id = b"4ec2c981-f71e-4eae-a88a-cd36569953c3"
        info.route_name = "rn"
        info.route_metadata = {"r": {"k": "rr"}}
        return info
