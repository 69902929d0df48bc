"""What an access log reads of a connection: the listener's log writes one for each, a TCP session logs the same facts.

One object per connection, made when a filter or a log first asks for it.
Source: in Envoy the stream info of the connection is shared by the listener's access log and tcp_proxy's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.observe.stream_info import StreamInfo

if TYPE_CHECKING:
    from pyvoy.observe.stream_info import ConnectionInfo
    from pyvoy.server.services import Services


class ConnectionSource:
    """A connection as the source of operators; `log_type` is what %ACCESS_LOG_TYPE% says."""

    __slots__ = ("connection", "info", "log_type", "services")

    request_headers = None
    request_trailers = None
    response_headers = None
    response_trailers = None
    route = None

    def __init__(self, connection: ConnectionInfo, services: Services) -> None:
        self.connection = connection
        self.services = services
        self.log_type = "NotSet"
        info = self.info = StreamInfo()
        info.start_s = connection.start_s
        info.start_wall_s = connection.start_wall_s
        info._dynamic_metadata = connection.dynamic_metadata
        info._filter_state = connection.filter_state

    def update(self) -> None:
        """Take over what the connection knows by now."""
        connection, info = self.connection, self.info
        info.bytes_received = connection.bytes_received
        info.bytes_sent = connection.bytes_sent
        info.response_flags |= connection.response_flags
        if connection.response_code_details is not None:
            info.response_code_details = connection.response_code_details

    def end(self) -> None:
        """The connection is gone."""
        self.update()
        self.info.end_s = self.services.clock()
