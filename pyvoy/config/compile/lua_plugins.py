"""Lua's cluster specifier and string matcher -> callables.

Source: Envoy, envoy.router.cluster_specifier_plugin.lua and envoy.string_matcher.lua.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import extension, supports

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.extensions.lua.plugins import LuaClusterSpecifier, LuaStringMatcher

SPECIFIER = "envoy.extensions.router.cluster_specifiers.lua.v3.LuaConfig"
MATCHER = "envoy.extensions.string_matcher.lua.v3.Lua"

supports(SPECIFIER, "source_code default_cluster")
supports(MATCHER, "source_code")
supports("xds.core.v3.TypedExtensionConfig", "name typed_config")


@extension("cluster_specifier", name="envoy.router.cluster_specifier_plugin.lua", type_url=SPECIFIER)
class ClusterSpecifier:
    """Builds the function from a stream to the name of its cluster."""

    @staticmethod
    def build(message: Any, context: Context) -> LuaClusterSpecifier:
        """The specifier of a LuaConfig message."""
        from pyvoy.extensions.lua.plugins import LuaClusterSpecifier

        code = context.data_source(message, "source_code")
        return LuaClusterSpecifier(code, message.default_cluster, context, "source_code")


@extension("string_matcher", name="envoy.string_matcher.lua", type_url=MATCHER)
class StringMatcher:
    """Builds the predicate over a text."""

    @staticmethod
    def build(message: Any, context: Context) -> LuaStringMatcher:
        """The matcher of a Lua message."""
        from pyvoy.extensions.lua.plugins import LuaStringMatcher

        return LuaStringMatcher(context.data_source(message, "source_code"), context, "source_code")
