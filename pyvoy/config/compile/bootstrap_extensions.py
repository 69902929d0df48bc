"""The bootstrap's extensions: started with the configuration, ended with it.  One kind is there: the Wasm service.

A service runs in every worker, a singleton in the first one alone (Envoy: on its main thread).
Source: Envoy, bootstrap extension "Wasm" (envoy.bootstrap.wasm).
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import extension, supports

CATEGORY = "bootstrap_extension"
WASM = "envoy.extensions.wasm.v3.WasmService"

supports(WASM, "config singleton")
supports("envoy.config.core.v3.TypedExtensionConfig", "name typed_config")


def start_bootstrap_extensions(bootstrap: Any, context: Context) -> None:
    """Build, and thereby start, every bootstrap extension; `context` is the bootstrap's own."""
    for index, entry in enumerate(bootstrap.bootstrap_extensions):
        context.at("bootstrap_extensions", index).extension(CATEGORY, entry, "")


@extension(CATEGORY, name="envoy.bootstrap.wasm", type_url=WASM)
class WasmService:
    """A plugin without streams: ticks, calls and queues."""

    @staticmethod
    def build(message: Any, context: Context) -> Any:
        """Start the plugin; None where it is not to run."""
        services = context.env.services
        if message.singleton and services is not None and services.worker_index != 0:
            return None
        from pyvoy.extensions.wasm.configure import plugin

        return plugin(message.config, context.at("config"), "Wasm service")
