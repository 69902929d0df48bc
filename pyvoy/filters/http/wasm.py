"""Wasm: a Proxy-Wasm module as an HTTP filter.

This file only registers it; wasmtime and the host are loaded when a configuration has such a filter.
Source: Envoy, HTTP filter "Wasm" (envoy.filters.http.wasm).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.http_filter import HttpFilter

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.filters.http.wasm.v3.Wasm"
_WASM = "envoy.extensions.wasm.v3"

supports(TYPE, "config")
supports(
    f"{_WASM}.PluginConfig",
    "name root_id vm_config configuration fail_open failure_policy reload_config capability_restriction_config "
    "allow_on_headers_stop_iteration",
)
supports(
    f"{_WASM}.VmConfig",
    "vm_id runtime code configuration environment_variables",
    tuning="allow_precompiled nack_on_code_cache_miss",
)
supports(f"{_WASM}.EnvironmentVariables", "host_env_keys key_values")
supports(f"{_WASM}.ReloadConfig", "backoff")
supports(f"{_WASM}.CapabilityRestrictionConfig", "allowed_capabilities")
supports(f"{_WASM}.SanitizationConfig")
supports("envoy.config.core.v3.AsyncDataSource", "local remote")
supports("envoy.config.core.v3.RemoteDataSource", "http_uri sha256 retry_policy")
supports("envoy.config.core.v3.HttpUri", "uri cluster timeout")
supports("envoy.config.core.v3.RetryPolicy", "retry_back_off num_retries")
supports("envoy.config.core.v3.BackoffStrategy", "base_interval", tuning="max_interval")


@http_filter(name="envoy.filters.http.wasm", type_url=TYPE, posture="unknown")
class Wasm(HttpFilter):
    """What is registered; a chain runs the class that the plan brings (`HttpContext`)."""

    @staticmethod
    def build(message: Any, context: Context) -> Any:
        """Start the plugin; its plan."""
        from pyvoy.extensions.wasm.configure import plugin
        from pyvoy.extensions.wasm.http_context import WasmPlan

        found = plugin(message.config, context.at("config"), "Wasm HTTP filter")
        return None if found is None else WasmPlan(found)


_: type[HttpFilter] = Wasm
