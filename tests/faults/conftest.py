"""Fixtures: all rows through the subject, and through the real Envoy when it is installed; each row once."""

from pathlib import Path

import pytest

from tests.faults import bad_requests, bad_responses
from tests.faults.checks import check_request, check_response
from tests.parity.case import Case, ask
from tests.parity.case import request as http_request
from tests.parity.twice import Seen, observe_both, report
from tests.support.proxies import envoy, subject
from tests.support.steps import Answers, Step
from tests.support.upstream import OK, Script

PROBE = ask(http_request("/probe"))
ROUTE = "- {match: {prefix: /}, route: {cluster: $up, timeout: 1s}}"
TWICE = pytest.StashKey[list[str]]()


def request_case(row: bad_requests.Row) -> Case:
    """The bad bytes on one connection, then a good request on another."""
    return Case(row.id, "", (row.steps, PROBE), hcm=row.hcm)


def response_case(row: bad_responses.Row) -> Case:
    """A request that gets the bad answer, then one on the same connection where it is open, then another client."""
    whole = http_request("/first", method="POST", body=b"x" * 50) if row.post else http_request("/first")
    first: tuple[Step, ...] = (whole, Answers(1, 3.0), http_request("/second"), Answers(2, 2.0))
    script = Script((row.steps, (OK,)), early=row.post)
    return Case(row.id, "", (first, PROBE), routes=ROUTE, upstream={"up": script})


def _wrong(case: Case, seen: Seen) -> bool:
    try:
        if row := _REQUESTS.get(case.id):
            check_request(row, seen)
        else:
            check_response(_RESPONSES[case.id], seen)
    except AssertionError:
        return True
    return False


_REQUESTS = {row.id: row for row in bad_requests.ROWS}
_RESPONSES = {row.id: row for row in bad_responses.ROWS}


@pytest.fixture(scope="session")
def observed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """What pyvoy did with every row, and what Envoy did."""
    cases = [request_case(row) for row in bad_requests.ROWS] + [response_case(row) for row in bad_responses.ROWS]
    folder: Path = tmp_path_factory.mktemp("faults")
    seen = observe_both(envoy(), subject(), cases, folder, _wrong)
    request.config.stash[TWICE] = seen.twice
    return seen


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what was looked at twice."""
    line = report("faults", config.stash.get(TWICE, []))
    if line:
        terminalreporter.write_line(line)
