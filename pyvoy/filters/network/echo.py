"""Echo: writes back what the client sends; for tests and trials.

A client that does not read is not read from, so that nothing piles up.
Source: Envoy, network filter "Echo".  Buffers nothing itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import network_filter, supports
from pyvoy.network.network_filter import CloseType, Connection, NetworkFilter, NetworkVerdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.filters.network.echo.v3.Echo"

supports(TYPE)


@network_filter(name="envoy.filters.network.echo", type_url=TYPE, posture="unknown")
class Echo(NetworkFilter):
    """One per connection; keeps nothing."""

    __slots__ = ()
    terminal = True
    handles_half_close = True

    @staticmethod
    def build(message: Any, context: Context) -> None:
        """No plan: the message has no fields."""

    def on_data(self, connection: Connection, data: bytes, end: bool) -> NetworkVerdict:
        """Send it back; a client that has finished gets the rest and the end."""
        connection.write(data)
        if end:
            connection.close(CloseType.FLUSH)
        return NetworkVerdict.CONTINUE

    def on_high_watermark(self, connection: Connection) -> None:
        """The client does not read: stop reading from it."""
        connection.read_disable(True)

    def on_low_watermark(self, connection: Connection) -> None:
        """It reads again."""
        connection.read_disable(False)


_: type[NetworkFilter] = Echo
