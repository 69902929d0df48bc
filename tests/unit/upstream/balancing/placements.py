"""The host sets of the observed choices, by the names that `observed.py` uses."""

from random import Random

from pyvoy.stats.store import memory_store
from pyvoy.upstream.balancing.context import LoadBalancerContext
from pyvoy.upstream.balancing.factory import make_balancer
from tests.unit.upstream.balancing.observed import HASHES
from tests.unit.upstream.hosts import host, host_set, last, zone


class Hashed(LoadBalancerContext):
    def __init__(self, key, refused=(), attempts=0):
        self.key = key
        self.refused = refused
        self.host_selection_retry_count = attempts

    def hash_key(self):
        return self.key

    def should_skip(self, host):
        return last(host) in self.refused


def placed(name):
    """The host sets of an observation."""
    if name == "priorities":
        return (host_set(host(1), host(2, "sick"), host(3, "sick")), host_set(host(4), host(5), priority=1))
    if name.startswith("zones"):
        a, b, c = zone("a"), zone("b"), zone("c")
        hosts = [host(1, locality=b), host(2, locality=b), host(3, locality=a), host(4, "sick", locality=a)]
        return (host_set(*hosts, host(5, locality=c), locality_weights={b: 3, a: 1, c: 2}),)
    if name.startswith("weighted"):
        return (host_set(*(host(number, weight=weight) for number, weight in enumerate((1, 2, 5, 1, 3), 1))),)
    if name == "named":
        own = {"envoy.lb": {"hash_key": "own-key"}}
        names = ("one", "two", "three")
        hosts = [host(number, hostname=hostname) for number, hostname in enumerate(names, 1)]
        return (host_set(*hosts, host(4, hostname="127.0.0.4", metadata=own), host(5, hostname="127.0.0.5")),)
    healths = {"sick": ("", "sick", "", "", "degraded"), "panic": ("sick", "sick", "", "sick", "sick"), "two": ("", "")}
    return (host_set(*(host(number, health) for number, health in enumerate(healths.get(name, [""] * 5), 1))),)


def balanced(sets, plan, *, store=None, defer=None):
    """A balancer of that plan with those hosts."""
    root = (store or memory_store()).root
    balancer = make_balancer(plan, Random(1), root.counter("lb_healthy_panic"), root.scope("cluster.c"), defer)
    balancer.update(sets)
    return balancer


def chosen(balancer):
    """One digit for each of the observed keys."""
    return "".join(last(balancer.choose(Hashed(key))) for key in HASHES)
