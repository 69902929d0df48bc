"""Free TCP ports of 127.0.0.1 for servers under test.

Ports come from below the kernel's ephemeral range, so that no outgoing connection of a test can take one between
the moment it is chosen and the moment a server binds it.
"""

import random
import socket

FIRST, LAST = 10_000, 32_000
_source = random.SystemRandom()


def free_ports(count: int) -> list[int]:
    """`count` different ports that nobody listens on at this moment."""
    chosen: list[int] = []
    while len(chosen) < count:
        port = _source.randint(FIRST, LAST)
        if port not in chosen and _is_free(port):
            chosen.append(port)
    return chosen


def free_port() -> int:
    """One port that nobody listens on at this moment."""
    return free_ports(1)[0]


def refused_port() -> tuple[int, socket.socket]:
    """A port that refuses connections for as long as the returned socket stays open: bound, never listening."""
    holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    while True:
        port = _source.randint(FIRST, LAST)
        try:
            holder.bind(("127.0.0.1", port))
        except OSError:
            continue
        return port, holder


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
