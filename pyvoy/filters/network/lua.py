"""A network (L4) filter written in Lua, which Envoy does not have; see `pyvoy.extensions.lua.network`.

The class that the connection runs is made for the script, so this one only builds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import network_filter, supports
from pyvoy.network.network_filter import NetworkFilter

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "pyvoy.filters.network.lua.v1.Lua"

supports(TYPE, "source_code stat_prefix")


@network_filter(name="pyvoy.filters.network.lua", type_url=TYPE, posture="requires_trusted_downstream_and_upstream")
class LuaNetwork(NetworkFilter):
    """Stands for the class that `build` makes (`plan.filter_class`)."""

    __slots__ = ()

    @staticmethod
    def build(message: Any, context: Context) -> Any:
        """The plan of a Lua message."""
        from pyvoy.extensions.lua import network

        return network.build(message, context)


_: type[NetworkFilter] = LuaNetwork
