"""An HTTP filter written in Python by the user; see `pyvoy.extensions.native` for what it may do.

The class that the chain runs is the user's, so this one only builds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.http_filter import HttpFilter

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "pyvoy.filters.http.python.v1.Python"
ROUTE_TYPE = "pyvoy.filters.http.python.v1.PythonPerRoute"

supports(TYPE, "code class config failure_policy stat_prefix")
supports(ROUTE_TYPE, "config")
supports("pyvoy.extensions.python.v1.Code", "module filename inline_string")


@http_filter(
    name="pyvoy.filters.http.python",
    type_url=TYPE,
    route_type_url=(TYPE, ROUTE_TYPE),
    posture="requires_trusted_downstream_and_upstream",
)
class PythonFilter(HttpFilter):
    """Stands for the user's class, which `build` finds (`plan.filter_class`)."""

    __slots__ = ()

    @staticmethod
    def build(message: Any, context: Context) -> Any:
        """The plan of a Python message; None after a problem."""
        from pyvoy.extensions.native import http

        return http.build(message, context)

    @staticmethod
    def build_route(message: Any, context: Context) -> Any:
        """The plan of a PythonPerRoute message, or of a Python message that stands on a route."""
        from pyvoy.extensions.native import http

        if message.DESCRIPTOR.full_name == TYPE:
            return http.build_on_route(message, context)
        return http.build_route(message, context)


_: type[HttpFilter] = PythonFilter
