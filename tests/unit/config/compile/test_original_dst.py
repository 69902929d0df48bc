"""ORIGINAL_DST clusters: what is read, and what may not be set beside it."""

from pyvoy.upstream.cluster_plan import Discovery
from pyvoy.upstream.original_dst import DEFAULT_HEADER, OriginalDstPlan
from tests.unit.config.compile.cluster_reading import ENDPOINT, compiled, plan

PLAIN = "type: ORIGINAL_DST, lb_policy: CLUSTER_PROVIDED"


def test_defaults():
    found = plan(PLAIN)
    assert (found.discovery, found.original_dst) == (Discovery.ORIGINAL_DST, OriginalDstPlan())
    assert plan().original_dst is None


def test_fields():
    config = "original_dst_lb_config: {use_http_header: true, upstream_port_override: 81}"
    found = plan(f"{PLAIN}, cleanup_interval: 2s, {config}").original_dst
    assert found == OriginalDstPlan(DEFAULT_HEADER, 81, 2.0)
    named = "original_dst_lb_config: {use_http_header: true, http_header_name: X-Where}"
    assert plan(f"{PLAIN}, {named}").original_dst.header == b"x-where"


def test_what_does_not_go_together():
    assert any("Only 'CLUSTER_PROVIDED' is allowed" in line for line in compiled("type: ORIGINAL_DST")[1])
    lines = compiled(f"{PLAIN}, load_assignment: {{endpoints: [{ENDPOINT}]}}")[1]
    assert any("must have no load assignment" in line for line in lines)
    lines = compiled(f"{PLAIN}, original_dst_lb_config: {{http_header_name: x}}")[1]
    assert any("needs use_http_header" in line for line in lines)
