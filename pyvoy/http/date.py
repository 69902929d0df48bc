"""The Date header's value, made once a second (RFC 9110 6.6.1)."""

from __future__ import annotations

import time
from email.utils import formatdate


class DateSource:
    """Gives the current HTTP date; one per process is enough, it holds no more than the last text."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = b""

    def __call__(self) -> bytes:
        """The date of now, such as `Tue, 15 Nov 1994 08:12:31 GMT`."""
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._text = formatdate(second, usegmt=True).encode()
        return self._text
