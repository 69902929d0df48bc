"""Host functions with whatever a broken module may pass: a status comes back, and the VM lives."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.support.guest import _COUNTS
from tests.unit.extensions.wasm.vms import Puppet, running

NUMBERS = st.one_of(
    st.integers(0, 8),
    st.sampled_from([64, 4096, 0x3FFFC, 0x3FFFF, 0x40000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFF0, 0xFFFFFFFF]),
    st.integers(0, 0xFFFFFFFF),
)
CALLS = st.sampled_from(sorted(_COUNTS)).flatmap(
    lambda name: st.tuples(st.just(name), st.lists(NUMBERS, min_size=_COUNTS[name], max_size=_COUNTS[name]))
)
STATUSES = set(range(13))


@pytest.fixture(scope="module")
def puppet() -> Iterator[Puppet]:
    with running() as made:
        made.vm.memory.write(4096, bytes(range(256)) * 8)
        yield made


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(calls=st.lists(CALLS, min_size=1, max_size=5))
@example(calls=[("send_local_response", [200, 0, 0xFFFFFFFF, 0, 0, 0, 0, 0])])
@example(calls=[("set_buffer_bytes", [6, 0, 0xFFFFFFFF, 4096, 256])])
@example(calls=[("http_call", [4096, 4, 4096, 2048, 0, 0, 0, 0, 0, 0x3FFFC])])
def test_any_call_with_any_numbers_gives_a_status(puppet, calls):
    puppet.vm.current = puppet.root
    for name, arguments in calls:
        assert puppet.do(name, *arguments) in STATUSES
        puppet.vm.deferred.clear()
    puppet.root.set_tick_period(0)
    assert not puppet.vm.failed
