"""GrpcStats: what it does to messages is in the parity cases; here are its manners, however the events come."""

from __future__ import annotations

from pyvoy.filters.http.grpc_stats import GrpcCounts, GrpcStats
from pyvoy.testing.contract import check_http_filter


def test_contract() -> None:
    check_http_filter(GrpcStats, "stats_for_all_methods: true")


def test_counts_in_logs_leave_zeros_out() -> None:
    counts = GrpcCounts()
    assert counts.as_json() == {}
    counts.request_message_count = 2
    assert (counts.as_json(), str(counts)) == ({"requestMessageCount": "2"}, "2,0")
