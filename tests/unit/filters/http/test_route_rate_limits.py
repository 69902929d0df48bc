"""Which rate limits count for a stream: its route's, its virtual host's, or both."""

from types import SimpleNamespace

import pytest

from pyvoy.filters.common.descriptors import IGNORE, INCLUDE, OVERRIDE, descriptors_of_route

ROUTE, HOST = ((b"from", b"route"),), ((b"from", b"host"),)


def stream(*, own=True, host=True, include=False, stage=0):
    """A stream whose route and virtual host have limits in a stage, or not."""
    route = SimpleNamespace(
        rate_limits={stage: lambda _stream: [ROUTE]} if own else {},
        virtual_host=SimpleNamespace(rate_limits={stage: lambda _stream: [HOST]} if host else {}),
        include_host_rate_limits=include,
    )
    return SimpleNamespace(route=route)


@pytest.mark.parametrize(
    ("option", "facts", "found"),
    [
        (OVERRIDE, {}, [ROUTE]),
        (OVERRIDE, {"own": False}, [HOST]),
        (OVERRIDE, {"include": True}, [ROUTE, HOST]),
        (INCLUDE, {}, [ROUTE, HOST]),
        (INCLUDE, {"host": False}, [ROUTE]),
        (IGNORE, {"own": False}, []),
        (OVERRIDE, {"stage": 1}, []),
    ],
)
def test_whose_limits_count(option, facts, found):
    assert descriptors_of_route(0, option)(stream(**facts)) == found


def test_no_route_no_limits():
    assert descriptors_of_route(0, INCLUDE)(SimpleNamespace(route=None)) == []
