"""Fixtures: all rows through the subject, and through the real Envoy when it is installed; each row once."""

from pathlib import Path

import pytest

from tests.faults import bad_requests, bad_responses
from tests.parity.case import Case, ask, request
from tests.parity.run import Observation, allocate, observe
from tests.support.proxies import envoy, subject
from tests.support.steps import Answers, Step
from tests.support.upstream import OK, Script

PROBE = ask(request("/probe"))
ROUTE = "- {match: {prefix: /}, route: {cluster: $up, timeout: 1s}}"
Both = tuple[dict[str, Observation], dict[str, Observation] | None]


def request_case(row: bad_requests.Row) -> Case:
    """The bad bytes on one connection, then a good request on another."""
    return Case(row.id, "", (row.steps, PROBE), hcm=row.hcm)


def response_case(row: bad_responses.Row) -> Case:
    """A request that gets the bad answer, then one on the same connection where it is open, then another client."""
    whole = request("/first", method="POST", body=b"x" * 50) if row.post else request("/first")
    first: tuple[Step, ...] = (whole, Answers(1, 3.0), request("/second"), Answers(2, 2.0))
    script = Script((row.steps, (OK,)), early=row.post)
    return Case(row.id, "", (first, PROBE), routes=ROUTE, upstream={"up": script})


@pytest.fixture(scope="session")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Both:
    """What pyvoy did with every row, and what Envoy did."""
    cases = [request_case(row) for row in bad_requests.ROWS] + [response_case(row) for row in bad_responses.ROWS]
    ports = allocate(cases)
    folder: Path = tmp_path_factory.mktemp("faults")
    oracle = envoy()
    theirs = observe(oracle, cases, ports, folder / "oracle") if oracle else None
    return observe(subject(), cases, ports, folder / "subject"), theirs
