"""ExtAuthz messages -> ExtAuthzPlan, with the client of the service that they name.

Source: Envoy's ExtAuthz FilterConfig and the client configurations of both protocols.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from pyvoy.filters.common.cluster_counters import ClusterCounters
from pyvoy.filters.common.grpc_service import check_version, grpc_server
from pyvoy.filters.http.ext_authz.filter import BodyPlan, ExtAuthzPlan
from pyvoy.filters.http.ext_authz.grpc_client import GrpcClient, GrpcRules
from pyvoy.filters.http.ext_authz.http_client import HttpClient, HttpRules

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.extensions.host import Host
    from pyvoy.stats.counters import Counter

NameTest = Callable[[bytes], bool]


def ext_authz_plan(message: Any, context: Context, counters: Mapping[str, Counter]) -> ExtAuthzPlan:
    """The plan of an ExtAuthz message."""
    from pyvoy.config.compile.value_matchers import metadata_matcher
    from pyvoy.extensions.host import Host

    host = Host.of(context, context.scope, "filter")
    sends = names(message, "allowed_headers", context)
    withholds = names(message, "disallowed_headers", context)
    client: Any = None
    kind = message.WhichOneof("services")
    if kind == "http_service":
        client = _http(message.http_service, context.at(kind), host, sends, withholds)
    elif kind == "grpc_service":
        client = _grpc(message, context, sends, withholds)
    else:
        context.error("", "needs grpc_service or http_service")
    enabled: Callable[[], bool] = lambda: True  # noqa: E731  # one of two
    if message.HasField("filter_enabled"):
        enabled = context.fraction(message, "filter_enabled")
    by = None
    if message.HasField("filter_enabled_metadata"):
        by = metadata_matcher(message.filter_enabled_metadata, context.at("filter_enabled_metadata"))
    return ExtAuthzPlan(
        client,
        body_plan(message),
        message.failure_mode_allow,
        message.failure_mode_allow_header_add,
        message.status_on_error.code or 403,
        message.clear_route_cache,
        enabled,
        by,
        context.runtime.boolean(message.deny_at_disable.runtime_key, message.deny_at_disable.default_value.value),
        context.wrapped(message, "charge_cluster_response_stats", True),
        ClusterCounters("ext_authz", message.stat_prefix),
        counters,
    )


def body_plan(message: Any) -> BodyPlan | None:
    """The `with_request_body` of a message."""
    if not message.HasField("with_request_body"):
        return None
    return BodyPlan(message.with_request_body.max_request_bytes, message.with_request_body.allow_partial_message)


def names(message: Any, field: str, context: Context) -> NameTest | None:
    """A ListStringMatcher over names of headers; None when it is not set."""
    from pyvoy.config.compile.matchers import string_matchers

    if not message.HasField(field):
        return None
    return string_matchers(getattr(message, field).patterns, context.at(field), "patterns")


def _http(message: Any, context: Context, host: Host, sends: NameTest | None, withholds: NameTest | None) -> HttpClient:
    uri = context.at("server_uri")
    uri.unknown_cluster("cluster", message.server_uri.cluster)
    asked, answered = message.authorization_request, message.authorization_response
    place = context.at("authorization_response")
    if message.path_prefix and not message.path_prefix.startswith("/"):
        context.error("path_prefix", 'path_prefix should start with "/".')
    return HttpClient(
        HttpRules(
            message.server_uri.cluster,
            uri.duration_s(message.server_uri, "timeout", 0.2) or 0.0,
            message.path_prefix.encode(),
            sends or names(asked, "allowed_headers", context.at("authorization_request")),
            withholds,
            tuple((each.key.lower().encode(), each.value.encode()) for each in asked.headers_to_add),
            names(answered, "allowed_upstream_headers", place),
            names(answered, "allowed_upstream_headers_to_append", place),
            names(answered, "allowed_client_headers", place),
            names(answered, "allowed_client_headers_on_success", place),
            names(answered, "dynamic_metadata_from_headers", place),
        ),
        host,
    )


def _grpc(message: Any, context: Context, sends: NameTest | None, withholds: NameTest | None) -> GrpcClient:
    check_version(message, context)
    place = context.at("grpc_service")
    timeout_s = place.duration_s(message.grpc_service, "timeout", 0.2) or 0.0
    return GrpcClient(
        GrpcRules(
            grpc_server(message.grpc_service, place, timeout_s),
            sends,
            withholds,
            message.with_request_body.pack_as_bytes,
            message.include_peer_certificate,
            message.include_tls_session,
            tuple(message.metadata_context_namespaces),
            tuple(message.route_metadata_context_namespaces),
        )
    )
