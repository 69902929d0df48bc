"""RequestMirrorPolicy messages -> MirrorPolicy plans.

Source of behaviour: Envoy, ShadowPolicyImpl; the most specific level with a policy wins.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from pyvoy.config.compile.route_finish import check_cluster
from pyvoy.config.compile.route_levels import TableLevel
from pyvoy.config.context import Context
from pyvoy.config.registry import supports

if TYPE_CHECKING:
    from pyvoy.http.routing.mirror import MirrorPolicy

supports(
    "envoy.config.route.v3.RouteAction.RequestMirrorPolicy",
    "cluster cluster_header runtime_fraction disable_shadow_host_suffix_append host_rewrite_literal",
    # Nothing is traced here.
    tuning="trace_sampled",
)


def mirror_policies(messages: Iterable[Any], context: Context, table: TableLevel) -> tuple[MirrorPolicy, ...]:
    """The policies of one level; `context` stands at the message whose `request_mirror_policies` they are."""
    return tuple(
        _policy(message, context.at("request_mirror_policies", index), table) for index, message in enumerate(messages)
    )


def _policy(message: Any, context: Context, table: TableLevel) -> MirrorPolicy:
    from pyvoy.http.routing.mirror import MirrorPolicy
    from pyvoy.network.local_address import local_ip

    if message.cluster and message.cluster_header:
        context.error("cluster_header", "cannot be set beside cluster")
    if not message.cluster and not message.cluster_header:
        context.error("cluster", "a mirror policy needs cluster or cluster_header")
    if message.cluster:
        check_cluster(context, "cluster", message.cluster, "route: unknown shadow cluster", table)
    scope = context.root_scope.scope("http.async-client")
    return MirrorPolicy(
        message.cluster or None,
        message.cluster_header.lower().encode() or None,
        context.fraction(message, "runtime_fraction") if message.HasField("runtime_fraction") else lambda: True,
        message.host_rewrite_literal.encode() or None,
        not message.disable_shadow_host_suffix_append,
        local_ip().encode(),
        scope.counter("rq_total"),
    )
