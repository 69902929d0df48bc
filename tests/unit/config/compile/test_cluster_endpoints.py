"""Load assignments: addresses, names, weights, health, localities, priorities."""

import pytest

from pyvoy.network.address import Address
from pyvoy.upstream.endpoint import HealthFlag, Locality
from tests.unit.config.compile.cluster_reading import compiled, plan, unsupported

SOCKET = "{socket_address: {address: %s, port_value: 80}}"


def assignment(groups, kind="STATIC", more=""):
    return f"type: {kind}, load_assignment: {{cluster_name: c, endpoints: [{groups}]{more}}}"


def lone(address, options="", kind="STATIC"):
    """A cluster with one endpoint."""
    return assignment(f"{{lb_endpoints: [{{endpoint: {{address: {address}}}{options}}}]}}", kind)


def endpoint(text):
    (found,) = plan(text).assignment.endpoints
    return found


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (SOCKET % "127.0.0.1", Address("127.0.0.1", 80)),
        (SOCKET % "'::1'", Address("::1", 80)),
        (SOCKET % "'0:0:0:0:0:0:0:1'", Address("::1", 80)),
        ("{pipe: {path: /run/x.sock}}", Address("", 0, "/run/x.sock")),
    ],
)
def test_addresses(address, expected):
    assert endpoint(lone(address)).address == expected


def test_names_are_kept_for_dns():
    assert endpoint(lone(SOCKET % "books.example", kind="STRICT_DNS")).address == Address("books.example", 80)


def test_a_name_in_a_static_cluster_is_refused():
    _, problems = compiled(lone(SOCKET % "books.example"))
    assert [problem.partition(": error: ")[2] for problem in problems] == [
        "load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address.address: malformed IP address: "
        "books.example. Consider setting resolver_name or setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'"
    ]


@pytest.mark.parametrize(
    ("address", "kind", "text"),
    [
        ("{pipe: {path: /x}}", "STRICT_DNS", "a STRICT_DNS cluster resolves names; a pipe needs type STATIC"),
        ("{}", "STATIC", "needs a socket_address or a pipe"),
        (
            "{socket_address: {protocol: UDP, address: 127.0.0.1, port_value: 80}}",
            "STATIC",
            "UDP upstreams are not supported by pyvoy",
        ),
    ],
)
def test_addresses_that_cannot_be(address, kind, text):
    _, problems = compiled(lone(address, kind=kind))
    assert len(problems) == 1
    assert problems[0].endswith(text)


@pytest.mark.parametrize(
    ("status", "flags"),
    [
        ("UNKNOWN", HealthFlag(0)),
        ("HEALTHY", HealthFlag(0)),
        ("UNHEALTHY", HealthFlag.FAILED_EDS_HEALTH),
        ("TIMEOUT", HealthFlag.FAILED_EDS_HEALTH),
        ("DRAINING", HealthFlag.EDS_STATUS_DRAINING),
        ("DEGRADED", HealthFlag.DEGRADED_EDS_HEALTH),
    ],
)
def test_health_status(status, flags):
    assert endpoint(lone(SOCKET % "127.0.0.1", f", health_status: {status}")).flags == flags


def test_facts_of_an_endpoint():
    found = endpoint(
        assignment(
            "{lb_endpoints: [{endpoint: {address: " + SOCKET % "127.0.0.1" + ", hostname: one}, "
            "load_balancing_weight: 7, metadata: {filter_metadata: {envoy.lb: {canary: true, v: '2'}}}}]}"
        )
    )
    assert (found.hostname, found.weight, found.canary) == ("one", 7, True)
    assert found.metadata == {"envoy.lb": {"canary": True, "v": "2"}}


def test_localities_and_priorities():
    one = "lb_endpoints: [{endpoint: {address: " + SOCKET % "127.0.0.1" + "}}]"
    found = plan(
        assignment(
            f"{{locality: {{region: r, zone: z, sub_zone: s}}, load_balancing_weight: 3, {one}}}, "
            f"{{priority: 1, {one}}}",
            more=", policy: {overprovisioning_factor: 100, weighted_priority_health: true}",
        )
    ).assignment
    assert [(group.locality, group.weight, group.priority) for group in found.localities] == [
        (Locality("r", "z", "s"), 3, 0),
        (Locality(), 0, 1),
    ]
    assert (found.overprovisioning_factor, found.weighted_priority_health) == (100, True)


def test_dropped_traffic_is_not_implemented():
    text = assignment("", more=", policy: {drop_overloads: [{category: a, drop_percentage: {numerator: 1}}]}")
    assert "error: load_assignment.policy.drop_overloads: is not supported by pyvoy" in unsupported(text)
