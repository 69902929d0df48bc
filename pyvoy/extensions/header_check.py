"""Whether a header that an extension wants to write can stand in a message: else it could split one in two.

Source: RFC 9110, 5.1 and 5.5 (field names are tokens; no CR, LF or NUL in values); pseudo headers begin with a colon.
"""

from __future__ import annotations

import re

_NAME = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]+").fullmatch
_BAD_VALUE = re.compile(rb"[\x00\r\n]").search


def valid_name(name: bytes) -> bool:
    """A lower-case token, perhaps of a pseudo header."""
    return _NAME(name) is not None


def valid_value(value: bytes) -> bool:
    """Nothing that ends a line."""
    return _BAD_VALUE(value) is None


def valid_pair(name: bytes, value: bytes) -> bool:
    """Both."""
    return _NAME(name) is not None and _BAD_VALUE(value) is None
