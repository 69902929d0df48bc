"""Why a request is traced, for what the parity run does not draw."""

from random import Random

import pytest

from pyvoy.config.runtime import Runtime
from pyvoy.http.headers import HeaderMap
from pyvoy.http.request_id import TraceReason
from pyvoy.stats.store import memory_store
from pyvoy.tracing.decision import Decider, Sampling

ID = b"00001111-2222-4333-8444-555555555555"
NONE = Sampling(random=(0, 100))


def decide(
    request_id: bytes = ID, *, packs: bool = True, sampling: Sampling = NONE, **runtime: int
) -> tuple[str, bytes]:
    scope = memory_store().root
    counters = {reason: scope.counter(reason.name) for reason in TraceReason}
    layer = {f"tracing.{name}": value for name, value in runtime.items()}
    headers = HeaderMap([(b"x-request-id", request_id)])
    reason = Decider(sampling, packs, Runtime([layer]), Random(1), counters).decide(headers, None)
    assert counters[reason].value == 1
    return reason.name, headers.map[b"x-request-id"]


def test_the_runtime_replaces_the_percentages():
    assert decide(random_sampling=100) == ("SAMPLED", ID[:14] + b"9" + ID[15:])
    assert decide(sampling=Sampling(), global_enabled=0) == ("NOT_TRACEABLE", ID)


def test_an_id_that_carries_no_reason_stays_as_it_is():
    assert decide(packs=False, sampling=Sampling()) == ("SAMPLED", ID)
    sampled = ID[:14] + b"9" + ID[15:]
    assert decide(sampled, packs=False) == ("NOT_TRACEABLE", sampled)


def test_a_reason_that_comes_along_can_be_taken_back():
    forced = ID[:14] + b"a" + ID[15:]
    assert decide(forced) == ("SERVICE_FORCED", forced)
    assert decide(forced, global_enabled=0) == ("NOT_TRACEABLE", ID)


@pytest.mark.parametrize("request_id", [b"mine", b"z" * 36])
def test_other_ids_are_never_traced(request_id):
    assert decide(request_id, sampling=Sampling()) == ("NOT_TRACEABLE", request_id)
