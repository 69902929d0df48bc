"""Every case through the real Envoy and through pyvoy: what a user can see must be the same, or be listed."""

import pytest

from tests.parity.case import Case
from tests.parity.cases import CASES
from tests.parity.compare import compare, statuses, table
from tests.parity.conftest import Both
from tests.parity.differences import KNOWN
from tests.support.proxies import subject


def test_case_ids_are_unique() -> None:
    ids = [case.id for case in CASES]
    assert sorted(set(ids)) == sorted(ids)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_same_as_envoy(case: Case, observed: Both) -> None:
    oracle, ours, ports = observed
    assert not oracle[case.id].refused, f"Envoy refuses the case: {oracle[case.id].refused}"
    assert statuses(oracle[case.id]) == case.want, "the case is not what its author thought"
    diffs = compare(case, ports[case.id], oracle[case.id], ours[case.id])
    known = [] if subject().name == "envoy" else KNOWN
    unexplained = [diff for diff in diffs if not any(entry.covers(case.id, diff.part) for entry in known)]
    assert not unexplained, f"{case.id} differs:\n{table(unexplained)}"
    gone = [entry for entry in known if entry.case == case.id and not any(entry.covers(case.id, d.part) for d in diffs)]
    assert not gone, f"listed as a difference, but there is none any more: {gone}"


@pytest.mark.timeout(300)
def test_general_listings_still_hold(observed: Both) -> None:
    oracle, ours, ports = observed
    if subject().name == "envoy" or len(ours) < len(CASES):
        pytest.skip("needs all cases and pyvoy as the subject")
    found = [(case.id, d.part) for case in CASES for d in compare(case, ports[case.id], oracle[case.id], ours[case.id])]
    gone = [entry for entry in KNOWN if not any(entry.covers(case, part) for case, part in found)]
    assert not gone, f"listed as a difference, but there is none any more: {gone}"
