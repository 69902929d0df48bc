"""Wasm: a Proxy-Wasm module as an access logger.  This file only registers it.

Source: Envoy, access logger "Wasm" (envoy.access_loggers.wasm).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import access_logger, supports

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.access_loggers.wasm.v3.WasmAccessLog"

supports(TYPE, "config")


@access_logger(name="envoy.access_loggers.wasm", type_url=TYPE)
class WasmAccessLogger:
    """What is registered."""

    @staticmethod
    def build(message: Any, context: Context) -> Any:
        """Start the plugin; the logger."""
        from pyvoy.extensions.wasm.access_log import WasmAccessLog
        from pyvoy.extensions.wasm.configure import plugin

        found = plugin(message.config, context.at("config"), "Wasm access logger")
        return None if found is None else WasmAccessLog(found)
