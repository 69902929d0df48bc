"""Wasm: a Proxy-Wasm module as a network filter.

This file only registers it.  Source: Envoy, network filter "Wasm" (envoy.filters.network.wasm).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import network_filter, supports
from pyvoy.network.network_filter import NetworkFilter

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.filters.network.wasm.v3.Wasm"

supports(TYPE, "config")


@network_filter(name="envoy.filters.network.wasm", type_url=TYPE)
class Wasm(NetworkFilter):
    """What is registered; a chain runs the class that the plan brings (`NetworkContext`)."""

    @staticmethod
    def build(message: Any, context: Context) -> Any:
        """Start the plugin; its plan."""
        from pyvoy.extensions.wasm.configure import plugin
        from pyvoy.extensions.wasm.network_context import WasmNetworkPlan

        found = plugin(message.config, context.at("config"), "Wasm network filter")
        return None if found is None else WasmNetworkPlan(found)


_: type[NetworkFilter] = Wasm
