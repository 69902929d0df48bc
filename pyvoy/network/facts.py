"""A connection as the source of rules that are written for streams: no request, and its facts for a stream's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.observe.stream_info import ConnectionInfo


class ConnectionFacts:
    """What rules see of a connection."""

    __slots__ = ("connection", "dynamic_metadata", "filter_state")

    request_headers = None
    downstream_remote = None
    route_metadata = None

    def __init__(self, info: ConnectionInfo) -> None:
        self.connection = info
        self.dynamic_metadata = info.dynamic_metadata
        self.filter_state = info.filter_state

    @property
    def info(self) -> ConnectionFacts:
        """The connection stands for the stream."""
        return self
