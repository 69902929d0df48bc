"""Texts that Envoy 1.40 takes and texts that it refuses (`envoy --mode validate`), and what pyvoy says of them."""

from __future__ import annotations

import pytest
from envoy.extensions.filters.http.buffer.v3 import buffer_pb2

from tests.unit.config.reading import lines, read

NODE_ACCEPTED = [
    "{id: 1.5}",
    "{id: 12345678901}",
    "{id: '5'}",
    "{id: 09}",
    "{id: ~}",
    "{id: }",
    "{id: .inf}",
    "{id: ! 5}",
    "null",
    "{id: a, id: b}",
    "{user_agent_name: a, userAgentName: b}",
    "{extensions: [null]}",
    "{client_features: [null]}",
    "{client_features: x}",
    "{client_features: [[a], [[b]]]}",
    "{metadata: {a: {b: 1, c: [1, x, null, 1.5, true], d: null}}}",
    "{locality: {region: a, subZone: b}}",
]
NODE_REFUSED = [
    "{id: 5}",
    "{id: yes}",
    "{id: y}",
    "{id: 0x1F}",
    "{id: +5}",
    "{id: !!str 5}",
    "{id: {a: b}}",
    "{id: [a]}",
    "''",
    "[]",
    "5",
    "{client_features: [5]}",
    "{user_agent_version: '1.2', user_agent_build_version: {version: {major_number: 1}}}",
    "{Id: a}",
    "{<<: {id: a}}",
    "{metadata: []}",
    "{metadata: 5}",
]


@pytest.mark.parametrize("text", NODE_ACCEPTED)
def test_accepted(text):
    assert lines(read(f"node: {text}")[2]) == []


@pytest.mark.parametrize("text", NODE_REFUSED)
def test_refused(text):
    assert len(read(f"node: {text}")[2]) == 1


CLUSTER_ACCEPTED = [
    "per_connection_buffer_limit_bytes: '0x10'",
    "per_connection_buffer_limit_bytes: {value: 5}",
    "perConnectionBufferLimitBytes: 1",
    "lb_policy: random",
    "lb_policy: '3'",
    "lb_policy: null",
    "filters: []",
    "filters: null",
    "health_checks: [[]]",
    "metadata: {filter_metadata: {a: null, 1: {}, true: {}, ~: {}}}",
    "metadata: {filter_metadata: null}",
    "load_assignment: {cluster_name: c, endpoints: {lb_endpoints: {endpoint: {address: {pipe: {path: /x}}}}}}",
    "load_assignment: {cluster_name: c, endpoints: [[{lb_endpoints: []}]]}",
    "common_lb_config: {healthy_panic_threshold: {value: '12.5'}}",
    "!ignore foo: 5",
    "cleanup_interval: {seconds: '1', nanos: 5}",
    "cleanup_interval: 1.000000001s",
]
CLUSTER_REFUSED = [
    "per_connection_buffer_limit_bytes: 5.5",
    "per_connection_buffer_limit_bytes: -1",
    "per_connection_buffer_limit_bytes: true",
    "per_connection_buffer_limit_bytes: [5]",
    "per_connectionBufferLimitBytes: 1",
    "lb_policy: 99",
    "lb_policy: foo",
    "lb_policy: {a: b}",
    "filters: [null]",
    "filters: {}",
    "filters: ''",
    "metadata: {filter_metadata: []}",
    "metadata: {filter_metadata: {a: 5}}",
    "'@type': x",
    "'[foo]': x",
    "respect_dns_ttl: {a: b}",
    "common_lb_config: {healthy_panic_threshold: 12}",
    "common_lb_config: {healthy_panic_threshold: {value: NaN}}",
    "common_lb_config: {healthy_panic_threshold: {value: 1e400}}",
    "cleanup_interval: 0s",
    "cleanup_interval: -0.5s",
    "cleanup_interval: {seconds: -1}",
    "cleanup_interval: {bad: 1}",
    "cleanup_interval: 315576000000s",
    "cleanup_interval: [1s]",
]


def cluster(text):
    return f"static_resources: {{clusters: [{{name: c, connect_timeout: 1s, type: STATIC, {text}}}]}}"


@pytest.mark.parametrize("text", CLUSTER_ACCEPTED)
def test_accepted_in_a_cluster(text):
    assert lines(read(cluster(text))[2]) == []


@pytest.mark.parametrize("text", CLUSTER_REFUSED)
def test_refused_in_a_cluster(text):
    assert len(read(cluster(text))[2]) == 1


def test_an_unknown_field_names_the_nearest():
    problems = read("static_resources:\n  clusters:\n  - nam: c\n")[2]
    assert lines(problems) == [
        "3:5: error: static_resources.clusters[0].nam: envoy.config.cluster.v3.Cluster has no field 'nam'; "
        'did you mean "name"?'
    ]


def test_all_problems_come_at_once_in_the_order_of_the_text():
    text = """
node: {id: 5}
static_resources:
  clusters:
  - name: c
    lb_policy: ROUND
    connect_timeout: 5
    nonsense: 1
admin: []
"""
    assert [(problem.place.line, problem.path) for problem in read(text)[2]] == [
        (2, "node.id"),
        (6, "static_resources.clusters[0].lb_policy"),
        (7, "static_resources.clusters[0].connect_timeout"),
        (8, "static_resources.clusters[0].nonsense"),
        (9, "admin"),
    ]


def test_two_members_of_a_oneof():
    problems = read("admin: {address: {pipe: {path: /x}, socket_address: {address: a, port_value: 1}}}")[2]
    assert lines(problems) == [
        "1:37: error: admin.address.socket_address: socket_address and pipe exclude each other (address): set only one"
    ]


def test_fields_that_the_generated_modules_lack_are_no_mistake_of_the_user():
    text = (
        "static_resources: {listeners: [{tcp_keepalive: {}, address: null}, "
        "{per_connection_buffer_high_watermark_timeout: 1s}, {cookies: 1}]}"
    )
    problems = read(text)[2]
    assert lines(problems) == [
        "1:33: warning: static_resources.listeners[0].tcp_keepalive: has no effect in pyvoy",
        "1:69: error: static_resources.listeners[1].per_connection_buffer_high_watermark_timeout: "
        "is not supported by pyvoy",
        "1:121: error: static_resources.listeners[2].cookies: envoy.config.listener.v3.Listener has no field 'cookies'",
    ]


# --- Any

BUFFER = "envoy.extensions.filters.http.buffer.v3.Buffer"


def any_of(text):
    """A NetworkFilter whose typed_config is the text; returns the Any and the problems."""
    line = f"static_resources: {{listeners: [{{filter_chains: {{filters: {{name: f, typed_config: {text}}}}}}}]}}"
    message, _, problems = read(line)
    return message.static_resources.listeners[0].filter_chains[0].filters[0].typed_config, problems


def limit_of(config):
    message = buffer_pb2.Buffer()
    assert config.Unpack(message)
    return message.max_request_bytes.value


@pytest.mark.parametrize(
    "text",
    [
        f"{{'@type': type.googleapis.com/{BUFFER}, max_request_bytes: 5}}",
        f"{{maxRequestBytes: '5', '@type': a.b/c/{BUFFER}}}",
        f"{{'@type': t/xds.type.v3.TypedStruct, type_url: t/{BUFFER}, value: {{max_request_bytes: 5}}}}",
        f"{{'@type': t/xds.type.v3.TypedStruct, typeUrl: {BUFFER}, value: {{maxRequestBytes: 5}}}}",
        f"{{'@type': t/udpa.type.v1.TypedStruct, type_url: {BUFFER}, value: {{max_request_bytes: 5}}}}",
    ],
)
def test_an_extension_by_type(text):
    config, problems = any_of(text)
    assert lines(problems) == []
    assert limit_of(config) == 5


@pytest.mark.parametrize("text", ["{}", "null"])
def test_an_empty_any(text):
    config, problems = any_of(text)
    assert lines(problems) == []
    assert config.type_url == ""


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("''", "must be a mapping with @type, not ''"),
        ("{max_request_bytes: 5}", "@type is missing"),
        ("{'@type': 5}", "@type: must be text, not the number 5"),
        (f"{{'@type': {BUFFER}}}", "needs a host part"),
        (f"{{'@type': /{BUFFER}}}", "needs a host part"),
        ("{'@type': t/envoy.foo.Bar}", "there is no type 'envoy.foo.Bar'"),
        ("{'@type': t/envoy.config.filter.http.buffer.v2.Buffer}", "is of Envoy's API v2, which is gone"),
        ("{'@type': t/antigravity.x.Y}", "there is no type 'antigravity.x.Y'"),
        (f"{{'@type': t/{BUFFER}s, max_request_bytes: 5}}", f'did you mean "{BUFFER}"?'),
        (f"{{'@type': t/{BUFFER}, max_request_byte: 5}}", 'did you mean "max_request_bytes"?'),
        (f"{{'@type': t/{BUFFER}, value: {{max_request_bytes: 5}}}}", "has no field 'value'"),
        (f"{{'@type': t/{BUFFER}}}", "typed_config.max_request_bytes: is required"),
        (f"{{'@type': t/{BUFFER}, max_request_bytes: 0}}", "must be greater than 0"),
        (f"{{'@type': t/xds.type.v3.TypedStruct, type_url: {BUFFER}, value: {{a: 5}}}}", "has no field 'a'"),
        (f"{{'@type': t/xds.type.v3.TypedStruct, type_url: {BUFFER}}}", "max_request_bytes: is required"),
        ("{'@type': t/google.protobuf.Struct, a: 5}", "has only the field 'value' here"),
    ],
)
def test_what_is_wrong_with_an_any(text, what):
    (problem,) = any_of(text)[1]
    assert what in str(problem)
    assert ".typed_config" in problem.path


def test_a_typed_struct_of_an_unknown_type_is_kept():
    config, problems = any_of("{'@type': t/xds.type.v3.TypedStruct, type_url: foo.Bar, value: {a: 1}}")
    assert lines(problems) == []
    assert config.type_url == "t/xds.type.v3.TypedStruct"


def test_well_known_types_within_any():
    config, problems = any_of("{'@type': t/google.protobuf.Duration, value: 5s}")
    assert lines(problems) == []
    assert config.type_url == "t/google.protobuf.Duration"


def test_places_within_any():
    text = f"""
static_resources:
  listeners:
    filter_chains:
      filters:
        name: f
        typed_config:
          "@type": t/{BUFFER}
          max_request_bytes: 5
"""
    _, where, _ = read(text)
    below = where.follow("static_resources.listeners[0].filter_chains[0].filters[0].typed_config.max_request_bytes")
    assert (below.place.line, below.place.column) == (9, 30)


def test_a_type_that_only_envoy_has_yet_is_no_mistake_of_the_user():
    (problem,) = any_of("{'@type': t/envoy.extensions.filters.http.file_server.v3.FileServerConfig}")[1]
    assert (
        "type 'envoy.extensions.filters.http.file_server.v3.FileServerConfig' is not supported by pyvoy" in problem.what
    )
