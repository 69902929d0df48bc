"""What a pool does with a request or a freed connection: the decision alone, no I/O.

Source: Envoy's ConnPoolImplBase (newStreamImpl, tryCreateNewConnections, onUpstreamReady).
"""

from __future__ import annotations

from enum import Enum


class Step(Enum):
    """What to do with a new request."""

    USE_IDLE = 0
    CONNECT = 1
    WAIT = 2
    OVERFLOW = 3


def on_request(
    *, idle: int, connecting: int, active: int, pending: int, may_wait: bool, may_connect: bool
) -> tuple[Step, bool]:
    """(step, whether the connection limit was hit) for a new request.

    `pending` are requests that wait already, `connecting` connections under way.  At the connection limit one
    connection is still made when the pool has none at all, so that a request is never stuck for lack of one.
    """
    if idle:
        return Step.USE_IDLE, False
    if not may_wait:
        return Step.OVERFLOW, False
    if connecting > pending:
        return Step.WAIT, False
    if may_connect:
        return Step.CONNECT, False
    if active + connecting == 0:
        return Step.CONNECT, True
    return Step.WAIT, True


def on_multiplexed_request(
    *, room: int, connections: int, pending: int, may_wait: bool, may_connect: bool
) -> tuple[Step, bool]:
    """The same for a pool whose connections carry many requests, when none of them has room now; `room` is what those
    under way will take."""
    if not may_wait:
        return Step.OVERFLOW, False
    if room > pending:
        return Step.WAIT, False
    if may_connect:
        return Step.CONNECT, False
    return (Step.WAIT if connections else Step.CONNECT), True


def reconnect_for_pending(*, connecting: int, pending: int, may_connect: bool) -> bool:
    """True when a connection that was lost or refused must be replaced for requests that still wait."""
    return pending > connecting and may_connect
