"""Which hosts are ejected, when they come back, and what is counted."""

from random import Random

import pytest

from pyvoy.stats.store import memory_store
from pyvoy.testing.clock import FakeClock, FakeLoop
from pyvoy.upstream.endpoint import HealthFlag
from pyvoy.upstream.health.outcomes import GATEWAY_ERROR, GOOD, LOCAL_ERROR, LOCAL_GOOD, SERVER_ERROR
from pyvoy.upstream.health.outlier import OutlierDetector, OutlierStats
from pyvoy.upstream.health.outlier_plan import OutlierPlan
from tests.unit.upstream.hosts import cluster, endpoint, last, static


class Detecting:
    """A detector of a cluster with so many hosts; `rates` are the counters of each host that the test moves."""

    def __init__(self, hosts=4, **options):
        options = {"max_ejection_percent": 100, "interval_s": 10.0, "consecutive_5xx": 2, **options}
        self.cluster = cluster(static(*(endpoint(number) for number in range(1, hosts + 1))))
        self.loop = FakeLoop(FakeClock())
        self.store = memory_store()
        self.changes = 0
        self.rates = {host: [0, 0, 0, 0] for host in self.cluster.hosts()}
        self.detector = OutlierDetector(
            self.cluster,
            OutlierPlan(**options),
            OutlierStats(self.store.root.scope("cluster.c")),
            self.loop.as_loop,
            Random(1),
            changed=self._changed,
            rates=lambda host: tuple(self.rates[host]),
        )

    def _changed(self):
        self.changes += 1

    def tell(self, number, *results):
        for result in results:
            self.detector.take(f"127.0.0.{number}:18201", result)

    def out(self):
        """The numbers of the hosts that are ejected."""
        flag = HealthFlag.FAILED_OUTLIER_CHECK
        return "".join(last(host) for host in self.cluster.hosts() if host.flags & flag)

    def count(self, name):
        return self.store.root.counter(f"cluster.c.outlier_detection.{name}").value

    def active(self):
        return self.store.root.gauge("cluster.c.outlier_detection.ejections_active").value

    def serve(self, *percentages, requests=100, at=0):
        """So many more requests to each host, of which these percentages went well."""
        for host, good in zip(self.cluster.hosts(), percentages, strict=True):
            self.rates[host][at] += good * requests // 100
            self.rates[host][at + 1] += requests


@pytest.mark.parametrize(
    ("results", "out"),
    [
        ([SERVER_ERROR, SERVER_ERROR], "1"),
        ([SERVER_ERROR, GATEWAY_ERROR], "1"),
        ([SERVER_ERROR, GOOD, SERVER_ERROR], ""),
        ([SERVER_ERROR, LOCAL_GOOD, SERVER_ERROR], "1"),
        ([LOCAL_ERROR, LOCAL_ERROR], ""),
    ],
)
def test_failures_in_a_row(results, out):
    made = Detecting()
    made.tell(1, *results)
    assert made.out() == out


@pytest.mark.parametrize(
    ("results", "out"),
    [
        ([GATEWAY_ERROR, GATEWAY_ERROR], "1"),
        ([GATEWAY_ERROR, SERVER_ERROR, GATEWAY_ERROR], ""),
        ([LOCAL_ERROR, LOCAL_ERROR], "1"),
        ([LOCAL_ERROR, LOCAL_GOOD, LOCAL_ERROR], ""),
    ],
)
def test_other_failures_in_a_row(results, out):
    made = Detecting(
        consecutive_5xx=9,
        consecutive_gateway_failure=2,
        enforcing_consecutive_gateway_failure=100,
        consecutive_local_origin_failure=2,
    )
    made.tell(1, *results)
    assert made.out() == out


def test_an_ejection_is_counted_and_told():
    made = Detecting()
    made.tell(1, SERVER_ERROR, SERVER_ERROR)
    for name in ("total", "enforced_total", "detected_consecutive_5xx", "enforced_consecutive_5xx", "consecutive_5xx"):
        assert made.count(f"ejections_{name}") == 1
    assert made.count("ejections_overflow") == 0
    assert (made.active(), made.changes) == (1, 1)


def test_not_more_than_the_percentage():
    made = Detecting(max_ejection_percent=50)
    for number in (1, 2, 3):
        made.tell(number, SERVER_ERROR, SERVER_ERROR)
    assert (made.out(), made.count("ejections_overflow")) == ("12", 1)


def test_one_host_may_always_go_if_so_configured():
    made = Detecting(hosts=2, max_ejection_percent=10, always_eject_one_host=True)
    for number in (1, 2):
        made.tell(number, SERVER_ERROR, SERVER_ERROR)
    assert (made.out(), made.count("ejections_overflow")) == ("1", 1)


def test_what_is_not_enforced_is_only_detected():
    made = Detecting(enforcing_consecutive_5xx=0)
    made.tell(1, SERVER_ERROR, SERVER_ERROR)
    assert made.out() == ""
    assert (made.count("ejections_detected_consecutive_5xx"), made.count("ejections_enforced_total")) == (1, 0)


def test_a_host_stays_out_longer_each_time():
    made = Detecting(base_ejection_time_s=15.0)
    made.tell(1, SERVER_ERROR, SERVER_ERROR)
    made.loop.advance(15.0)
    assert made.out() == "1"  # looked at every ten seconds
    made.loop.advance(6.0)
    assert (made.out(), made.active()) == ("", 0)
    made.tell(1, SERVER_ERROR, SERVER_ERROR)
    made.loop.advance(29.0)
    assert made.out() == "1"
    made.loop.advance(10.0)
    assert made.out() == ""


def test_never_longer_than_the_longest_time():
    made = Detecting(base_ejection_time_s=15.0, max_ejection_time_s=15.0)
    for _ in range(3):
        made.tell(1, SERVER_ERROR, SERVER_ERROR)
        made.loop.advance(30.0)
        assert made.out() == ""


def test_good_intervals_are_forgiven():
    made = Detecting(base_ejection_time_s=5.0)
    made.tell(1, SERVER_ERROR, SERVER_ERROR)
    made.loop.advance(100.0)
    made.tell(1, SERVER_ERROR, SERVER_ERROR)
    made.loop.advance(10.0)
    assert made.out() == ""


def test_counts_start_anew_when_a_host_comes_back():
    made = Detecting(base_ejection_time_s=5.0)
    made.tell(1, SERVER_ERROR, SERVER_ERROR, SERVER_ERROR)
    made.loop.advance(20.0)
    made.tell(1, SERVER_ERROR)
    assert made.out() == ""


def test_a_passed_health_check_brings_a_host_back():
    made, kept = Detecting(), Detecting(healthy_check_unejects=False)
    for detecting in (made, kept):
        detecting.tell(1, SERVER_ERROR, SERVER_ERROR)
        for host in detecting.cluster.hosts():
            detecting.detector.passed_check(host)
    assert (made.out(), kept.out()) == ("", "1")


def test_a_host_whose_success_rate_stands_out():
    made = Detecting(hosts=5)
    made.serve(100, 100, 100, 100, 50)
    made.loop.advance(10.0)
    assert (made.out(), made.count("ejections_enforced_success_rate")) == ("5", 1)


@pytest.mark.parametrize("options", [{"hosts": 4}, {"success_rate_request_volume": 101}, {"enforcing_success_rate": 0}])
def test_too_little_to_judge_by_success_rate(options):
    made = Detecting(**{"hosts": 5, **options})
    made.serve(*[100] * (len(made.rates) - 1), 50)
    made.loop.advance(10.0)
    assert made.out() == ""


def test_only_the_last_interval_counts():
    made = Detecting(hosts=5, base_ejection_time_s=5.0)
    made.serve(100, 100, 100, 100, 50)
    made.loop.advance(21.0)
    made.serve(100, 100, 100, 100, 100)
    made.loop.advance(10.0)
    assert made.out() == ""


def test_hosts_that_fail_too_often():
    made = Detecting(hosts=5, enforcing_success_rate=0, enforcing_failure_percentage=100)
    made.serve(15, 16, 0, 100, 100, requests=100)
    made.loop.advance(10.0)
    assert (made.out(), made.count("ejections_enforced_failure_percentage")) == ("13", 2)


def test_ways_to_hosts_are_judged_apart_when_split():
    made, plain = Detecting(hosts=5, split_local_origin=True), Detecting(hosts=5)
    for detecting in (made, plain):
        detecting.serve(100, 100, 100, 100, 50, at=2)
        detecting.loop.advance(10.0)
    assert (made.out(), made.count("ejections_enforced_local_origin_success_rate")) == ("5", 1)
    assert plain.out() == ""


def test_a_stopped_detector_leaves_nothing_behind():
    made = Detecting()
    made.tell(1, SERVER_ERROR, SERVER_ERROR)
    made.detector.stop()
    made.loop.advance(100.0)
    assert (made.active(), made.changes) == (0, 1)
