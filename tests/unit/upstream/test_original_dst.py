"""Hosts of ORIGINAL_DST clusters: where they come from, and when they are forgotten."""

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.network.address import Address
from pyvoy.observe.stream_info import ConnectionInfo
from pyvoy.stats.store import memory_store
from pyvoy.testing.clock import FakeClock
from pyvoy.upstream.cluster_plan import ClusterPlan, Discovery
from pyvoy.upstream.original_dst import DEFAULT_HEADER, OriginalDstHosts, OriginalDstPlan, parse_address
from tests.unit.upstream.hosts import FakePool, cluster, host, values


def connection(destination=None):
    """A connection that a listener filter has found a destination for, or not."""
    info = ConnectionInfo()
    info.local = info.direct_local = Address("127.0.0.1", 15001)
    if destination is not None:
        info.local = destination
    return info


class Hosts:
    """The hosts of a cluster; `installed` has the addresses that the cluster was given last."""

    def __init__(self, **options):
        self.clock = FakeClock()
        self.installed = []
        self.invalid = memory_store().root.counter("invalid")
        self.made = []
        plan = OriginalDstPlan(**options)
        self.hosts = OriginalDstHosts(plan, self._make, self._install, self.invalid, self.clock)

    def _make(self, address):
        made = host(1)
        made.address = address
        made.pools[0] = FakePool()
        self.made.append(made)
        return made

    def _install(self, hosts):
        self.installed = [one.address.text for one in hosts]

    def choose(self, destination=None, **headers):
        pairs = [(DEFAULT_HEADER, value.encode()) for value in headers.values()]
        found = self.hosts.choose(connection(destination), HeaderMap(pairs))
        return found and found.address.text


def test_the_destination_of_the_connection():
    made = Hosts()
    assert made.choose(Address("10.0.0.1", 80)) == "10.0.0.1:80"
    assert made.choose(Address("10.0.0.1", 80)) == "10.0.0.1:80"
    assert made.installed == ["10.0.0.1:80"]
    assert len(made.made) == 1


def test_no_destination_no_host():
    assert Hosts().choose() is None


def test_the_header_comes_first_if_it_counts():
    assert Hosts(header=DEFAULT_HEADER).choose(Address("10.0.0.1", 80), to="10.0.0.2:81") == "10.0.0.2:81"
    assert Hosts().choose(Address("10.0.0.1", 80), to="10.0.0.2:81") == "10.0.0.1:80"


def test_a_header_that_is_no_address_is_counted():
    made = Hosts(header=DEFAULT_HEADER)
    assert made.choose(to="nonsense") is None
    assert made.invalid.value == 1


def test_another_port():
    assert Hosts(port=15006).choose(Address("10.0.0.1", 80)) == "10.0.0.1:15006"


def test_hosts_that_nobody_asks_for_are_forgotten():
    made = Hosts(cleanup_interval_s=5.0)
    made.choose(Address("10.0.0.1", 80))
    made.clock.now_s += 6
    made.choose(Address("10.0.0.2", 80))
    assert made.installed == ["10.0.0.1:80", "10.0.0.2:80"]
    made.clock.now_s += 6
    made.choose(Address("10.0.0.2", 80))
    assert made.installed == ["10.0.0.2:80"]
    assert made.made[0].pools[0].drained == 1


def test_a_busy_host_stays():
    made = Hosts(cleanup_interval_s=5.0)
    made.choose(Address("10.0.0.1", 80))
    made.made[0].active = 1
    for _ in range(3):
        made.clock.now_s += 6
        made.choose(Address("10.0.0.2", 80))
    assert made.installed == ["10.0.0.1:80", "10.0.0.2:80"]


@pytest.mark.parametrize(
    ("text", "address"),
    [("1.2.3.4:80", "1.2.3.4:80"), ("[::1]:80", "[::1]:80"), ("::1:80", None), ("1.2.3.4", None), ("a:80", None)],
)
def test_addresses(text, address):
    found = parse_address(text)
    assert (found and found.text) == address


def test_the_cluster_counts_its_hosts():
    store = memory_store()
    plan = ClusterPlan("c", Discovery.ORIGINAL_DST, original_dst=OriginalDstPlan())
    found = cluster(plan, store)
    found.chooser.choose(connection(Address("10.0.0.1", 80)), None)
    assert [one.address.text for one in found.hosts()] == ["10.0.0.1:80"]
    assert values(store)["cluster.c.membership_total"] == 1
