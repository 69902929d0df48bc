"""The echo filter."""

from __future__ import annotations

from pyvoy.filters.network.echo import Echo
from pyvoy.network.network_filter import CloseType, NetworkVerdict
from tests.support.building import Place
from tests.support.connections import FakeConnection


def test_what_comes_goes_back() -> None:
    echo, connection = Echo(Place().plan(Echo)), FakeConnection()
    assert echo.on_data(connection, b"one", False) is NetworkVerdict.CONTINUE
    echo.on_data(connection, b"two", False)
    assert bytes(connection.written) == b"onetwo"
    assert connection.is_open


def test_the_clients_end_ends_the_connection_behind_the_rest() -> None:
    echo, connection = Echo(None), FakeConnection()
    echo.on_data(connection, b"last", True)
    assert (bytes(connection.written), connection.closed) == (b"last", CloseType.FLUSH)


def test_a_client_that_does_not_read_is_not_read_from() -> None:
    echo, connection = Echo(None), FakeConnection()
    echo.on_high_watermark(connection)
    assert connection.read_disabled == 1
    echo.on_low_watermark(connection)
    assert connection.read_disabled == 0
