"""Which names every process of a proxy counts alike, so that their sum would tell the number of processes.

Envoy's main thread writes these once; in pyvoy each worker has clusters and listeners of its own and writes the same
number.  For them the proxy's value is the largest, for all other names the sum.
"""

from __future__ import annotations

_MANAGERS = ("cluster_manager.", "listener_manager.", "runtime.", "server.")

# Under the managers, but a share of each process all the same.
_SHARES = frozenset(
    {
        "listener_manager.listener_create_failure",
        "listener_manager.listener_create_success",
        "server.memory_allocated",
        "server.memory_heap_size",
        "server.memory_physical_size",
        "server.total_connections",
    }
)

# Last part of names under "cluster.".
_OF_A_CLUSTER = frozenset(
    {
        "assignment_stale",
        "assignment_timeout_received",
        "assignment_use_cached",
        "cx_open",
        "cx_pool_open",
        "max_entries_per_host",
        "max_hashes_per_host",
        "max_host_weight",
        "membership_change",
        "membership_degraded",
        "membership_excluded",
        "membership_healthy",
        "membership_total",
        "min_entries_per_host",
        "min_hashes_per_host",
        "remaining_cx",
        "remaining_cx_pools",
        "remaining_pending",
        "remaining_retries",
        "remaining_rq",
        "rq_open",
        "rq_pending_open",
        "rq_retry_open",
        "size",
        "update_attempt",
        "update_empty",
        "update_failure",
        "update_no_rebuild",
        "update_success",
        "version",
        "warming_state",
    }
)


def is_counted_alike(name: str) -> bool:
    """True if all processes write the same number under that full name."""
    if name.startswith("cluster."):
        return name.rpartition(".")[2] in _OF_A_CLUSTER
    return name.startswith(_MANAGERS) and name not in _SHARES
