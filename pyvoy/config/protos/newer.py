"""Fields and types that Envoy 1.40 knows and the published generated modules do not (yet).

They cannot be read, so setting one is reported as what it is instead of as a mistake of the user; and rules of the
published modules that Envoy has dropped.  Source: the descriptors of Envoy 1.40 against those of xds-protos 1.85.
"""

from __future__ import annotations


def _table(text: str) -> dict[str, frozenset[str]]:
    table: dict[str, frozenset[str]] = {}
    for line in text.strip().splitlines():
        type_name, *fields = line.split()
        table[type_name] = table.get(type_name, frozenset()) | frozenset(fields)
    return table


# Message type and fields that change what traffic sees: an error when set.
FIELDS = _table("""
envoy.config.bootstrap.v3.MemoryAllocatorManager soft_memory_limit_bytes max_per_cpu_cache_size_bytes
envoy.config.bootstrap.v3.MemoryAllocatorManager max_unfreed_memory_bytes
envoy.config.cluster.v3.CircuitBreakers.Thresholds.RetryBudget budget_interval
envoy.config.cluster.v3.Cluster per_connection_buffer_high_watermark_timeout queuing_policies
envoy.config.cluster.v3.Cluster.PreconnectPolicy preconnect_enabled_metadata
envoy.config.cluster.v3.OutlierDetection detect_degraded_hosts
envoy.config.core.v3.BindConfig validate_network_namespaces
envoy.config.core.v3.HealthCheck name
envoy.config.core.v3.HealthCheck.HttpHealthCheck use_alpn_protocol
envoy.config.core.v3.Http2ProtocolOptions enable_huffman_encoding max_header_field_size_kb disallow_obs_text
envoy.config.core.v3.Http2ProtocolOptions stream_reset_burst stream_reset_rate
envoy.config.core.v3.Http3ProtocolOptions disallow_obs_text
envoy.config.core.v3.HttpProtocolOptions max_connection_duration_jitter
envoy.config.core.v3.HttpService formatters
envoy.config.core.v3.PathConfigSource poll_interval
envoy.config.core.v3.QuicProtocolOptions client_packet_writer connection_migration memory_reduction_timeout
envoy.config.core.v3.QuicProtocolOptions enable_scone
envoy.config.core.v3.SocketOption ip_version
envoy.config.core.v3.WatchedDirectory watch_modify
envoy.config.listener.v3.Listener per_connection_buffer_high_watermark_timeout
envoy.config.metrics.v3.DogStatsdSink scale_histogram_units_to_milliseconds
envoy.config.metrics.v3.StatsConfig allow_default_tag_overrides
envoy.config.metrics.v3.StatsdSink scale_histogram_units_to_milliseconds
envoy.config.route.v3.RateLimit x_ratelimit_option
envoy.config.route.v3.RateLimit.Action remote_address_match
envoy.config.route.v3.RateLimit.Action.GenericKey default_value
envoy.config.route.v3.RateLimit.Action.HeaderValueMatch default_value
envoy.config.route.v3.RateLimit.Action.QueryParameterValueMatch default_value
envoy.config.route.v3.RateLimit.HitsAddend is_negative_hits
envoy.config.route.v3.RateLimit.Override rate_limit
envoy.config.route.v3.RedirectAction path_rewrite
envoy.config.route.v3.RetryPolicy refresh_cluster_on_retry
envoy.config.route.v3.Route route_specifiers
envoy.config.route.v3.RouteConfiguration route_specifiers
envoy.config.route.v3.RouteMatch cookies
envoy.config.route.v3.VirtualHost route_specifiers
envoy.config.trace.v3.OpenTelemetryConfig exporter set_telemetry_sdk_resource_attributes
envoy.config.trace.v3.OpenTelemetryConfig set_service_name_resource_attribute set_instrumentation_scope
envoy.config.trace.v3.ZipkinConfig timestamp_trace_ids
envoy.extensions.clusters.dns.v3.DnsCluster dns_min_refresh_rate
envoy.extensions.common.ratelimit.v3.LocalRateLimitDescriptor shadow_mode
envoy.extensions.common.ratelimit.v3.RateLimitDescriptor is_negative_hits
envoy.extensions.common.ratelimit.v3.RateLimitDescriptor.RateLimitOverride unit_multiplier
envoy.extensions.filters.http.compressor.v3.Compressor.CommonDirectionConfig content_type_matcher
envoy.extensions.filters.http.compressor.v3.Compressor.ResponseDirectionConfig weaken_etag_on_compress
envoy.extensions.filters.http.ext_authz.v3.CheckSettings emit_client_span
envoy.extensions.filters.http.ext_authz.v3.ExtAuthz clear_route_cache_headers shadow_mode emit_client_span
envoy.extensions.filters.http.ext_authz.v3.HttpService path_override
envoy.extensions.filters.http.fault.v3.FaultAbort response_body
envoy.extensions.filters.http.header_mutation.v3.Mutations formatters
envoy.extensions.filters.http.jwt_authn.v3.JwtClaimToHeader claim_path
envoy.extensions.filters.http.jwt_authn.v3.JwtRequirement extract_only_without_validation
envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit enable_retry_after_header
envoy.extensions.filters.http.lua.v3.Lua filter_context package_paths package_cpaths shared_vm_id
envoy.extensions.filters.http.lua.v3.LuaPerRoute package_paths package_cpaths shared_vm_id
envoy.extensions.filters.http.router.v3.Router reject_connect_request_early_data
envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol.KeyValuePair value_string_encoding
envoy.extensions.filters.network.ext_authz.v3.ExtAuthz shadow_mode
envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager forward_proto_config
envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy proxy_protocol_tlv_merge_policy check_drain_close
envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TcpAccessLogOptions flush_access_log_on_start
envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy.TunnelingConfig formatters
envoy.extensions.wasm.v3.VmConfig capability_restriction_config
envoy.type.matcher.v3.AddressMatcher invert_match
""")

# Message type and fields that only tune: a warning when set.
TUNING = _table("""
envoy.config.bootstrap.v3.Bootstrap enable_worker_cpu_affinity
envoy.config.cluster.v3.Cluster stats_matcher
envoy.config.endpoint.v3.Endpoint observability_name
envoy.config.listener.v3.AdditionalAddress tcp_keepalive
envoy.config.listener.v3.Listener stats_matcher tcp_keepalive
envoy.config.listener.v3.Listener.ConnectionBalanceConfig cpu_locality_balance
envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager drain_timeout_jitter
envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager record_route_resolution_stats
envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig qcache_max_ttl
""")

# Packages of which nothing can be read.
PACKAGES = _table("""
envoy.extensions.access_loggers.dynamic_modules.v3
envoy.extensions.bootstrap.dynamic_modules.v3
envoy.extensions.clusters.composite.v3
envoy.extensions.clusters.dynamic_modules.v3
envoy.extensions.clusters.mcp_multicluster.v3
envoy.extensions.clusters.original_dst.v3
envoy.extensions.config.validators.dynamic_modules.v3
envoy.extensions.content_parsers.json.v3
envoy.extensions.filters.common.jwks.v3
envoy.extensions.filters.http.a2a.v3
envoy.extensions.filters.http.ai_protocol_manager.v3
envoy.extensions.filters.http.aws_eventstream_parser.v3
envoy.extensions.filters.http.bandwidth_share.v3
envoy.extensions.filters.http.body_size_limit.v3
envoy.extensions.filters.http.file_server.v3
envoy.extensions.filters.http.filter_chain.v3
envoy.extensions.filters.http.mcp_json_rest_bridge.v3
envoy.extensions.filters.http.sse_to_metadata.v3
envoy.extensions.filters.listener.dynamic_modules.v3
envoy.extensions.filters.listener.set_filter_state.v3
envoy.extensions.filters.network.dynamic_modules.v3
envoy.extensions.filters.network.reverse_tunnel.v3
envoy.extensions.filters.network.tcp_bandwidth_limit.v3
envoy.extensions.filters.udp.dynamic_modules.v3
envoy.extensions.filters.udp.udp_proxy.session.ext_authz.v3
envoy.extensions.formatter.dynamic_modules.v3
envoy.extensions.formatter.file_content.v3
envoy.extensions.formatter.generic_secret.v3
envoy.extensions.health_checkers.dynamic_modules.v3
envoy.extensions.health_checkers.udp.v3
envoy.extensions.http.ai_filters.request_info.v3
envoy.extensions.http.ai_filters.schema_validation.v3
envoy.extensions.http.ai_filters.transcoder.v3
envoy.extensions.http.early_header_mutation.dynamic_modules.v3
envoy.extensions.http.header_formatters.dynamic_modules.v3
envoy.extensions.internal_redirect.filter_state.v3
envoy.extensions.load_balancing_policies.dynamic_modules.v3
envoy.extensions.load_balancing_policies.load_aware_locality.v3
envoy.extensions.matching.actions.transform_stat.v3
envoy.extensions.matching.http.dynamic_modules.v3
envoy.extensions.matching.input_matchers.dynamic_modules.v3
envoy.extensions.network.dns_resolver.hickory.v3
envoy.extensions.network.socket_interface.sockmap.v3
envoy.extensions.queue_policy.fifo.v3
envoy.extensions.quic.client_writer_factory.v3
envoy.extensions.rate_limit_descriptors.jwt_claim.v3
envoy.extensions.router.cluster_specifiers.dynamic_modules.v3
envoy.extensions.router.cluster_specifiers.priority_group.v3
envoy.extensions.router.route_specifiers.dynamic_modules.v3
envoy.extensions.stat_sinks.dynamic_modules.v3
envoy.extensions.tracers.dynamic_modules.v3
envoy.extensions.transport_sockets.dynamic_modules.v3
envoy.extensions.transport_sockets.tls.cert_mappers.filter_state_override.v3
envoy.extensions.transport_sockets.tls.cert_mappers.sni.v3
envoy.extensions.transport_sockets.tls.cert_mappers.static_name.v3
envoy.extensions.transport_sockets.tls.cert_selectors.on_demand_secret.v3
envoy.extensions.transport_sockets.tls.cert_validator.dynamic_modules.v3
envoy.extensions.transport_sockets.tls.handshakers.dynamic_modules.v3
envoy.extensions.upstreams.http.dynamic_modules.v3
envoy.extensions.upstreams.http.reverse_tunnel.v3
envoy.extensions.watchdog.backtrace_action.v3
""")

# Fields whose rules Envoy has dropped.
WITHOUT_RULES = frozenset(("envoy.type.v3.TokenBucket.max_tokens",))
