"""Choices by weight and waiting times between attempts."""

from __future__ import annotations

from collections import Counter
from random import Random

from pyvoy.filters.network.tcp_proxy.plan import Backoff, Destination, SessionContext, weighted

A, B = Destination("a"), Destination("b")


def test_clusters_are_chosen_by_weight() -> None:
    random = Random(1)
    pick = weighted([A, B], [3, 1])
    seen = Counter(pick(random).cluster for _ in range(4000))
    assert 2800 < seen["a"] < 3200
    assert seen["a"] + seen["b"] == 4000


def test_one_cluster_needs_no_chance() -> None:
    assert weighted([A], [0])(Random(1)) is A


def test_waiting_times_double_up_to_their_bound() -> None:
    backoff, random = Backoff(100, 250), Random(1)
    for attempt, bound_s in ((1, 0.1), (2, 0.2), (3, 0.25), (4, 0.25), (10_000, 0.25)):
        found = [backoff.delay_s(attempt, random) for _ in range(300)]
        assert 0 <= min(found) < bound_s * 0.1
        assert bound_s * 0.9 < max(found) < bound_s


def test_a_session_asks_the_balancer_for_its_key_and_metadata() -> None:
    context = SessionContext(7, {"stage": "canary"})
    assert (context.hash_key(), context.metadata_match) == (7, {"stage": "canary"})
