"""The connection limit filter."""

from __future__ import annotations

from pyvoy.filters.network.connection_limit import ConnectionLimit, ConnectionLimitPlan
from pyvoy.network.network_filter import CloseType, NetworkVerdict
from tests.support.building import Place
from tests.support.connections import FakeConnection

ONE = "{stat_prefix: edge, max_connections: 1}"
SLOW = "{stat_prefix: edge, max_connections: 1, delay: 2.5s}"
CONTINUE, STOP = NetworkVerdict.CONTINUE, NetworkVerdict.STOP


def connect(plan: ConnectionLimitPlan) -> tuple[ConnectionLimit, FakeConnection, NetworkVerdict]:
    filter_, connection = ConnectionLimit(plan), FakeConnection()
    return filter_, connection, filter_.on_new_connection(connection)


def test_one_over_the_limit_is_closed_at_once() -> None:
    place = Place()
    plan = place.plan(ConnectionLimit, ONE)
    first, connection, verdict = connect(plan)
    assert (verdict, connection.is_open) == (CONTINUE, True)
    second, refused, verdict = connect(plan)
    assert (verdict, refused.closed) == (STOP, CloseType.NO_FLUSH)
    assert place.count("connection_limit.edge.limited_connections") == 1
    assert place.level("connection_limit.edge.active_connections") == 2
    second.on_close(refused)
    assert place.level("connection_limit.edge.active_connections") == 1
    first.on_close(connection)
    assert connect(plan)[2] is CONTINUE


def test_with_a_delay_the_refused_one_is_held_apart() -> None:
    plan = Place().plan(ConnectionLimit, SLOW)
    connect(plan)
    filter_, refused, verdict = connect(plan)
    assert (verdict, refused.is_open) == (STOP, True)
    assert filter_.on_data(refused, b"x" * 1000, False) is STOP
    assert [timer.delay_s for timer in refused.services.timers.timers] == [2.5]
    refused.services.timers.fire()
    assert refused.closed is CloseType.NO_FLUSH


def test_from_a_refused_one_that_sends_much_little_is_read() -> None:
    plan = Place().plan(ConnectionLimit, SLOW)
    connect(plan)
    filter_, refused, _ = connect(plan)
    for _ in range(9):
        filter_.on_data(refused, b"x" * 8192, False)
    assert refused.read_disabled == 1


def test_a_refused_one_that_ends_is_closed_at_once() -> None:
    plan = Place().plan(ConnectionLimit, SLOW)
    connect(plan)
    filter_, refused, _ = connect(plan)
    filter_.on_data(refused, b"", True)
    assert refused.closed is CloseType.NO_FLUSH


def test_admitted_ones_pass_their_data_on() -> None:
    filter_, connection, _ = connect(Place().plan(ConnectionLimit, ONE))
    assert filter_.on_data(connection, b"x", True) is CONTINUE
    assert connection.is_open


def test_a_refused_one_counts_until_it_is_closed() -> None:
    plan = Place().plan(ConnectionLimit, SLOW)
    first, connection, _ = connect(plan)
    second, refused, _ = connect(plan)
    first.on_close(connection)
    third, also_refused, verdict = connect(plan)
    assert verdict is STOP
    second.on_close(refused)
    third.on_close(also_refused)
    assert connect(plan)[2] is CONTINUE


def test_a_client_that_leaves_during_the_delay_takes_the_timer_along() -> None:
    plan = Place().plan(ConnectionLimit, SLOW)
    connect(plan)
    filter_, refused, _ = connect(plan)
    timers = refused.services.timers
    pending = timers.timers[0]
    filter_.on_close(refused)
    assert pending.cancelled


def test_switched_off_it_counts_nothing() -> None:
    place = Place()
    config = ONE[:-1] + ", runtime_enabled: {default_value: false}}"
    plan = place.plan(ConnectionLimit, config)
    filters = [connect(plan) for _ in range(3)]
    assert {verdict for *_, verdict in filters} == {CONTINUE}
    for filter_, connection, _ in filters:
        filter_.on_close(connection)
    assert place.level("connection_limit.edge.active_connections") == 0


def test_two_filters_have_two_limits() -> None:
    place = Place()
    one, two = place.plan(ConnectionLimit, ONE, "one"), place.plan(ConnectionLimit, ONE, "two")
    assert connect(one)[2] is CONTINUE
    assert connect(two)[2] is CONTINUE
