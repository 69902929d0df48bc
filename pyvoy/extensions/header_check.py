"""Whether a header that an extension wants to write can stand in a message: else it could split one in two.

Source: RFC 9110, 5.1 and 5.5 (field names are tokens; no CR, LF or NUL in values); pseudo headers begin with a colon.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from operator import itemgetter

from pyvoy.http.headers import HeaderMap

_NAME = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
_BAD_VALUE = re.compile(rb"[\x00\r\n]").search
_IN_LINE = re.compile(rb"[^\x00-\x20\x7f]+").fullmatch


def valid_name(name: bytes) -> bool:
    """A lower-case token, perhaps of a pseudo header."""
    return _NAME(name) is not None


def valid_value(value: bytes) -> bool:
    """Nothing that ends a line."""
    return _BAD_VALUE(value) is None


def valid_in_line(value: bytes) -> bool:
    """Can be a part of the request line, or a pseudo header: not empty, no space, no control character."""
    return _IN_LINE(value) is not None


def valid_pair(name: bytes, value: bytes) -> bool:
    """Both."""
    return _NAME(name) is not None and _BAD_VALUE(value) is None


_MOST_KNOWN = 2048
_LONGEST_KNOWN = 256
_VALUE_OF = itemgetter(1)


class HeaderCheck:
    """Whether everything in a header map is bytes and ends no line; what was seen before is not looked at again."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: set[bytes] = set()

    def __call__(self, headers: HeaderMap) -> None:
        """Raises TypeError for what is not bytes, ValueError for a line break or NUL."""
        known = self._known
        values: Iterable[bytes] = headers.map.values() if headers.pairs is None else map(_VALUE_OF, headers.pairs)
        try:
            if known.issuperset(headers.map) and known.issuperset(values):
                return
        except TypeError:  # something that cannot be hashed
            pass
        self._look(headers)

    def _look(self, headers: HeaderMap) -> None:
        known = self._known
        if len(known) > _MOST_KNOWN:
            known.clear()
        for pair in headers.items():
            for text in pair:
                if type(text) is not bytes:
                    raise TypeError("names and values of headers are bytes on this level")
                if text in known:
                    continue
                if not valid_value(text):
                    raise ValueError("a header has a line break or NUL in it")
                if len(text) <= _LONGEST_KNOWN:
                    known.add(text)
