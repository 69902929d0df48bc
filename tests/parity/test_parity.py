"""Every case through the real Envoy and through pyvoy: what a user can see must be the same, or be listed."""

import pytest

from tests.parity.case import Case
from tests.parity.cases import CASES
from tests.parity.judge import objection
from tests.parity.twice import Seen


def test_case_ids_are_unique() -> None:
    ids = [case.id for case in CASES]
    assert sorted(set(ids)) == sorted(ids)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_same_as_envoy(case: Case, observed: Seen) -> None:
    wrong = objection(case, observed)
    assert not wrong, f"{wrong}\n(seen twice)" if case.id in observed.twice else wrong
