"""Request ids and the trace reason they carry."""

from __future__ import annotations

import uuid

import pytest

from pyvoy.http.request_id import TraceReason, reason_of, uuid4, with_reason


@pytest.mark.parametrize("digits", [b"0" * 32, b"f" * 32, b"0123456789abcdef0123456789abcdef"])
def test_the_id_is_a_uuid_of_version_4(digits: bytes) -> None:
    parsed = uuid.UUID(uuid4(digits).decode())
    assert parsed.version == 4
    assert parsed.variant == uuid.RFC_4122


def test_the_trace_reason_travels_in_the_15th_character() -> None:
    plain = uuid4(b"a" * 32)
    assert reason_of(plain) is TraceReason.NOT_TRACEABLE
    sampled = with_reason(plain, TraceReason.SAMPLED)
    assert sampled[14:15] == b"9"
    assert reason_of(sampled) is TraceReason.SAMPLED


def test_an_id_that_is_no_uuid_stays_as_it_is() -> None:
    assert with_reason(b"abc", TraceReason.SAMPLED) == b"abc"
    assert reason_of(b"abc") is TraceReason.NOT_TRACEABLE
