"""The deprecated `cors` fields reach the filter as its own per-route plans do."""

from __future__ import annotations

from pyvoy.config import registry
from pyvoy.config.compile.legacy_cors import FILTER
from tests.unit.config.compile.tables import stream, table

TYPED = "type.googleapis.com/envoy.extensions.filters.http.cors.v3.CorsPolicy"


def test_route_and_virtual_host_policies():
    registry.load_builtin()
    found, reports = table(f"""
name: r
virtual_hosts:
- name: v
  domains: ['*']
  cors: {{allow_methods: GET}}
  routes:
  - {{match: {{path: /own}}, route: {{cluster: a, cors: {{allow_methods: PUT}}}}}}
  - match: {{path: /typed}}
    route: {{cluster: a, cors: {{allow_methods: PUT}}}}
    typed_per_filter_config: {{{FILTER}: {{'@type': {TYPED}, allow_methods: POST}}}}
  - {{match: {{prefix: /}}, route: {{cluster: a}}}}
""")
    assert reports == []
    methods = [
        [plan.methods for plan in found.find(stream(path)).filter_plans[FILTER]] for path in (b"/own", b"/typed", b"/")
    ]
    assert methods == [[b"GET", b"PUT"], [b"GET", b"POST"], [b"GET"]]
