"""What the short way decides once: request ids, dates that pass, and which route tables it trusts."""

from __future__ import annotations

import random
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pyvoy.http.plain_plan import PlainAnswer, PlainPlan
from tests.unit.config.compile.tables import routes as table

UUID_4 = re.compile(rb"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def test_request_ids_are_random_uuids_of_version_4() -> None:
    none = cast(Any, None)
    plain = PlainPlan(none, none, none, random.Random(1).getrandbits, b"http", bare=True)
    ids = [plain.ids.pop() if plain.ids else plain.next_id() for _ in range(1000)]
    assert len(set(ids)) == 1000
    assert all(UUID_4.fullmatch(each) for each in ids)
    for place in [place for place in range(36) if place not in (8, 13, 14, 18, 19, 23)]:
        assert len({each[place] for each in ids}) == 16


def test_an_answer_with_our_date_is_good_for_its_second() -> None:
    now = SimpleNamespace(s=100.2)
    answer = PlainAnswer(cast(Any, None), b"a: \0\r\n\r\n", b"a: \0\r\nb\r\n\r\n", lambda: now.s)
    now.s = 100.9
    assert not answer.outdated
    now.s = 101.0
    assert answer.outdated


def test_an_answer_with_the_upstreams_date_stays_good() -> None:
    assert not PlainAnswer(cast(Any, None), b"\0", b"\0", None).outdated


@pytest.mark.parametrize(
    ("text", "settled"),
    [
        ("{match: {prefix: /}, route: {cluster: a}}", True),
        ("{match: {path: /x}, route: {cluster: a}}\n{match: {safe_regex: {regex: '/a.*'}}, route: {cluster: a}}", True),
        ("{match: {prefix: /, headers: [{name: x-forwarded-proto}]}, route: {cluster: a}}", False),
        ("{match: {prefix: /, runtime_fraction: {default_value: {numerator: 50}}}, route: {cluster: a}}", False),
        ("{match: {prefix: /}, route: {weighted_clusters: {clusters: [{name: a, weight: 1}]}}}", False),
    ],
    ids=["prefix", "path and regex", "header", "fraction", "weights"],
)
def test_only_path_and_host_make_a_table_settled(text: str, settled: bool) -> None:
    assert table(text).settled is settled
