"""Retries that avoid the priorities tried before."""

import pytest

from pyvoy.http.routing.retry_priority import PreviousPriorities
from pyvoy.upstream.balancing.load import priority_load
from tests.unit.upstream.hosts import host, host_set

HOSTS = [host(number, priority=number) for number in range(3)]
SETS = [host_set(one, priority=number) for number, one in enumerate(HOSTS)]
ORIGINAL = priority_load(SETS, 50)


def shares(frequency, tried, sets=SETS, original=ORIGINAL):
    """The healthy shares that each further attempt meets."""
    hosts = []
    memory = PreviousPriorities(frequency, hosts)
    found = []
    for number in tried:
        hosts.append(HOSTS[number])
        found.append(memory.load(sets, original, lambda one: one.priority).healthy)
    return found


FIRST, SECOND, THIRD = (100, 0, 0), (0, 100, 0), (0, 0, 100)


@pytest.mark.parametrize(
    ("frequency", "tried", "expected"),
    [
        (1, (0, 1), [SECOND, THIRD]),
        (1, (0, 1, 2, 0), [SECOND, THIRD, FIRST, SECOND]),
        (2, (0, 0, 1, 1), [FIRST, SECOND, SECOND, THIRD]),
    ],
)
def test_what_was_tried_is_left_out_until_nothing_is_left(frequency, tried, expected):
    assert shares(frequency, tried) == expected


def test_priorities_that_are_down_are_no_alternative():
    sets = [SETS[0], host_set(host(1, "sick", priority=1), priority=1), SETS[2]]
    assert shares(1, (0,), sets, priority_load(sets, 50)) == [THIRD]


def test_nothing_is_up_nothing_changes():
    sets = [host_set(host(number, "sick", priority=number), priority=number) for number in range(2)]
    original = priority_load(sets, 50)
    assert shares(1, (0, 1), sets, original) == [original.healthy] * 2
