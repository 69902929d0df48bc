"""Bad input from both sides: the answer is right, nothing ambiguous goes upstream, and the proxy serves on."""

import pytest

from tests.faults import bad_requests, bad_responses
from tests.faults.checks import check_request, check_response
from tests.faults.differences import ENVOY_IS_WRONG
from tests.parity.twice import Seen
from tests.support.proxies import subject


@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", bad_requests.ROWS, ids=lambda row: row.id)
def test_bad_request(row: bad_requests.Row, observed: Seen) -> None:
    _skip_if_envoy_is_wrong(row.id)
    check_request(row, observed)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("row", bad_responses.ROWS, ids=lambda row: row.id)
def test_bad_response(row: bad_responses.Row, observed: Seen) -> None:
    _skip_if_envoy_is_wrong(row.id)
    check_response(row, observed)


def _skip_if_envoy_is_wrong(row: str) -> None:
    if subject().name == "envoy" and row in ENVOY_IS_WRONG:
        pytest.skip("the real Envoy is outside of what is right here")
