"""What logs read of a connection."""

from __future__ import annotations

from pyvoy.network.connection_source import ConnectionSource
from pyvoy.observe.details import Flag
from pyvoy.testing.fakes import FakeServices
from tests.support.connections import connection_info


def test_the_connection_s_facts_are_the_session_s() -> None:
    fake, connection = FakeServices(), connection_info()
    source = ConnectionSource(connection, fake.services)
    connection.filter_state["k"] = "v"
    connection.dynamic_metadata["ns"] = {"a": 1}
    connection.bytes_received, connection.bytes_sent = 3, 4
    connection.response_flags = Flag.NO_ROUTE_FOUND
    connection.response_code_details = "filter_chain_not_found"
    source.info.response_flags = Flag.DURATION_TIMEOUT
    source.end()
    info = source.info
    assert (info.filter_state, info.dynamic_metadata) == ({"k": "v"}, {"ns": {"a": 1}})
    assert (info.bytes_received, info.bytes_sent, info.end_s) == (3, 4, fake.clock())
    assert info.response_flags == Flag.NO_ROUTE_FOUND | Flag.DURATION_TIMEOUT
    assert info.response_code_details == "filter_chain_not_found"
    assert (source.request_headers, source.route, source.log_type) == (None, None, "NotSet")
