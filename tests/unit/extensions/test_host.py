"""The host API besides calls: metrics, shared data and queues, timers, log."""

import logging

import pytest

from pyvoy.extensions.host import Host, NotRunning
from pyvoy.http.headers import HeaderMap
from pyvoy.server.local_store import StoreFull
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.fakes import FakeServices


@pytest.fixture
def fakes():
    return FakeServices()


@pytest.fixture
def host(fakes):
    return Host(fakes.scope.scope("http.in.python"), fakes.arena, logging.getLogger("pyvoy.python"), fakes.services)


@pytest.fixture
def trial(fakes):
    """The host of a configuration that is only tried."""
    return Host(fakes.scope, fakes.arena, logging.getLogger("pyvoy.python"), None)


def test_metrics_are_below_the_extensions_scope(host, fakes):
    host.counter("seen").inc(2)
    host.counter("seen").inc()
    host.gauge("open").add(3)
    host.histogram("took", "us").record(7)
    assert fakes.counter("http.in.python.seen") == 3
    assert fakes.gauge("http.in.python.open") == 3
    assert fakes.scope.histogram("http.in.python.took").count == 1


def test_shared_data_of_two_namespaces_are_apart(host):
    one, two = host.shared_data("one"), host.shared_data("two")
    assert one.set(b"k", b"1")
    assert two.get(b"k") is None
    assert host.shared_data("one").get(b"k")[0] == b"1"
    assert one.delete(b"k")
    assert one.get(b"k") is None


def test_keys_and_values_may_be_texts(host):
    data, queue = host.shared_data("n"), host.shared_queue("n", "jobs")
    assert data.set("clé", "é")
    assert data.get("clé".encode())[0] == "é".encode()
    assert data.update("n", lambda old: str(int(old or 0) + 1)) == b"1"
    assert data.delete("clé")
    queue.push("job")
    assert queue.pop() == b"job"
    with pytest.raises(TypeError, match="a key is bytes or a text, not 7"):
        data.get(7)
    with pytest.raises(TypeError, match=r"a value is bytes or a text, not \{'a': 1\}"):
        data.set("k", {"a": 1})


def test_levels_of_the_log_are_found_in_either_case(host, caplog):
    with caplog.at_level(logging.INFO, "pyvoy.python"):
        host.log("INFO", "seen")
    assert caplog.messages == ["seen"]


def test_compare_and_swap_and_update(host):
    data = host.shared_data("n")
    assert data.update(b"count", lambda old: b"%d" % (int(old or b"0") + 1)) == b"1"
    assert data.update(b"count", lambda old: b"%d" % (int(old or b"0") + 1)) == b"2"
    value, number = data.get(b"count")
    assert not data.set(b"count", b"9", number + 1)
    assert data.set(b"count", b"9", number)
    assert value == b"2"


def test_update_is_tried_again_when_another_was_quicker(host):
    data = host.shared_data("n")
    asked = []

    def change(old):
        asked.append(old)
        if len(asked) == 1:
            data.set(b"k", b"theirs")
        return (old or b"") + b"+ours"

    assert data.update(b"k", change) == b"theirs+ours"
    assert asked == [None, b"theirs"]


def test_a_value_that_has_no_room_is_refused(host):
    with pytest.raises(StoreFull):
        host.shared_data("n").set(b"k", b"x" * (20 << 20))


def test_a_shared_queue_wakes_who_watches(host, fakes):
    queue = host.shared_queue("ns", "jobs")
    got = []
    stop = queue.watch(lambda: got.append(queue.pop()))
    host.shared_queue("ns", "jobs").push(b"job")
    host.shared_queue("other", "jobs").push(b"not ours")
    fakes.loop.settle()
    assert got == [b"job"]
    assert len(queue) == 0
    stop()
    queue.push(b"late")
    fakes.loop.settle()
    assert got == [b"job"]


def test_timers_fire_once_or_again_and_again(host, fakes):
    fired = []
    host.call_later(1.0, lambda: fired.append("once"))
    ticking = host.every(0.4, lambda: fired.append("tick"))
    fakes.loop.advance(1.0)
    assert fired == ["tick", "tick", "once"]
    ticking.cancel()
    fakes.loop.advance(5.0)
    assert len(fired) == 3


def test_a_cancelled_timer_never_fires(host, fakes):
    fired = []
    timer = host.call_later(1.0, lambda: fired.append(1))
    timer.cancel()
    timer.cancel()
    fakes.loop.advance(5.0)
    assert not fired
    assert fakes.timers.pending == 0


def test_timers_end_with_the_configuration(host, fakes):
    fired = []
    host.every(1.0, lambda: fired.append(1))
    host.call_later(1.0, lambda: fired.append(2))
    host.close()
    host.call_later(1.0, lambda: fired.append(3))
    fakes.loop.advance(5.0)
    assert not fired
    assert fakes.timers.pending == 0


def test_the_configuration_closes_its_hosts(fakes):
    configuration = Configuration(fakes.scope, fakes.arena, services=fakes.services)
    context = configuration.context("http_filters[0]")
    host = Host.of(context, context.scope, "python")
    fired = []
    host.call_later(1.0, lambda: fired.append(1))
    for retire in configuration.environment.retire:
        retire()
    fakes.loop.advance(5.0)
    assert not fired


def test_while_a_configuration_is_tried_nothing_runs(trial):
    with pytest.raises(NotRunning):
        trial.http_call("up", HeaderMap(), b"", lambda result: None)
    with pytest.raises(NotRunning):
        trial.grpc_call("up", "a.B", "C", b"", lambda result: None)
    trial.every(1.0, lambda: None).cancel()
    trial.counter("made").inc()
    trial.shared_queue("n", "q").watch(lambda: None)()
    assert trial.wall_ns() > 1_700_000_000 * 10**9


def test_the_log_has_levels(host, caplog):
    with caplog.at_level(logging.INFO, "pyvoy.python"):
        host.log("debug", "unseen")
        host.log("warn", "100% seen")
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", "100% seen")]
    with pytest.raises(ValueError, match="no log level 'loud': trace, debug, info"):
        host.log("loud", "x")


def test_the_time_and_which_clusters_there_are(host, fakes, trial):
    assert host.wall_ns() == int(fakes.clock.wall() * 1e9)
    assert trial.wall_ns() > host.wall_ns()
    fakes.clusters.add("up")
    assert [host.has_cluster("up"), host.has_cluster("other"), trial.has_cluster("up")] == [True, False, False]


def test_what_belongs_to_no_stream_ends_with_the_configuration(host):
    ended = []
    host.closing.add(lambda: ended.append(1))
    host.close()
    host.close()
    assert ended == [1]
