"""Free TCP ports of 127.0.0.1 for servers under test: one source for the life of the process (pyvoy/bench/ports.py)."""

import socket

from pyvoy.bench.ports import PortSource, is_free

_source = PortSource()


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on and nobody else is given."""
    return _source.take(count)


def give_back_ports() -> None:
    """The servers that the ports were for have ended: they are no longer kept from others."""
    _source.give_back()


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
        port = _source.any_number()
        try:
            if not is_free(port):
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
    return port, _source.held[port]


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
