"""The bootstrap's own messages: which of their fields count, and what is read of them once per process.

Listeners, clusters and everything below them have their own files here.  Source: Envoy's bootstrap reference (v3).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pyvoy.config.compile.disk_layer import disk_values
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.config.runtime import Runtime

_BOOTSTRAP = "envoy.config.bootstrap.v3."
_CORE = "envoy.config.core.v3."

supports(
    _BOOTSTRAP + "Bootstrap",
    fields="node static_resources admin layered_runtime stats_config bootstrap_extensions",
    # What only tunes, watches, counts or describes the proxy itself.
    tuning="""
    stats_flush_on_admin stats_eviction_interval deferred_stat_options
    stats_server_version_override watchdog watchdogs flags_path header_prefix inline_headers
    enable_dispatcher_stats use_tcp_for_dns_lookups dns_resolution_config typed_dns_resolver_config cluster_manager
    node_context_params application_log_config memory_allocator_manager perf_tracing_file_path tracing
    default_socket_interface fatal_actions grpc_async_client_manager_config default_regex_engine listener_manager
    """,
)
supports(_BOOTSTRAP + "Bootstrap.StaticResources", fields="listeners clusters secrets")
supports(
    _BOOTSTRAP + "Admin",
    fields="address allow_paths socket_options",
    tuning="profile_path access_log access_log_path ignore_global_conn_limit",
)
supports(_BOOTSTRAP + "LayeredRuntime", fields="layers")
supports(_BOOTSTRAP + "RuntimeLayer", fields="name static_layer disk_layer", tuning="admin_layer")
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
    layers = []
    names: set[str] = set()
    for index, layer in enumerate(bootstrap.layered_runtime.layers):
        at = context.at("layered_runtime").at("layers", index)
        if layer.name in names:
            at.error("name", f"there is another layer named {layer.name!r}")
        names.add(layer.name)
        if layer.HasField("static_layer"):
            values = json_dict(layer.static_layer)
            for key in _invalid_keys("", values):
                at.error("static_layer", f"Invalid runtime entry value for {key}")
            layers.append(values)
        elif layer.HasField("disk_layer"):
            layers.append(disk_values(layer.disk_layer, bootstrap.node.cluster, at.at("disk_layer")))
    return Runtime(layers)


def _invalid_keys(prefix: str, values: dict[str, Any]) -> Iterator[str]:
    """Keys whose value is a list or null."""
    for key, value in values.items():
        name = f"{prefix}.{key}" if prefix else key
        if value is None or isinstance(value, list):
            yield name
        elif isinstance(value, dict):
            yield from _invalid_keys(name, value)


def report_unread_runtime(bootstrap: Any, context: Context) -> None:
    """Warn of runtime keys that no builder has asked for; call it when all plans are built."""
    unread = context.runtime.unread()
    for index, layer in enumerate(bootstrap.layered_runtime.layers):
        at = context.at("layered_runtime").at("layers", index)
        for key in Runtime([json_dict(layer.static_layer)]).values:
            if key in unread:
                at.warning("static_layer", f"the runtime key {key!r} has no effect in pyvoy")


def json_dict(struct: Any) -> dict[str, Any]:
    """A Struct as plain values."""
    from google.protobuf import json_format

    plain: dict[str, Any] = json_format.MessageToDict(struct)
    return plain


def cluster_names(bootstrap: Any) -> set[str]:
    """Names of the clusters that the bootstrap defines."""
    return {cluster.name for cluster in bootstrap.static_resources.clusters}
