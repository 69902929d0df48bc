"""Configurations that load and then surprise."""

from __future__ import annotations

import pytest

from pyvoy.config import traps
from pyvoy.config.problems import Problems
from tests.unit.config.reading import read

T = "type.googleapis.com/envoy.extensions.filters"
ROUTER = f"{{name: r, typed_config: {{'@type': {T}.http.router.v3.Router}}}}"
BUFFER = f"{{name: b, typed_config: {{'@type': {T}.http.buffer.v3.Buffer, max_request_bytes: 1}}}}"


def check(text):
    message, where, read_problems = read(text)
    assert read_problems == []
    problems = Problems()
    traps.check(message, where, problems)
    return [str(problem).removeprefix("f.yaml:") for problem in problems]


def hcm(filters, **more):
    extra = "".join(f", {name}: {value}" for name, value in more.items())
    return f"""
static_resources:
  listeners:
  - name: l
    address: {{pipe: {{path: /x}}}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          '@type': {T}.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: x
          route_config: {{name: r{extra}}}
          http_filters: {filters}
"""


def test_a_sound_chain():
    assert check(hcm(f"[{BUFFER}, {ROUTER}]")) == []


def test_no_filters_at_all():
    (problem,) = check(hcm("[]"))
    assert "warning" in problem
    assert "http_filters is empty: requests are read and never answered" in problem


def test_the_router_is_not_last():
    (problem,) = check(hcm(f"[{ROUTER}, {ROUTER}]"))
    assert "error" in problem
    assert "http_filters[0]: terminal filter named r must be the last filter" in problem


def test_the_router_is_off():
    (problem,) = check(hcm(f"[{ROUTER.replace('{name', '{disabled: true, name')}]"))
    assert "http_filters[0].disabled: the last (terminal) filter r cannot be disabled" in problem


def chain(match, inspector=False):
    filters = (
        f"[{{name: i, typed_config: {{'@type': {T}.listener.tls_inspector.v3.TlsInspector}}}}]" if inspector else "[]"
    )
    chains = f"{{filter_chain_match: {match}}}"
    listener = f"{{address: {{pipe: {{path: /x}}}}, listener_filters: {filters}, filter_chains: {chains}}}"
    return f"static_resources: {{listeners: {listener}}}"


@pytest.mark.parametrize(
    ("match", "field"),
    [
        ("{server_names: [a]}", "server_names"),
        ("{transport_protocol: tls}", "transport_protocol"),
        ("{application_protocols: [h2]}", "application_protocols"),
    ],
)
def test_matches_that_need_the_tls_inspector(match, field):
    (problem,) = check(chain(match))
    assert (
        f"warning: static_resources.listeners[0].filter_chains[0].filter_chain_match.{field}: never matches" in problem
    )
    assert check(chain(match, inspector=True)) == []


def test_matches_that_do_not():
    assert check(chain("{transport_protocol: raw_buffer, destination_port: 80}")) == []


CLUSTERS = "  clusters: [{name: c, type: STATIC}, {name: d, type: STATIC, load_assignment: {cluster_name: d}}]\n"


def test_clusters_that_nobody_uses():
    routes = "[{name: v, domains: '*', routes: [{match: {prefix: /}, route: {cluster: c}}]}]"
    (problem,) = check(hcm(f"[{ROUTER}]", virtual_hosts=routes) + CLUSTERS)
    assert "static_resources.clusters[1]: cluster 'd' is used nowhere" in problem


def test_clusters_that_a_request_may_choose():
    routes = "[{name: v, domains: '*', routes: [{match: {prefix: /}, route: {cluster_header: x}}]}]"
    assert check(hcm(f"[{ROUTER}]", virtual_hosts=routes) + CLUSTERS) == []


@pytest.mark.parametrize(
    "config",
    [
        f"'@type': {T}.http.lua.v3.Lua, default_source_code: {{inline_string: 'call c, d'}}",
        f"'@type': {T}.http.lua.v3.Lua, inline_code: 'call c, d'",
        f"'@type': {T}.http.lua.v3.Lua, source_codes: {{x: {{filename: x.lua}}}}",
        "'@type': type.googleapis.com/pyvoy.filters.http.python.v1.Python, code: {filename: f.py}",
        "'@type': type.googleapis.com/pyvoy.filters.http.python.v1.Python, code: {module: my.filter}",
        "'@type': type.googleapis.com/pyvoy.filters.http.python.v1.Python, code: {inline_string: 'c, d'}",
        f"'@type': {T}.http.wasm.v3.Wasm, config: {{vm_config: {{code: {{local: {{filename: f.wasm}}}}}}}}",
    ],
)
def test_a_cluster_that_code_may_call_is_used(config):
    message, where, _ = read(hcm(f"[{{name: s, typed_config: {{{config}}}}}, {ROUTER}]") + CLUSTERS)
    problems = Problems()
    traps.check(message, where, problems)
    assert not any("used nowhere" in problem.what for problem in problems)


def test_a_cluster_named_in_a_script_is_used():
    source = f"{{inline_string: '{'--' * 100} call c and d'}}"
    script = f"{{name: s, typed_config: {{'@type': {T}.http.lua.v3.Lua, default_source_code: {source}}}}}"
    problems = check(hcm(f"[{script}, {ROUTER}]") + CLUSTERS)
    assert not any("used nowhere" in problem for problem in problems)


def test_two_clusters_of_one_name():
    problems = check("static_resources: {clusters: [{name: c, type: STATIC}, {name: c, type: STATIC}]}")
    assert any("error: static_resources.clusters[1].name: duplicate cluster 'c'" in problem for problem in problems)


def test_an_admin_endpoint_for_everyone():
    (problem,) = check("admin: {address: {socket_address: {address: 0.0.0.0, port_value: 1}}}")
    assert "warning: admin.address.socket_address.address: the admin endpoint listens on 0.0.0.0" in problem
    assert check("admin: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}") == []


def test_two_ways_to_flush():
    (problem,) = check("{stats_flush_on_admin: true, stats_flush_interval: 5s}")
    assert "exclude each other" in problem


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("admin: {address: {socket_address: {address: foo, port_value: 1}}}", "malformed IP address: foo"),
        ("static_resources: {listeners: [{name: l}]}", "listeners[0].address: address is necessary"),
        (
            "static_resources: {listeners: [{address: {pipe: {path: /x}}, additional_addresses: [{address: "
            "{socket_address: {address: foo, port_value: 1}}}]}]}",
            "listeners[0].additional_addresses[0].address.socket_address.address: malformed IP address: foo",
        ),
    ],
)
def test_addresses_that_cannot_be_bound(text, what):
    (problem,) = check(text)
    assert what in problem


def test_protocol_options_by_a_name_that_does_not_exist():
    name = "envoy.extensions.upstreams.http.v3.HttpProtocolOption"
    cluster = f"{{name: c, type: STATIC, typed_extension_protocol_options: {{{name}: {{}}}}}}"
    problems = check(f"static_resources: {{clusters: [{cluster}]}}")
    assert any(
        f"there are no protocol options named '{name}'; did you mean \"{name}s\"?" in problem for problem in problems
    )
