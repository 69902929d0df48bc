"""HttpConnectionManager messages -> ManagerPlan.

Source: Envoy's HttpConnectionManagerConfig; defaults are those of its API documentation, texts of the running 1.40.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.compile.access_log import build_access_logs
from pyvoy.config.compile.client_detection import build_detectors, build_early_mutations
from pyvoy.config.compile.http2 import server_http2
from pyvoy.config.compile.local_reply import build_local_reply
from pyvoy.config.compile.routes import build_route_table
from pyvoy.config.compile.tracing import tracing_plan
from pyvoy.config.context import Context
from pyvoy.config.extensions import chained
from pyvoy.config.message_types import unpack
from pyvoy.config.registry import type_name_of
from pyvoy.http.chain import ChainPlan, FilterSpec
from pyvoy.http.client_cert import ClientCertPlan, ForwardMode
from pyvoy.http.codec_choice import CodecType
from pyvoy.http.date import DateSource
from pyvoy.http.filter_timing import KEY, OFF
from pyvoy.http.h1.limits import Http1Plan, Underscores
from pyvoy.http.manager_plan import ManagerPlan
from pyvoy.http.path_rules import EscapedSlashes
from pyvoy.http.request_rules import RequestRulesPlan, compile_request_rules, is_plain
from pyvoy.http.response_rules import ResponseRulesPlan, ServerHeader, compile_response_rules
from pyvoy.http.routing.table import RouteTable
from pyvoy.http.stats import HttpStats
from pyvoy.network.local_address import local_ip
from pyvoy.tracing.slots import TellUpstream, TraceRequest, TracingPlan

_METERS = (b"WIRE_BYTES_", b"HEADER_BYTES_")
"""What the names of the operators have in common that need each stream's bytes counted."""


def manager_plan(message: Any, context: Context) -> ManagerPlan:
    """The plan of one connection manager; `context` stands at its message."""
    prefix = message.stat_prefix
    stats = HttpStats(context.root_scope, prefix, context.scope)
    http = context.within(context.root_scope.scope(f"http.{prefix}"))
    common = message.common_http_protocol_options
    common_context = context.at("common_http_protocol_options")
    context.env.route_plans.clear()  # those of another connection manager
    context.env.chain = chained(message.http_filters)
    routes = _routes(message, http)
    request_rules = _request_rules(message, http, routes)
    tracing = (
        tracing_plan(message.tracing, http.at("tracing"), packs_reason=request_rules.pack_trace_reason)
        if message.HasField("tracing")
        else None
    )
    plan = ManagerPlan(
        stats=stats,
        chain=_chain(message, http, tracing),
        routes=routes,
        request_rules=compile_request_rules(request_rules),
        request_rules_are_plain=is_plain(request_rules),
        response_rules=compile_response_rules(_response_rules(message), DateSource()),
        response_rules_are_plain=not message.always_set_request_id_in_response,
        local_reply=build_local_reply(message, http),
        filter_failures=context.root_scope.counter("pyvoy.filter_failures"),
        protocol=_protocol(message, context),
        codec=_codec(message),
        http2=server_http2(message, context),
        access_logs=build_access_logs(message.access_log, http, "access_log"),
        meters=any(name in message.SerializeToString() for name in _METERS),
        log_on_new_request=message.flush_access_log_on_new_request
        or message.access_log_options.flush_access_log_on_new_request,
        proxy_100_continue=message.proxy_100_continue,
        upgrades={
            upgrade.upgrade_type.lower().encode(): context.wrapped(upgrade, "enabled", True)
            for upgrade in message.upgrade_configs
        },
        idle_timeout_s=common_context.duration_s(common, "idle_timeout", 3600.0),
        stream_idle_timeout_s=context.duration_s(message, "stream_idle_timeout", 300.0),
        request_timeout_s=context.duration_s(message, "request_timeout"),
        request_headers_timeout_s=context.duration_s(message, "request_headers_timeout"),
        max_stream_duration_s=common_context.duration_s(common, "max_stream_duration"),
        max_connection_duration_s=common_context.duration_s(common, "max_connection_duration"),
        drain_timeout_s=context.duration_s(message, "drain_timeout", 5.0) or 0.0,
        delayed_close_timeout_s=context.duration_s(message, "delayed_close_timeout", 1.0) or 0.0,
        max_requests_per_connection=context.wrapped(common, "max_requests_per_connection", 0),
    )
    _sample_filter_times(plan, http)
    return plan


def _sample_filter_times(plan: ManagerPlan, context: Context) -> None:
    """Have the worker time the filters of some requests, when the runtime or the admin asks for it."""
    fraction = context.runtime.fraction(KEY, *OFF)
    services = context.env.services
    if services is not None and services.filter_timing is not None:
        context.env.retire.append(services.filter_timing.add(plan, context.scope, fraction))


def _routes(message: Any, context: Context) -> RouteTable:
    if message.WhichOneof("route_specifier") != "route_config":
        context.error("", "needs a route_config, or rds from a file")
        return RouteTable("", lambda stream: None)
    return build_route_table(message.route_config, context.at("route_config"))


def _chain(message: Any, context: Context, tracing: TracingPlan | None) -> ChainPlan:
    specs = []
    last = len(message.http_filters) - 1
    for index, entry in enumerate(message.http_filters):
        place = context.at("http_filters", index)
        built = place.built_extension("http_filter", entry, "")
        if built is None:
            continue
        cls = built.extension.factory
        if cls.terminal and index != last:
            place.error(
                "",
                f"terminal filter named {entry.name} of type {built.extension.name} must be the last filter in a "
                "http filter chain.",
            )
        elif index == last and not cls.terminal:
            place.error(
                "",
                f"non-terminal filter named {entry.name} of type {built.extension.name} is the last filter in a http "
                "filter chain.",
            )
        if hasattr(built.plan, "bind_route"):
            for name, plan in context.env.route_plans:
                if name == entry.name and plan is not None:
                    built.plan.bind_route(plan)
        specs.append(FilterSpec.of(entry.name, cls, built.plan, disabled=entry.disabled))
    if tracing is not None:
        specs.insert(0, FilterSpec("pyvoy.tracing.request", TraceRequest, tracing))
        specs.insert(-1, FilterSpec("pyvoy.tracing.upstream", TellUpstream, tracing))
    trace = context.env.trace_sink
    if trace is not None:
        from pyvoy.http.traced_chain import traced

        return ChainPlan(traced(tuple(specs), trace))
    return ChainPlan(tuple(specs))


def _protocol(message: Any, context: Context) -> CodecType:
    if message.codec_type == 3:
        context.error("codec_type", "HTTP3 is not supported by pyvoy")
        return CodecType.AUTO
    return CodecType(message.codec_type)


def _codec(message: Any) -> Http1Plan:
    common = message.common_http_protocol_options
    options = message.http_protocol_options
    kilobytes = message.max_request_headers_kb.value if message.HasField("max_request_headers_kb") else 60
    return Http1Plan(
        head_limit_bytes=kilobytes * 1024,
        count_limit=common.max_headers_count.value if common.HasField("max_headers_count") else 100,
        accept_http_10=options.accept_http_10,
        default_host=options.default_host_for_http_10.encode(),
        enable_trailers=options.enable_trailers,
        underscores=(Underscores.ALLOW, Underscores.REJECT, Underscores.DROP)[common.headers_with_underscores_action],
        allow_absolute_url=options.allow_absolute_url.value if options.HasField("allow_absolute_url") else True,
        proper_case=options.header_key_format.WhichOneof("header_format") == "proper_case_words",
        ignored_upgrades=tuple(
            matcher.exact.lower().encode() for matcher in options.ignore_http_11_upgrade if matcher.exact
        ),
    )


def _client_cert(message: Any) -> ClientCertPlan:
    wanted = message.set_current_client_cert_details
    return ClientCertPlan(
        ForwardMode(message.forward_client_cert_details),
        cert=wanted.cert,
        chain=wanted.chain,
        subject=wanted.subject.value,
        uri=wanted.uri,
        dns=wanted.dns,
    )


def _request_rules(message: Any, context: Context, routes: RouteTable) -> RequestRulesPlan:
    node = context.node
    internal = message.internal_address_config
    action = message.path_with_escaped_slashes_action
    slashes = (EscapedSlashes.KEEP, EscapedSlashes.KEEP, EscapedSlashes.REJECT, EscapedSlashes.REDIRECT)
    return RequestRulesPlan(
        use_remote_address=context.wrapped(message, "use_remote_address", False),
        xff_num_trusted_hops=message.xff_num_trusted_hops,
        skip_xff_append=message.skip_xff_append,
        peer_substitute=local_ip().encode(),
        detectors=build_detectors(message, context),
        early_mutations=build_early_mutations(message, context),
        internal_ranges=context.at("internal_address_config").cidr_ranges(internal.cidr_ranges, "cidr_ranges")
        if message.HasField("internal_address_config")
        else None,
        internal_unix_sockets=internal.unix_sockets,
        normalize_path=context.wrapped(message, "normalize_path", False),
        merge_slashes=message.merge_slashes,
        escaped_slashes=slashes[action] if action < 4 else EscapedSlashes.FORWARD,
        strip_matching_host_port=message.strip_matching_host_port,
        strip_any_host_port=message.strip_any_host_port,
        strip_trailing_host_dot=message.strip_trailing_host_dot,
        generate_request_id=context.wrapped(message, "generate_request_id", True),
        preserve_external_request_id=message.preserve_external_request_id,
        pack_trace_reason=_pack_trace_reason(message, context),
        via=message.via.encode(),
        user_agent=node.cluster.encode() if context.wrapped(message, "add_user_agent", False) and node else None,
        node_id=node.id.encode() if node else b"",
        append_x_forwarded_port=message.append_x_forwarded_port,
        scheme_to_overwrite=message.scheme_header_transformation.scheme_to_overwrite.encode(),
        client_cert=_client_cert(message),
        internal_only_headers=routes.internal_only_headers,
    )


def _pack_trace_reason(message: Any, context: Context) -> bool:
    if not message.HasField("request_id_extension"):
        return True
    config = message.request_id_extension.typed_config
    if type_name_of(config.type_url) != "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig":
        context.error("request_id_extension", f"type {type_name_of(config.type_url)!r} is not supported")
        return True
    inner = unpack(config, type_name_of(config.type_url))
    return bool(context.wrapped(inner, "pack_trace_reason", True))


def _response_rules(message: Any) -> ResponseRulesPlan:
    return ResponseRulesPlan(
        server_name=message.server_name.encode() or b"envoy",
        server_header=ServerHeader(message.server_header_transformation),
        via=message.via.encode(),
        always_set_request_id=message.always_set_request_id_in_response,
    )
