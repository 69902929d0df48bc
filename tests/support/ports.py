"""Free TCP ports of 127.0.0.1 for servers under test.

Ports come from below the kernel's ephemeral range, so that no outgoing connection of a test can take one between
the moment it is chosen and the moment a server binds it.  Suites that run at the same time on one machine keep out of
each other's way: each takes a part of the range for itself, and a chosen port stays bound until it is given back, which
servers (they set SO_REUSEADDR) do not mind and the look of others for a free one does.
"""

import random
import socket

FIRST, LAST = 10_000, 32_000
PART = 1_000
_source = random.SystemRandom()
_guards: list[socket.socket] = []
"""UDP sockets on the first port of each part that is this process' own."""
_held: dict[int, socket.socket] = {}
"""The ports that were chosen and not given back."""
_left: list[int] = []
"""Ports of the parts that nobody was given yet, in no order."""


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on and nobody else is given."""
    chosen: list[int] = []
    while len(chosen) < count:
        if not _left:
            _take_part()
        port = _left.pop()
        if _is_free(port) and _hold(port):
            chosen.append(port)
    return chosen


def give_back_ports() -> None:
    """The servers that the ports were for have ended: they are no longer kept from others."""
    for holder in _held.values():
        holder.close()
    _held.clear()


def _take_part() -> None:
    """One more part of the range; with all parts taken by others, a share of somebody's."""
    for first in _source.sample(range(FIRST, LAST, PART), (LAST - FIRST) // PART):
        guard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            guard.bind(("127.0.0.1", first))
        except OSError:
            guard.close()
            continue
        _guards.append(guard)
        break
    else:
        first = _source.randrange(FIRST, LAST, PART)
    _left.extend(_source.sample(range(first + 1, first + PART), PART - 1))


def _hold(port: int) -> bool:
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        holder.bind(("127.0.0.1", port))
    except OSError:
        holder.close()
        return False
    _held[port] = holder
    return True


def free_port() -> int:
    """One port that nobody listens on at this moment."""
    return free_ports(1)[0]


def reserved_ports(count: int) -> tuple[list[int], list[socket.socket]]:
    """`count` different free ports, taken as long as the returned sockets stay open: for others, not for a server that
    sets SO_REUSEPORT.  A run that needs its ports for minutes would lose some to another one beside it."""
    ports: list[int] = []
    holders: list[socket.socket] = []
    while len(ports) < count:
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        port = _source.randint(FIRST, LAST)
        try:
            if not _is_free(port):
                raise OSError
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            holder.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
            continue
        ports.append(port)
        holders.append(holder)
    return ports, holders


def refused_port() -> tuple[int, socket.socket]:
    """A port that refuses connections for as long as the returned socket stays open: bound, never listening."""
    port = free_port()
    return port, _held[port]


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
