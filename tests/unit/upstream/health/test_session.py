"""What results of health checks do to a host, and when it is checked again."""

from random import Random

import pytest

from pyvoy.stats.store import memory_store
from pyvoy.testing.clock import FakeClock, FakeLoop
from pyvoy.upstream.endpoint import HealthFlag
from pyvoy.upstream.health.plan import HealthCheckPlan, TcpProbePlan
from pyvoy.upstream.health.session import Failure, HealthCheckStats, HealthSession
from tests.unit.upstream.hosts import host


def plan(**options):
    intervals = {"interval_s": 1.0, "unhealthy_interval_s": 2.0, "unhealthy_edge_interval_s": 3.0}
    defaults = {"timeout_s": 0.5, "unhealthy_threshold": 2, "healthy_threshold": 2, "healthy_edge_interval_s": 4.0}
    return HealthCheckPlan(TcpProbePlan(), **{**intervals, **defaults, **options})


class Checked:
    """A session whose probe is answered by the test."""

    def __init__(self, *, traffic=True, **options):
        self.checks = self.given_up = self.changes = 0
        self.closed = False
        self.loop = FakeLoop(FakeClock())
        self.store = memory_store()
        self.host = host(1)
        self.host.set_flag(HealthFlag.FAILED_ACTIVE_HC, True)
        self.session = HealthSession(
            self.host,
            plan(**options),
            HealthCheckStats(self.store.root.scope("cluster.c")),
            self.loop.as_loop,
            Random(1),
            make_probe=lambda session: self,
            changed=self._changed,
            passed=lambda host: None,
            has_traffic=lambda: traffic,
        )
        self.session.start()

    def check(self):
        self.checks += 1

    def give_up(self):
        self.given_up += 1

    def close(self):
        self.closed = True

    def _changed(self, host):
        self.changes += 1

    def pass_in(self, seconds):
        """How many checks begin in this time."""
        before = self.checks
        self.loop.advance(seconds)
        return self.checks - before

    def count(self, name):
        return self.store.root.counter(f"cluster.c.health_check.{name}").value


def test_the_first_success_makes_a_host_healthy_at_once():
    checked = Checked()
    assert checked.checks == 1
    checked.session.succeeded()
    assert checked.host.flags_text == "healthy"
    assert (checked.changes, checked.count("attempt"), checked.count("success")) == (1, 1, 1)


def test_network_failures_count_up_to_the_threshold():
    checked = Checked()
    checked.session.succeeded()
    checked.session.failed(Failure.NETWORK)
    assert checked.host.flags_text == "healthy"
    checked.session.failed(Failure.NETWORK)
    assert checked.host.flags_text == "/failed_active_hc"
    assert (checked.count("failure"), checked.count("network_failure")) == (2, 2)


def test_a_success_between_failures_starts_the_count_anew():
    checked = Checked()
    checked.session.succeeded()
    for _ in range(3):
        checked.session.failed(Failure.NETWORK)
        checked.session.succeeded()
    assert checked.host.flags_text == "healthy"


def test_a_wrong_status_fails_at_once_and_a_retriable_one_counts():
    checked = Checked()
    checked.session.succeeded()
    checked.session.failed(Failure.ACTIVE, retriable=True)
    assert checked.host.flags_text == "healthy"
    checked.session.failed(Failure.ACTIVE)
    assert checked.host.flags_text == "/failed_active_hc"
    assert checked.count("network_failure") == 0


def test_recovery_takes_the_healthy_threshold():
    checked = Checked()
    checked.session.failed(Failure.ACTIVE)
    checked.session.succeeded()
    assert checked.host.flags_text == "/failed_active_hc"
    checked.session.succeeded()
    assert checked.host.flags_text == "healthy"


def test_no_answer_in_time_is_a_failure_that_shows():
    checked = Checked()
    checked.loop.advance(0.5)
    assert checked.given_up == 1
    assert checked.host.flags_text == "/failed_active_hc/active_hc_timeout"
    checked.session.failed(Failure.NETWORK)
    assert checked.host.flags_text == "/failed_active_hc"


def test_a_degraded_host_is_neither_failed_nor_healthy():
    checked = Checked()
    checked.session.succeeded(degraded=True)
    assert checked.host.flags_text == "/degraded_active_hc"
    checked.session.succeeded()
    assert checked.host.flags_text == "healthy"


def test_a_failed_host_may_ask_to_be_left_out():
    checked = Checked()
    checked.session.exclude()
    assert checked.host.excluded
    checked.session.succeeded()
    assert not checked.host.excluded


@pytest.mark.parametrize(
    ("results", "interval_s"),
    [
        (["good"], 1.0),  # healthy
        (["bad"], 2.0),  # unhealthy, and nothing pending
        (["good", "bad"], 3.0),  # about to become unhealthy
        (["bad", "good"], 4.0),  # about to become healthy
    ],
)
def test_the_interval_follows_the_state(results, interval_s):
    checked = Checked()
    for index, result in enumerate(results):
        while checked.checks == index:
            checked.loop.advance(0.25)
        checked.session.succeeded() if result == "good" else checked.session.failed(Failure.NETWORK)
    assert checked.pass_in(interval_s - 0.1) == 0
    assert checked.pass_in(0.2) == 1


def test_an_unused_cluster_is_checked_slowly():
    checked = Checked(traffic=False, no_traffic_interval_s=30.0, no_traffic_healthy_interval_s=60.0)
    checked.session.succeeded()
    assert checked.pass_in(59.0) == 0
    assert checked.pass_in(2.0) == 1


def test_jitter_only_adds():
    checked = Checked(interval_jitter_s=1.0, interval_jitter_percent=100)
    checked.session.succeeded()
    assert checked.pass_in(0.99) == 0
    assert checked.pass_in(2.02) == 1


def test_the_first_check_may_be_delayed():
    checked = Checked(initial_jitter_s=5.0)
    assert checked.checks == 0
    assert checked.pass_in(5.0) >= 1


def test_a_stopped_session_checks_no_more():
    checked = Checked()
    checked.session.succeeded()
    checked.session.stop()
    assert checked.closed
    assert checked.pass_in(100.0) == 0
