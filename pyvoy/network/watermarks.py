"""Watermarks of a transport's write buffer from a per_connection_buffer_limit_bytes.

Source: Envoy's ConnectionImpl::setBufferLimits: high at the limit, low at half of it, none at 0.
"""

from __future__ import annotations

import asyncio

NO_LIMIT_BYTES = (1 << 31) - 1
"""The most that uvloop's transports take; stands for no limit too."""


def set_watermarks(transport: asyncio.WriteTransport, limit_bytes: int) -> int:
    """Pause writers at the limit and resume them at its half.  Returns the limit that holds."""
    limit_bytes = min(limit_bytes or NO_LIMIT_BYTES, NO_LIMIT_BYTES)
    transport.set_write_buffer_limits(high=limit_bytes, low=limit_bytes // 2)
    return limit_bytes
