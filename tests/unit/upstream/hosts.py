"""Makers of hosts, host sets and clusters for the tests of pyvoy.upstream."""

from __future__ import annotations

import time
from random import Random

from pyvoy.network.address import Address
from pyvoy.server.arena import local_arena
from pyvoy.stats.store import memory_store
from pyvoy.upstream.cluster import Cluster
from pyvoy.upstream.cluster_plan import AssignmentPlan, ClusterPlan, EndpointPlan, LocalityPlan
from pyvoy.upstream.endpoint import (
    NO_FLAGS,
    NO_LOCALITY,
    HealthFlag,
    Host,
    HostFacts,
    HostStats,
    Locality,
    host_scope,
    make_host_set,
)

PORT = 18201
FLAGS = {
    "": NO_FLAGS,
    "sick": HealthFlag.FAILED_EDS_HEALTH,
    "degraded": HealthFlag.DEGRADED_EDS_HEALTH,
    "draining": HealthFlag.EDS_STATUS_DRAINING,
}


def host(number, health="", *, weight=1, locality=NO_LOCALITY, priority=0, hostname="", metadata=None, root=None):
    """Host 127.0.0.<number>:18201."""
    address = Address(f"127.0.0.{number}", PORT)
    stats = HostStats(host_scope(root or memory_store().root, "c", address))
    facts = HostFacts(hostname, weight, priority, locality, metadata or {})
    return Host(address, stats, facts, FLAGS[health])


def host_set(*hosts, priority=0, locality_weights=None, **options):
    return make_host_set(priority, hosts, locality_weights or {}, **options)


def zone(name):
    return Locality(zone=name)


def last(chosen):
    """The number of a host that was chosen, "-" for none."""
    return chosen.address.ip.rpartition(".")[2] if chosen is not None else "-"


def endpoint(number, health="", **options):
    return EndpointPlan(Address(f"127.0.0.{number}", PORT), flags=FLAGS[health], **options)


def named(name, port=80, **options):
    """An endpoint of a DNS cluster."""
    return EndpointPlan(Address(name, port), **options)


def assignment(*endpoints, **options):
    return AssignmentPlan((LocalityPlan(tuple(endpoints), **options),))


def static(*endpoints, name="c", **options):
    """The plan of a STATIC cluster."""
    return ClusterPlan(name, assignment=assignment(*endpoints), **options)


def cluster(plan, store=None, *, seed=1, **options):
    root = (store or memory_store()).root
    return Cluster(plan, root, local_arena(time.monotonic), Random(seed), **options)


class FakePool:
    """Remembers that it was drained."""

    def __init__(self):
        self.drained = 0

    def drain(self):
        self.drained += 1


def values(store):
    """All counters and gauges of a store by name."""
    cells = [*store._counters.values(), *store._gauges.values()]
    return {cell.name: cell.value for cell in cells}
