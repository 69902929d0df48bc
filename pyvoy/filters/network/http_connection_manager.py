"""HTTP connection manager: the network filter that turns bytes into requests; its configuration becomes a ManagerPlan.

Only registration and the list of supported fields live here; the conversion is `pyvoy.config.compile.hcm`, what runs is
`pyvoy.http.manager`.  Source: Envoy's HttpConnectionManager API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import network_filter, supports
from pyvoy.http.manager import HttpConnectionManager
from pyvoy.http.manager_plan import ManagerPlan

if TYPE_CHECKING:
    from pyvoy.config.context import Context

_PACKAGE = "envoy.extensions.filters.network.http_connection_manager.v3."
TYPE = _PACKAGE + "HttpConnectionManager"

supports(
    TYPE,
    """stat_prefix codec_type route_config http_filters access_log use_remote_address xff_num_trusted_hops
    skip_xff_append internal_address_config generate_request_id preserve_external_request_id
    always_set_request_id_in_response request_id_extension server_name server_header_transformation via normalize_path
    merge_slashes path_with_escaped_slashes_action strip_matching_host_port strip_any_host_port
    strip_trailing_host_dot max_request_headers_kb common_http_protocol_options http_protocol_options
    stream_idle_timeout request_timeout request_headers_timeout drain_timeout delayed_close_timeout upgrade_configs
    local_reply_config http2_protocol_options stream_error_on_invalid_http_message proxy_100_continue add_user_agent
    append_x_forwarded_port scheme_header_transformation
    original_ip_detection_extensions early_header_mutation_extensions forward_client_cert_details access_log_options
    set_current_client_cert_details flush_access_log_on_new_request tracing""",
    tuning="""http3_protocol_options
    append_local_overload add_proxy_protocol_connection_state
    access_log_flush_interval stream_flush_timeout http1_safe_max_connection_duration
    typed_header_validation_config""",
)
supports(TYPE + ".InternalAddressConfig", "unix_sockets cidr_ranges")
supports(TYPE + ".SetCurrentClientCertDetails", "cert chain subject uri dns")
supports(TYPE + ".UpgradeConfig", "upgrade_type enabled")
supports(
    TYPE + ".HcmAccessLogOptions",
    "flush_access_log_on_new_request",
    tuning="access_log_flush_interval flush_log_on_tunnel_successfully_established",
)
supports(_PACKAGE + "RequestIDExtension", "typed_config")
supports(_PACKAGE + "HttpFilter", "name typed_config is_optional disabled")
supports(
    "envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig",
    "pack_trace_reason",
    tuning="use_request_id_for_trace_sampling",
)
supports("envoy.config.core.v3.SchemeHeaderTransformation", "scheme_to_overwrite")
supports(
    "envoy.config.core.v3.Http1ProtocolOptions",
    """accept_http_10 default_host_for_http_10 header_key_format enable_trailers allow_absolute_url
    ignore_http_11_upgrade""",
    tuning="use_balsa_parser override_stream_error_on_invalid_http_message allow_custom_methods allow_chunked_length",
)
supports(
    "envoy.config.core.v3.HttpProtocolOptions",
    """idle_timeout max_connection_duration max_headers_count max_stream_duration headers_with_underscores_action
    max_requests_per_connection""",
)


@network_filter(
    name="envoy.filters.network.http_connection_manager", type_url=TYPE, posture="robust_to_untrusted_downstream"
)
class HttpConnectionManagerFilter(HttpConnectionManager):
    """The registered form of the connection manager."""

    __slots__ = ()

    @staticmethod
    def build(message: Any, context: Context) -> ManagerPlan:
        """The plan of an HttpConnectionManager message."""
        from pyvoy.config.compile.hcm import manager_plan

        return manager_plan(message, context)
