"""What the connections of one connection manager share in one worker: tallies, chance, the short way.

Made with the first connection of a plan, because it belongs to a worker's loop; a connection takes one reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.http.plain_plan import PlainPlan, plain_plan
from pyvoy.stats.tally import Tally

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyvoy.http.manager_plan import ManagerPlan
    from pyvoy.observe.stream_info import ConnectionInfo
    from pyvoy.server.services import Services


class ManagerShare:
    """Read by every connection and request; owned by the plan."""

    __slots__ = (
        "_answered",
        "_plan",
        "_services",
        "accepted",
        "answered",
        "begun",
        "cells",
        "done",
        "first_limit_s",
        "gone",
        "over",
        "plain",
        "random_hex",
        "rx_index",
        "spoken",
        "tx_index",
    )

    random_hex: Callable[[], bytes]
    """32 random hexadecimal digits."""
    plain: PlainPlan | None
    """The short way; None when the plan does not allow it."""

    def __init__(
        self, plan: ManagerPlan, services: Services, connection: ConnectionInfo, *, http2: bool = False
    ) -> None:
        """`connection` is the first one; `http2`: for those that speak HTTP/2."""
        stats = plan.stats
        board = services.tallies
        getrandbits = services.random.getrandbits
        self._plan = plan
        self._services = services
        self.cells = stats.cells
        self.rx_index = stats.downstream_cx_rx_bytes_total.index
        self.tx_index = stats.downstream_cx_tx_bytes_total.index
        self.begun, self.done, self.over = stats.make_tallies(board, http2=http2)
        secure = connection.tls is not None
        self.accepted, self.spoken, self.gone = stats.connection_tallies(board, http2=http2, secure=secure)
        """What a connection moves when it begins, when it first speaks, and when it ends: by whether that was from
        here, then by whether it had spoken."""
        self._answered: dict[bytes, Tally] = {}
        self.answered = self._answered.get
        """The tally of an ordinary request's end by its status, None before the first (see `new_answered`)."""
        limits = (plan.stream_idle_timeout_s, plan.request_timeout_s, plan.max_stream_duration_s)
        self.first_limit_s = min((limit_s for limit_s in limits if limit_s), default=0.0)
        """The shortest time-out that every stream has; 0 when there is none."""
        self.random_hex = lambda: b"%032x" % getrandbits(128)
        self.plain = plain_plan(plan, services, connection, http2=http2)

    def new_answered(self, status: bytes) -> Tally:
        """What the end of an ordinary request with this status moves: its answer and its being over."""
        tally = self._answered[status] = self._plan.stats.answered_tally(self._services.tallies, int(status))
        return tally
