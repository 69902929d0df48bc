"""Subsets: which hosts a request's metadata leads to, and the fallbacks."""

from random import Random

import pytest

from pyvoy.stats.store import memory_store
from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.balancing.factory import make_balancer
from pyvoy.upstream.balancing.plans import DEFAULT_BALANCE
from pyvoy.upstream.balancing.subset import Fallback, SelectorPlan, SubsetBalancer, SubsetPlan, SubsetStats
from pyvoy.upstream.endpoint import HealthFlag
from tests.unit.upstream.hosts import host, host_set, last

HOSTS = {1: {"stage": "prod", "version": 1.0}, 2: {"stage": "dev", "version": 2.0}, 3: {"other": True}}
STAGE = SelectorPlan(("stage",))


class Asking(LoadBalancerContext):
    def __init__(self, **match):
        self.metadata_match = match or None


class Balancing:
    """A balancer over three hosts; `ask` gives the numbers of the hosts that some requests get."""

    def __init__(self, *selectors, **options):
        self.store = memory_store()
        self.scope = self.store.root.scope("cluster.c")
        panic = self.scope.counter("lb_healthy_panic")
        self.balancer = SubsetBalancer(
            SubsetPlan(selectors=selectors, **options),
            lambda: make_balancer(DEFAULT_BALANCE, Random(1), panic, None, None),
            SubsetStats(self.scope),
        )
        self.hosts = [host(number, metadata={"envoy.lb": metadata}) for number, metadata in HOSTS.items()]
        self.balancer.update((host_set(*self.hosts),))

    def ask(self, **match):
        return "".join(sorted({last(self.balancer.choose(Asking(**match))) for _ in range(4)}))

    def count(self, name):
        return self.scope.counter(f"lb_subsets_{name}").value


def test_hosts_by_metadata():
    made = Balancing(STAGE)
    assert (made.ask(stage="prod"), made.ask(stage="dev")) == ("1", "2")
    assert (made.count("selected"), made.count("created")) == (8, 2)


@pytest.mark.parametrize("match", [{"stage": "test"}, {"version": 1.0}, {"stage": "prod", "version": 1.0}, {}])
def test_what_no_subset_answers_has_no_host(match):
    assert Balancing(STAGE).ask(**match) == "-"


@pytest.mark.parametrize(
    ("options", "hosts"),
    [
        ({"fallback": Fallback.ANY_ENDPOINT}, "123"),
        ({"fallback": Fallback.DEFAULT_SUBSET, "default_subset": {"stage": "dev"}}, "2"),
        ({"fallback": Fallback.DEFAULT_SUBSET, "default_subset": {"stage": "none"}}, "-"),
        ({"fallback": Fallback.DEFAULT_SUBSET, "default_subset": {"stage": "none"}, "panic_mode_any": True}, "123"),
    ],
)
def test_the_fallback_of_the_cluster(options, hosts):
    made = Balancing(STAGE, **options)
    assert made.ask(stage="test") == hosts
    assert "".join(sorted({last(made.balancer.pick_any()) for _ in range(4)})) == hosts


@pytest.mark.parametrize(
    ("fallback", "hosts"),
    [
        (Fallback.NOT_DEFINED, "123"),
        (Fallback.NO_FALLBACK, "-"),
        (Fallback.ANY_ENDPOINT, "123"),
        (Fallback.DEFAULT_SUBSET, "1"),
        (Fallback.KEYS_SUBSET, "2"),
    ],
)
def test_the_fallback_of_a_selector(fallback, hosts):
    selector = SelectorPlan(("stage", "version"), fallback, frozenset(("stage",)))
    made = Balancing(selector, STAGE, fallback=Fallback.ANY_ENDPOINT, default_subset={"stage": "prod"})
    assert made.ask(stage="dev", version=9.0) == hosts


def test_values_are_compared_by_type():
    made = Balancing(SelectorPlan(("version",)))
    assert (made.ask(version=1.0), made.ask(version="1")) == ("1", "-")


def test_hosts_come_and_go():
    made = Balancing(STAGE)
    made.balancer.update((host_set(*made.hosts[1:]),))
    assert (made.ask(stage="prod"), made.ask(stage="dev"), made.count("removed")) == ("-", "2", 1)
    made.hosts[1].set_flag(HealthFlag.FAILED_ACTIVE_HC, True)
    made.balancer.update((host_set(*made.hosts[1:]),))
    assert made.ask(stage="dev") == "2"  # the only host of a subset is used in panic
