"""Compiles a Cluster from text, for the tests of its builders."""

from __future__ import annotations

from pyvoy.config.checks import Checker
from pyvoy.config.compile.clusters import build_cluster
from pyvoy.config.problems import Problems
from pyvoy.config.registry import load_builtin
from tests.unit.config.building import built, reported

CLUSTER = "envoy.config.cluster.v3.Cluster"
LB = "type.googleapis.com/envoy.extensions.load_balancing_policies."
ENDPOINT = "{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 80}}}}]}"


def compiled(text, **environment):
    """(plan, lines of what the builder reported) of a flow mapping's inside."""
    message, context = built(CLUSTER, "{name: c, " + text + "}", **environment)
    return build_cluster(message, context), reported(context)


def plan(text="", **environment):
    """The plan of a cluster without problems."""
    found, problems = compiled(text, **environment)
    assert problems == []
    return found


def unsupported(text):
    """What the walk over unsupported fields says, without places: `error: path: what`."""
    message, context = built(CLUSTER, "{name: c, " + text + "}")
    problems = Problems()
    Checker(problems, load_builtin()).check(message, context._where)
    return [str(problem).partition(" ")[2] for problem in problems]


def policy(name, text=""):
    """A typed load balancing policy; `name` such as maglev.v3.Maglev."""
    return (
        "load_balancing_policy: {policies: [{typed_extension_config: {name: p, typed_config: "
        f"{{'@type': {LB}{name}, {text}}}}}}}]}}"
    )
