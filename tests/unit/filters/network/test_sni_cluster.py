"""The SNI cluster filter."""

from __future__ import annotations

import pytest

from pyvoy.filters.network.sni_cluster import CLUSTER_STATE, SniCluster
from pyvoy.network.network_filter import NetworkVerdict
from tests.support.building import Place
from tests.support.connections import FakeConnection


@pytest.mark.parametrize(("name", "state"), [("a.com", {CLUSTER_STATE: "a.com"}), ("", {})])
def test_the_server_name_becomes_the_cluster(name: str, state: dict[str, str]) -> None:
    connection = FakeConnection()
    connection.info.requested_server_name = name
    assert SniCluster(Place().plan(SniCluster)).on_new_connection(connection) is NetworkVerdict.CONTINUE
    assert connection.info.filter_state == state
