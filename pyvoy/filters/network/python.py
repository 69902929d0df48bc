"""A network (L4) filter written in Python by the user; see `pyvoy.extensions.native.network`.

The class that the connection runs is the user's, so this one only builds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import network_filter, supports
from pyvoy.network.network_filter import NetworkFilter

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "pyvoy.filters.network.python.v1.Python"

supports(TYPE, "code class config failure_policy stat_prefix")
supports("pyvoy.extensions.python.v1.Code", "module filename inline_string")


@network_filter(name="pyvoy.filters.network.python", type_url=TYPE, posture="requires_trusted_downstream_and_upstream")
class PythonNetworkFilter(NetworkFilter):
    """Stands for the user's class, which `build` finds (`plan.filter_class`)."""

    @staticmethod
    def build(message: Any, context: Context) -> Any:
        """The plan of a Python message; None after a problem."""
        from pyvoy.extensions.native import network

        return network.build(message, context)


_: type[NetworkFilter] = PythonNetworkFilter
