"""Request ids: random UUIDs of version 4, and the trace reason in their 15th character.  Pure.

Source: Envoy's uuid request id extension (`pack_trace_reason`); RFC 9562 for the layout.
"""

from __future__ import annotations

from enum import Enum

_VARIANT = {digit: b"89ab"[int(chr(digit), 16) & 3 : (int(chr(digit), 16) & 3) + 1] for digit in b"0123456789abcdef"}


class TraceReason(Enum):
    """Why a request is traced; the values are the character that carries it."""

    NOT_TRACEABLE = b"4"
    SAMPLED = b"9"
    SERVICE_FORCED = b"a"
    CLIENT_FORCED = b"b"


_REASONS = {reason.value: reason for reason in TraceReason}
_UUID_LENGTH = 36


def uuid4(digits: bytes) -> bytes:
    """The UUID of 32 random hexadecimal digits."""
    return b"%b-%b-4%b-%b%b-%b" % (
        digits[:8],
        digits[8:12],
        digits[13:16],
        _VARIANT[digits[16]],
        digits[17:20],
        digits[20:],
    )


def with_reason(request_id: bytes, reason: TraceReason) -> bytes:
    """The id carrying `reason`; an id that is no UUID stays as it is."""
    if len(request_id) != _UUID_LENGTH:
        return request_id
    return request_id[:14] + reason.value + request_id[15:]


def reason_of(request_id: bytes) -> TraceReason:
    """The reason an id carries; NOT_TRACEABLE for ids that are no UUID."""
    if len(request_id) != _UUID_LENGTH:
        return TraceReason.NOT_TRACEABLE
    return _REASONS.get(request_id[14:15], TraceReason.NOT_TRACEABLE)
