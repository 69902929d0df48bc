"""The direct response network filter."""

from __future__ import annotations

import pytest

from pyvoy.filters.network.direct_response import DirectResponse
from pyvoy.network.network_filter import CloseType, NetworkVerdict
from tests.support.building import Place
from tests.support.connections import FakeConnection


@pytest.mark.parametrize(("config", "expected"), [("response: {inline_string: busy}", b"busy"), ("{}", b"")])
def test_a_new_connection_gets_its_answer_and_is_closed(config: str, expected: bytes) -> None:
    filter_, connection = DirectResponse(Place().plan(DirectResponse, config)), FakeConnection()
    assert filter_.on_new_connection(connection) is NetworkVerdict.STOP
    assert (bytes(connection.written), connection.closed) == (expected, CloseType.FLUSH)
    assert connection.info.response_code_details == "direct_response"
