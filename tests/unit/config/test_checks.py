"""Nothing is silently ignored: what no builder reads is an error, or a warning when it only tunes."""

from __future__ import annotations

from envoy.config.bootstrap.v3 import bootstrap_pb2

from pyvoy.config import source
from pyvoy.config.checks import Checker
from pyvoy.config.messages import MessageReader
from pyvoy.config.problems import Problems
from pyvoy.config.registry import Extension, Registry

BUFFER = "envoy.extensions.filters.http.buffer.v3.Buffer"


def registry():
    made = Registry()
    made.declare("envoy.config.bootstrap.v3.Bootstrap", "node static_resources", "stats_flush_interval")
    made.declare("envoy.config.bootstrap.v3.Bootstrap.StaticResources", "listeners", "")
    made.declare("envoy.config.listener.v3.Listener", "name filter_chains address access_log", "")
    made.declare("envoy.config.listener.v3.FilterChain", "filters", "")
    made.declare("envoy.config.listener.v3.Filter", "name typed_config", "")
    made.declare("envoy.config.core.v3.Node", "id", "")
    made.declare(BUFFER, "max_request_bytes", "")
    made.add(Extension("http_filter", "buffer", BUFFER, (), "stable", "unknown", object))
    return made


def check(text):
    problems = Problems()
    parsed, node = source.parse(text, "f.yaml")
    message = bootstrap_pb2.Bootstrap()
    where = MessageReader(parsed, problems).read(node, message)
    Checker(problems, registry()).check(message, where)
    return [str(problem).removeprefix("f.yaml:") for problem in problems]


def filter_of(text):
    return check(f"static_resources: {{listeners: {{filter_chains: {{filters: {{name: f, typed_config: {text}}}}}}}}}")


def test_what_is_read_passes():
    assert check("node: {id: a}\nstatic_resources: {}") == []
    assert filter_of(f"{{'@type': t/{BUFFER}, max_request_bytes: 5}}") == []


def test_a_field_that_is_not_read_is_an_error():
    assert check("node: {id: a, cluster: b}") == ["1:24: error: node.cluster: is not supported by pyvoy"]


def test_a_field_set_to_its_default_asks_for_nothing():
    assert check("node: {id: a, cluster: ''}\nenable_dispatcher_stats: false") == []


def test_a_field_that_only_tunes_is_a_warning():
    assert check("stats_flush_interval: 5s") == ["1:23: warning: stats_flush_interval: has no effect in pyvoy"]


def test_a_message_type_that_nobody_reads_is_an_error_at_its_field():
    assert check("static_resources:\n  listeners:\n    address: {pipe: {path: /x}}\n") == [
        "3:5: error: static_resources.listeners[0].address: envoy.config.core.v3.Address is not supported by pyvoy"
    ]


def test_below_a_field_that_is_not_supported_only_rules_are_checked():
    problems = check("admin: {access_log: {name: ''}, address: {socket_address: {port_value: 70000, address: a}}}")
    assert problems == [
        "1:1: error: admin: is not supported by pyvoy",
        "1:72: error: admin.address.socket_address.port_value: must be at most 65535",
    ]


def test_an_extension_type_that_is_not_supported_names_the_nearest():
    text = "{'@type': t/envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit, stat_prefix: x}"
    (problem,) = filter_of(text)
    assert "type 'envoy.extensions.filters.http.bandwidth_limit.v3.BandwidthLimit' is not supported" in problem
    (problem,) = filter_of(f"{{'@type': t/{BUFFER}PerRoute, disabled: true}}")
    assert problem.endswith(f'did you mean "{BUFFER}"?')


def test_a_typed_struct_of_an_unknown_type_names_that_type():
    (problem,) = filter_of("{'@type': t/xds.type.v3.TypedStruct, type_url: t/foo.Bar, value: {}}")
    assert "type 'foo.Bar' is not supported by pyvoy" in problem


def test_an_optional_extension_that_is_not_supported_is_skipped_with_a_warning():
    made = registry()
    hcm = "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter"
    made.declare(hcm, "name typed_config is_optional", "")
    problems = Problems()
    from pyvoy.config.message_types import message_class

    message = message_class(hcm)(name="x", is_optional=True)
    message.typed_config.type_url = "t/envoy.extensions.filters.http.csrf.v3.CsrfPolicy"
    Checker(problems, made).check(message, _nowhere())
    assert [str(problem) for problem in problems] == [
        "warning: typed_config: type 'envoy.extensions.filters.http.csrf.v3.CsrfPolicy' is not supported by pyvoy; "
        "skipped, because it is optional"
    ]
    message.is_optional = False
    Checker(problems, made).check(message, _nowhere())
    assert problems.has_errors


def test_deprecated_fields_and_values_are_warnings():
    problems = check("static_resources: {listeners: {filter_chains: {filters: {name: f}, use_proxy_proto: true}}}")
    assert any("use_proxy_proto: is deprecated" in problem and "warning" in problem for problem in problems)


def _nowhere():
    from pyvoy.config.problems import Where

    return Where()
