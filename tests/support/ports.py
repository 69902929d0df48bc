"""Free TCP ports of 127.0.0.1 for servers under test.

Ports come from below the kernel's ephemeral range, so that no outgoing connection of a test can take one between
the moment it is chosen and the moment a server binds it.  Suites that run at the same time on one machine keep out of
each other's way: each takes a part of the range for itself, and a chosen port stays bound, which servers (they set
SO_REUSEADDR) do not mind and the look of others for a free one does.
"""

import random
import socket
from functools import cache

FIRST, LAST = 10_000, 32_000
PARTS = 10
_source = random.SystemRandom()


@cache
def _part() -> tuple[range, socket.socket | None]:
    """The ports of this process, and the socket that holds the part: UDP, on its first port.  With all parts taken it
    is the whole range."""
    size = (LAST - FIRST) // PARTS
    for first in _source.sample(range(FIRST, FIRST + size * PARTS, size), PARTS):
        guard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            guard.bind(("127.0.0.1", first))
        except OSError:
            guard.close()
            continue
        return range(first + 1, first + size), guard
    return range(FIRST, LAST), None


_HELD: dict[int, socket.socket] = {}
"""The ports that were chosen, for the life of this process."""


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on and nobody else is given."""
    chosen: list[int] = []
    while len(chosen) < count:
        port = _source.choice(_part()[0])
        if port not in _HELD and _is_free(port) and _hold(port):
            chosen.append(port)
    return chosen


def _hold(port: int) -> bool:
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind(("127.0.0.1", port))
    except OSError:
        holder.close()
        return False
    _HELD[port] = holder
    return True


def free_port() -> int:
    """One port that nobody listens on at this moment."""
    return free_ports(1)[0]


def refused_port() -> tuple[int, socket.socket]:
    """A port that refuses connections for as long as the returned socket stays open: bound, never listening."""
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    while True:
        port = _source.choice(_part()[0])
        try:
            holder.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port, holder


def stuck_port() -> tuple[int, list[socket.socket]]:
    """A port where a connect gets no answer, for as long as the returned sockets stay open: its queue is full."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", free_port()))
    listener.listen(0)
    crowd = [listener]
    for _ in range(3):
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        client.setblocking(False)
        client.connect_ex(listener.getsockname())
        crowd.append(client)
    return listener.getsockname()[1], crowd


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
