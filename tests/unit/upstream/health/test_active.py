"""Which hosts are checked while clusters and hosts come and go."""

from random import Random

from pyvoy.stats.store import memory_store
from pyvoy.testing.clock import FakeClock, FakeLoop
from pyvoy.upstream.cluster_plan import ClusterPlan, Discovery
from pyvoy.upstream.health.active import HealthChecks
from pyvoy.upstream.health.plan import CheckTarget
from pyvoy.upstream.health.session import Failure
from tests.unit.upstream.health.test_session import plan
from tests.unit.upstream.hosts import assignment, cluster, endpoint, last, named, static


class Prober:
    def __init__(self, session):
        self.session = session
        self.open = True

    def check(self):
        pass

    def give_up(self):
        pass

    def close(self):
        self.open = False


class Checks:
    """Health checks whose probes the test answers; `published` has the clusters in order."""

    def __init__(self):
        self.probes = []
        self.published = []
        self.passed = []
        self.store = memory_store()
        self.loop = FakeLoop(FakeClock())
        self.checks = HealthChecks(
            self.store.root,
            self.loop.as_loop,
            lambda found: self.published.append(found.name),
            lambda work, name: self.loop.create_task(work),
            Random(1),
            has_traffic=lambda name: True,
            passed=lambda cluster, host: self.passed.append(last(host)),
            prober=self._probe,
        )

    def _probe(self, session, *_):
        self.probes.append(Prober(session))
        return self.probes[-1]

    def checked(self):
        """The hosts whose probes are open."""
        return "".join(last(probe.session.host) for probe in self.probes if probe.open)

    def gauge(self, name):
        return self.store.root.gauge(f"cluster.c.health_check.{name}").value


def test_the_hosts_of_clusters_with_checks_are_checked():
    made = Checks()
    unchecked = endpoint(2, check=CheckTarget(disabled=True))
    found = cluster(static(endpoint(1), unchecked, endpoint(3), health_check=plan()))
    made.checks.apply([found, cluster(static(endpoint(4), name="d"))])
    assert made.checked() == "13"
    assert [host.flags_text for host in found.hosts()] == ["/failed_active_hc", "healthy", "/failed_active_hc"]


def test_a_change_is_published_and_counted():
    made = Checks()
    made.checks.apply([cluster(static(endpoint(1), endpoint(2), health_check=plan()))])
    made.probes[0].session.succeeded()
    assert (made.published, made.gauge("healthy")) == (["c"], 1)
    made.probes[0].session.succeeded()
    made.probes[1].session.succeeded(degraded=True)
    assert (made.published, made.gauge("healthy"), made.gauge("degraded")) == (["c", "c"], 2, 1)
    made.probes[0].session.failed(Failure.ACTIVE)
    assert made.gauge("healthy") == 1


def test_unchanged_clusters_go_on_and_gone_ones_stop():
    made = Checks()
    first, second = (cluster(static(endpoint(number), name=str(number), health_check=plan())) for number in (1, 2))
    made.checks.apply([first, second])
    made.checks.apply([second, cluster(static(endpoint(3), name="3", health_check=plan()))])
    assert made.checked() == "23"
    assert len(made.probes) == 3


def test_hosts_that_discovery_finds_are_checked():
    made = Checks()
    wanted = assignment(named("one"))
    found = cluster(ClusterPlan("c", Discovery.STRICT_DNS, assignment=wanted, health_check=plan()))
    made.checks.apply([found])
    assert made.checked() == ""
    for ips in (("10.0.0.1", "10.0.0.2"), ("10.0.0.2", "10.0.0.3")):
        found.set_hosts(wanted, {"one": ips})
        made.checks.hosts_changed("c")
    assert made.checked() == "23"
    made.checks.hosts_changed("unknown")


def test_a_start_waits_for_every_first_result():
    made = Checks()
    made.checks.apply([cluster(static(endpoint(1), endpoint(2), health_check=plan(timeout_s=100.0)))])
    waiting = made.loop.create_task(made.checks.first_results(60.0))
    made.loop.settle()
    made.probes[0].session.succeeded()
    made.loop.settle()
    assert not waiting.done()
    made.probes[1].session.failed(Failure.NETWORK)
    made.loop.settle()
    assert waiting.done()


def test_every_check_that_a_healthy_host_passes_is_told():
    made = Checks()
    made.checks.apply([cluster(static(endpoint(1), health_check=plan()))])
    session = made.probes[0].session
    session.succeeded()
    session.failed(Failure.ACTIVE)
    session.succeeded()  # one success is not enough to be healthy again
    assert made.passed == ["1"]
