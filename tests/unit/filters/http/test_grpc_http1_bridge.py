"""GrpcHttp1Bridge: what it does to messages is in the parity cases; here are its manners, however the events come."""

from __future__ import annotations

from pyvoy.filters.http.grpc_http1_bridge import GrpcHttp1Bridge
from pyvoy.testing.contract import check_http_filter


def test_contract() -> None:
    check_http_filter(GrpcHttp1Bridge, "")
