"""The RBAC rules: every permission and principal, by tables of examples."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pyvoy.config.context import Context
from pyvoy.config.message_types import message_class
from pyvoy.filters.common.rbac import Engine, build_engine
from pyvoy.http.headers import HeaderMap
from pyvoy.network.address import Address
from pyvoy.observe.stream_info import ConnectionInfo, StreamInfo
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.fakes import FakeServices


def engine(permission: str = "any: true", principal: str = "any: true") -> Engine:
    text = f"policies: {{p: {{permissions: [{{{permission}}}], principals: [{{{principal}}}]}}}}"
    fakes = FakeServices()
    configuration = Configuration(fakes.scope, fakes.arena)
    assert message_class("envoy.config.rbac.v3.RBAC")
    message, where = configuration.read("envoy.config.rbac.v3.RBAC", text, "rules")
    built = build_engine(message, Context(configuration.environment, fakes.scope, where, "rules"))
    configuration.problems.raise_errors()
    return built


def source(path: str = "/a", **more: Any) -> Any:
    """A request from 10.1.2.3 by way of 127.0.0.1, to 192.168.0.1:8080."""
    connection = ConnectionInfo()
    connection.remote = Address("127.0.0.1", 40000)
    connection.direct_remote = Address("127.0.0.2", 40000)
    connection.local = Address("192.168.0.1", 8080)
    connection.requested_server_name = "sni.test"
    connection.filter_state["cf"] = "there"
    info = StreamInfo()
    info.downstream_remote = Address("10.1.2.3", 0)
    info.dynamic_metadata["ns"] = {"k": "dynamic", "n": {"deep": 1.0}}
    info.route_metadata = {"ns": {"k": "route"}}
    headers = HeaderMap([(b":path", path.encode()), (b"x-a", b"v")])
    return SimpleNamespace(request_headers=headers, info=info, connection=connection, **more)


PERMISSIONS = [
    ("any: true", True),
    ("header: {name: x-a, string_match: {exact: v}}", True),
    ("header: {name: x-b, present_match: true}", False),
    ("url_path: {path: {exact: /a}}", True),
    ("url_path: {path: {prefix: /b}}", False),
    ("destination_ip: {address_prefix: 192.168.0.0, prefix_len: 16}", True),
    ("destination_ip: {address_prefix: 10.0.0.0, prefix_len: 8}", False),
    ("destination_port: 8080", True),
    ("destination_port: 80", False),
    ("destination_port_range: {start: 8080, end: 8081}", True),
    ("destination_port_range: {start: 1, end: 8080}", False),
    ("requested_server_name: {suffix: .test}", True),
    ("metadata: {filter: ns, path: [{key: k}], value: {string_match: {exact: dynamic}}}", True),
    ("sourced_metadata: {metadata_source: ROUTE, metadata_matcher: "
     "{filter: ns, path: [{key: k}], value: {string_match: {exact: route}}}}", True),
    ("not_rule: {any: true}", False),
    ("and_rules: {rules: [{any: true}, {destination_port: 80}]}", False),
    ("and_rules: {rules: [{any: true}, {destination_port: 8080}]}", True),
    ("or_rules: {rules: [{destination_port: 80}, {destination_port: 8080}]}", True),
    ("or_rules: {rules: [{destination_port: 80}]}", False),
]  # fmt: skip

PRINCIPALS = [
    ("authenticated: {}", False),
    ("authenticated: {principal_name: {exact: x}}", False),
    ("not_id: {authenticated: {}}", True),
    ("source_ip: {address_prefix: 127.0.0.1, prefix_len: 32}", True),
    ("direct_remote_ip: {address_prefix: 127.0.0.2, prefix_len: 32}", True),
    ("direct_remote_ip: {address_prefix: 127.0.0.1, prefix_len: 32}", False),
    ("remote_ip: {address_prefix: 10.0.0.0, prefix_len: 8}", True),
    ("remote_ip: {address_prefix: 127.0.0.0, prefix_len: 8}", False),
    ("remote_ip: {address_prefix: '2001:db8::', prefix_len: 32}", False),
    ("header: {name: ':path', string_match: {prefix: /a}}", True),
    ("url_path: {path: {exact: /a}}", True),
    ("filter_state: {key: cf, string_match: {exact: there}}", True),
    ("filter_state: {key: nope, string_match: {exact: there}}", False),
    ("and_ids: {ids: [{any: true}, {not_id: {any: true}}]}", False),
    ("or_ids: {ids: [{authenticated: {}}, {any: true}]}", True),
]


@pytest.mark.parametrize(("permission", "matches"), PERMISSIONS)
def test_permissions(permission: str, matches: bool) -> None:
    assert engine(permission).match(source()) == ("p" if matches else "")


@pytest.mark.parametrize(("principal", "matches"), PRINCIPALS)
def test_principals(principal: str, matches: bool) -> None:
    assert engine(principal=principal).match(source()) == ("p" if matches else "")


@pytest.mark.parametrize("path", ["/a?q=1", "/a#f", "/a?x#y"])
def test_a_url_path_has_neither_query_nor_fragment(path: str) -> None:
    assert engine("url_path: {path: {exact: /a}}").match(source(path)) == "p"


def test_a_connection_has_no_headers() -> None:
    connection = source()
    connection.request_headers = None
    assert engine("header: {name: x-a, present_match: true}").match(connection) == ""
    assert engine("url_path: {path: {prefix: /}}").match(connection) == ""
    assert engine("destination_port: 8080").match(connection) == "p"
