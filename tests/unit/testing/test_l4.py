"""The small L4 filters keep their contracts, and the checkers find filters that break them."""

from __future__ import annotations

from typing import Any

import pytest

from pyvoy.filters.listener.http_inspector import HttpInspector
from pyvoy.filters.listener.proxy_protocol import ProxyProtocol
from pyvoy.filters.listener.tls_inspector import TlsInspector
from pyvoy.filters.network.connection_limit import ConnectionLimit
from pyvoy.filters.network.direct_response import DirectResponse
from pyvoy.filters.network.echo import Echo
from pyvoy.filters.network.local_ratelimit import LocalRateLimit
from pyvoy.filters.network.sni_cluster import SniCluster
from pyvoy.network.listener_filter import ListenerFilter, ListenerVerdict
from pyvoy.network.network_filter import NetworkFilter, NetworkVerdict
from pyvoy.testing.l4 import check_listener_filter, check_network_filter


@pytest.mark.parametrize(
    ("cls", "config"),
    [
        (Echo, ""),
        (DirectResponse, "response: {inline_string: hello}"),
        (SniCluster, ""),
        (ConnectionLimit, "{stat_prefix: a, max_connections: 1}"),
        (LocalRateLimit, "{stat_prefix: a, token_bucket: {max_tokens: 1, fill_interval: 1s}}"),
    ],
)
def test_network_filters(cls: type[NetworkFilter], config: str) -> None:
    check_network_filter(cls, config)


@pytest.mark.parametrize(
    ("cls", "data"),
    [
        (HttpInspector, b"GET / HTTP/1.1\r\n"),
        (TlsInspector, b"\x16\x03\x01\x00\x02no"),
        (ProxyProtocol, b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nrest"),
    ],
)
def test_listener_filters(cls: type[ListenerFilter], data: bytes) -> None:
    check_listener_filter(cls, "", data=data)


class LeavesTimer(NetworkFilter):
    def on_new_connection(self, connection: Any) -> NetworkVerdict:
        connection.services.timers.call_later(100_000, lambda: None)
        return NetworkVerdict.CONTINUE


class CountsPieces(NetworkFilter):
    def on_data(self, connection: Any, data: bytes, end: bool) -> NetworkVerdict:
        connection.write(b"|")
        return NetworkVerdict.CONTINUE


class AnswersNothing(NetworkFilter):
    def on_data(self, connection: Any, data: bytes, end: bool) -> Any:
        return None


@pytest.mark.parametrize(
    ("cls", "complaint"),
    [(LeavesTimer, "timers are left"), (CountsPieces, "how bytes are cut"), (AnswersNothing, "not a NetworkVerdict")],
)
def test_network_filters_that_break_the_contract(cls: type[NetworkFilter], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_network_filter(cls)


class FirstPiece(ListenerFilter):
    """Decides by the first piece alone."""

    def on_accept(self, accepted: Any) -> ListenerVerdict:
        return ListenerVerdict.MORE

    def on_data(self, accepted: Any, end: bool) -> ListenerVerdict:
        return ListenerVerdict.CLOSE if len(accepted.buffer) == 1 else ListenerVerdict.CONTINUE


def test_a_listener_filter_that_depends_on_pieces() -> None:
    with pytest.raises(AssertionError, match="how bytes are cut"):
        check_listener_filter(FirstPiece)
