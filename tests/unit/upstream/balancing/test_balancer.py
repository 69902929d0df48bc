"""From host sets to a host: priority, panic, locality and the context's wishes, for the policies without a hash."""

from collections import Counter
from random import Random

import pytest

from pyvoy.stats.store import memory_store
from pyvoy.upstream.balancing.balancer import PickerBalancer, effective_weight
from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.balancing.plans import BalancePlan
from pyvoy.upstream.balancing.round_robin import make_round_robin
from tests.unit.upstream.hosts import host, host_set, last, zone


class Avoiding(LoadBalancerContext):
    """Refuses hosts by number."""

    def __init__(self, *refused, attempts=1):
        self.refused = refused
        self.host_selection_retry_count = attempts

    def should_skip(self, host):
        return last(host) in self.refused


def balancer(*sets, **plan):
    panics = memory_store().root.counter("lb_healthy_panic")
    found = PickerBalancer(BalancePlan(**plan), make_round_robin, Random(1), panics)
    found.update(sets or (host_set(),))
    return found, panics


def chosen(found, count=60, context=None):
    return Counter(last(found.choose(context)) for _ in range(count))


def test_only_healthy_hosts_while_there_are_enough():
    found, panics = balancer(host_set(host(1), host(2), host(3), host(4, "sick")))
    assert chosen(found) == {"1": 20, "2": 20, "3": 20}
    assert panics.value == 0


def test_panic_takes_all_hosts_and_is_counted():
    found, panics = balancer(host_set(host(1), host(2, "sick"), host(3, "sick")))
    assert chosen(found) == {"1": 20, "2": 20, "3": 20}
    assert panics.value == 60


def test_panic_may_mean_no_host():
    found, panics = balancer(host_set(host(1), host(2, "sick"), host(3, "sick")), fail_traffic_on_panic=True)
    assert chosen(found, 3) == {"-": 3}
    assert panics.value == 3


def test_without_panic_sick_hosts_get_nothing():
    found, panics = balancer(host_set(host(1, "sick"), host(2, "sick")), panic_percent=0)
    assert chosen(found, 3) == {"-": 3}
    assert panics.value == 0


def test_an_empty_cluster_counts_as_panic():
    # Observed on Envoy 1.40.
    found, panics = balancer()
    assert found.choose(None) is None
    assert panics.value == 1


def test_a_sick_priority_spills_over():
    found, _ = balancer(host_set(host(1), host(2, "sick")), host_set(host(3), host(4), priority=1), panic_percent=0)
    counts = chosen(found, 1000)
    assert 640 < counts["1"] < 760
    assert counts["1"] + counts["3"] + counts["4"] == 1000


def test_degraded_hosts_get_what_healthy_ones_leave():
    hosts = [host(1), host(3), host(4), host(2, "sick"), host(5, "degraded")]
    found, _ = balancer(host_set(*hosts))
    counts = chosen(found, 1000)
    assert "2" not in counts
    assert 110 < counts["5"] < 210


def test_localities_share_by_weight_then_hosts_within():
    a, b = zone("a"), zone("b")
    hosts = [host(1, locality=a), host(2, locality=b), host(3, locality=b)]
    found, _ = balancer(host_set(*hosts, locality_weights={a: 3, b: 1}), locality_weighted=True)
    assert chosen(found, 80) == {"1": 60, "2": 10, "3": 10}


def test_locality_weights_count_only_where_asked_for():
    a, b = zone("a"), zone("b")
    hosts = [host(1, locality=a), host(2, locality=b), host(3, locality=b)]
    found, _ = balancer(host_set(*hosts, locality_weights={a: 3, b: 1}))
    assert chosen(found, 60) == {"1": 20, "2": 20, "3": 20}


def test_a_locality_without_weight_gets_nothing():
    a, b = zone("a"), zone("b")
    hosts = [host(1, locality=a), host(2, locality=b)]
    found, _ = balancer(host_set(*hosts, locality_weights={a: 1}), locality_weighted=True)
    assert chosen(found, 10) == {"1": 10}


@pytest.mark.parametrize(
    ("healths", "weight"), [(("", ""), 10.0), (("", "sick"), 7.0), (("sick", "sick"), 0.0), (("", "draining"), 10.0)]
)
def test_a_localitys_weight_shrinks_with_its_health(healths, weight):
    hosts = [host(number, health) for number, health in enumerate(healths, 1)]
    group = host_set(*hosts, locality_weights={hosts[0].locality: 10}).localities[0]
    assert effective_weight(group, 140, degraded=False) == pytest.approx(weight)


def test_a_refused_host_is_replaced_by_the_next():
    found, _ = balancer(host_set(host(1), host(2), host(3)))
    assert "2" not in chosen(found, 30, Avoiding("2", attempts=1))


def test_when_all_are_refused_the_last_one_is_taken():
    found, _ = balancer(host_set(host(1), host(2)))
    assert sum(chosen(found, 10, Avoiding("1", "2", attempts=5)).values()) == 10


def test_nobody_is_asked_when_no_other_attempt_is_allowed():
    found, _ = balancer(host_set(host(1)))
    assert last(found.choose(Avoiding("1", attempts=0))) == "1"


def test_the_rotation_survives_a_change_of_hosts():
    one, two, three = host(1), host(2), host(3)
    found, _ = balancer(host_set(one, two, three))
    first = [last(found.choose(None)) for _ in range(3)]
    found.update((host_set(one, two, three),))
    assert [last(found.choose(None)) for _ in range(3)] == first
