"""Small helpers that every mechanism offers its scripts: base64 and timestamps.

Source: Envoy's Lua stream handle (`base64Escape`, `base64Decode`, `timestamp`).
"""

from __future__ import annotations

import base64
import binascii


def base64_encode(data: bytes) -> bytes:
    """Standard base64 with padding."""
    return base64.b64encode(data)


def base64_decode(data: bytes) -> bytes | None:
    """What standard base64 with padding stands for; None when it is no such text."""
    try:
        return base64.b64decode(data, validate=True)
    except binascii.Error:
        return None


def timestamp_text(wall_ns: int, *, microseconds: bool = False) -> str:
    """A time of nanoseconds since the epoch as a decimal number of milli- or microseconds."""
    return str(wall_ns // (1000 if microseconds else 1_000_000))
