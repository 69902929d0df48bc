"""All parity cases, one file per matter."""

from tests.parity.case import Case
from tests.parity.cases import (
    access_log,
    codec,
    filters,
    grpc,
    header_rules,
    http2_downstream,
    http2_upstream,
    l4,
    limits,
    local_replies,
    manager,
    rewrites,
    routing,
    stats,
    tcp,
    upstream,
    upstream_faults,
)

CASES: tuple[Case, ...] = (
    *routing.CASES,
    *rewrites.CASES,
    *header_rules.CASES,
    *manager.CASES,
    *local_replies.CASES,
    *limits.CASES,
    *codec.CASES,
    *access_log.CASES,
    *filters.CASES,
    *upstream.CASES,
    *upstream_faults.CASES,
    *l4.CASES,
    *tcp.CASES,
    *stats.CASES,
    *http2_downstream.CASES,
    *http2_upstream.CASES,
    *grpc.CASES,
)
