"""Free TCP ports of 127.0.0.1.

Ports come from below the kernel's ephemeral range, so that no outgoing connection can take one between the moment it
is chosen and the moment a server binds it.  Runs at the same time on one machine keep out of each other's way: each
takes a part of the range for itself, and a chosen port stays bound, which servers (they set SO_REUSEADDR) do not mind
and the look of others for a free one does.
"""

import random
import socket

FIRST, LAST = 10_000, 32_000
PART = 1_000


class PortSource:
    """Gives out ports; each is given once, and stays bound until it is given back."""

    def __init__(self) -> None:
        self._random = random.SystemRandom()
        self._guards: list[socket.socket] = []
        """UDP sockets on the first port of each part that is this source's own."""
        self._left: list[int] = []
        """Ports of the parts that nobody was given yet, in no order."""
        self.held: dict[int, socket.socket] = {}
        """The ports that were chosen, by number."""

    def take(self, count: int) -> list[int]:
        """`count` different ports that nobody listens on and nobody else is given."""
        chosen: list[int] = []
        while len(chosen) < count:
            if not self._left:
                self._take_part()
            port = self._left.pop()
            if is_free(port) and self._hold(port):
                chosen.append(port)
        return chosen

    def any_number(self) -> int:
        """A port number of the range, free or not."""
        return self._random.randint(FIRST, LAST)

    def give_back(self) -> None:
        """The servers that the ports were for have ended: others may have them."""
        for each in self.held.values():
            each.close()
        self.held.clear()

    def close(self) -> None:
        """Give all back, and the parts of the range too."""
        self.give_back()
        for each in self._guards:
            each.close()
        self._guards.clear()
        self._left.clear()

    def _take_part(self) -> None:
        """One more part of the range; with all parts taken by others, a share of somebody's."""
        for first in self._random.sample(range(FIRST, LAST, PART), (LAST - FIRST) // PART):
            guard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                guard.bind(("127.0.0.1", first))
            except OSError:
                guard.close()
                continue
            self._guards.append(guard)
            break
        else:
            first = self._random.randrange(FIRST, LAST, PART)
        self._left.extend(self._random.sample(range(first + 1, first + PART), PART - 1))

    def _hold(self, port: int) -> bool:
        holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            holder.bind(("127.0.0.1", port))
        except OSError:
            holder.close()
            return False
        self.held[port] = holder
        return True


def is_free(port: int) -> bool:
    """Nobody has bound `port` of 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
