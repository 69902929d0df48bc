"""Direct response: writes fixed bytes to each new connection, then closes it.

Source: Envoy, network filter "Direct response" (response code details observed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import network_filter, supports
from pyvoy.network.network_filter import CloseType, Connection, NetworkFilter, NetworkVerdict
from pyvoy.observe.details import DIRECT_RESPONSE

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.filters.network.direct_response.v3.Config"

supports(TYPE, "response")


@dataclass(slots=True, frozen=True)
class DirectResponsePlan:
    """The bytes to write."""

    response: bytes


@network_filter(name="envoy.filters.network.direct_response", type_url=TYPE, posture="unknown")
class DirectResponse(NetworkFilter):
    """One per connection."""

    __slots__ = ("plan",)
    terminal = True

    @staticmethod
    def build(message: Any, context: Context) -> DirectResponsePlan:
        """The plan; a response that is not set is empty."""
        is_set = message.HasField("response")
        return DirectResponsePlan(context.data_source(message, "response") if is_set else b"")

    def __init__(self, plan: DirectResponsePlan) -> None:
        self.plan = plan

    def on_new_connection(self, connection: Connection) -> NetworkVerdict:
        """Answer and close."""
        connection.info.response_code_details = DIRECT_RESPONSE
        connection.write(self.plan.response)
        connection.close(CloseType.FLUSH)
        return NetworkVerdict.STOP


_: type[NetworkFilter] = DirectResponse
