"""A request without wishes."""

from pyvoy.upstream.balancing.context import LoadBalancerContext
from tests.unit.upstream.hosts import host


def test_the_plain_context_wishes_nothing():
    context = LoadBalancerContext()
    assert context.hash_key() is None
    assert context.override_host is None
    assert context.host_selection_retry_count == 0
    assert not context.should_skip(host(1))
