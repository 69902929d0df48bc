"""The bootstrap's own messages: which of their fields count, and what is read of them once per process.

Listeners, clusters and everything below them have their own files here.  Source: Envoy's bootstrap reference (v3).
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.config.runtime import Runtime

_BOOTSTRAP = "envoy.config.bootstrap.v3."
_CORE = "envoy.config.core.v3."

supports(
    _BOOTSTRAP + "Bootstrap",
    fields="node static_resources admin layered_runtime",
    # What only tunes, watches or describes the proxy itself.
    tuning="""
    stats_flush_interval stats_flush_on_admin stats_eviction_interval watchdog watchdogs flags_path
    header_prefix enable_dispatcher_stats use_tcp_for_dns_lookups cluster_manager node_context_params
    application_log_config memory_allocator_manager perf_tracing_file_path default_socket_interface
    fatal_actions grpc_async_client_manager_config
    """,
)
supports(_BOOTSTRAP + "Bootstrap.StaticResources", fields="listeners clusters")
supports(
    _BOOTSTRAP + "Admin",
    fields="address allow_paths access_log access_log_path ignore_global_conn_limit",
    tuning="profile_path socket_options",
)
supports(_BOOTSTRAP + "LayeredRuntime", fields="layers")
supports(_BOOTSTRAP + "RuntimeLayer", fields="name static_layer", tuning="admin_layer")
supports(
    _CORE + "Node",
    fields="id cluster metadata locality user_agent_name user_agent_version dynamic_parameters",
    tuning="user_agent_build_version extensions client_features listening_addresses",
)
supports(_CORE + "Locality", fields="region zone sub_zone")
supports(_CORE + "Address", fields="socket_address pipe")
supports(
    _CORE + "SocketAddress",
    fields="protocol address port_value ipv4_compat",
)
supports(_CORE + "Pipe", fields="path mode")
supports(_CORE + "Metadata", fields="filter_metadata typed_filter_metadata")


def runtime(bootstrap: Any, context: Context) -> Runtime:
    """The runtime of the bootstrap's layers; reports duplicate layer names."""
    from google.protobuf import json_format

    layers = []
    names: set[str] = set()
    for index, layer in enumerate(bootstrap.layered_runtime.layers):
        at = context.at("layered_runtime").at("layers", index)
        if layer.name in names:
            at.error("name", f"there is another layer named {layer.name!r}")
        names.add(layer.name)
        if layer.HasField("static_layer"):
            layers.append(json_format.MessageToDict(layer.static_layer))
    return Runtime(layers)


def cluster_names(bootstrap: Any) -> set[str]:
    """Names of the clusters that the bootstrap defines."""
    return {cluster.name for cluster in bootstrap.static_resources.clusters}
