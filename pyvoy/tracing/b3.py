"""Trace contexts in B3 headers: `x-b3-...`, or all in one `b3`.  Pure.

Source: the B3 propagation format; what is accepted was observed on Envoy 1.40.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.tracing.span import Span

SINGLE = b"b3"
TRACE_ID = b"x-b3-traceid"
SPAN_ID = b"x-b3-spanid"
PARENT_ID = b"x-b3-parentspanid"
SAMPLED = b"x-b3-sampled"

_SAMPLED = {b"1": True, b"true": True, b"d": True}
_STATES = (b"0", b"1", b"d")
_ID_DIGITS, _WIDE_DIGITS = 16, 32


class BadContext(ValueError):
    """Headers that tell of a context, and wrongly."""


@dataclass(slots=True, frozen=True)
class Context:
    """What headers say: `trace_id` 0 is no trace; `sampled` None leaves the decision here."""

    trace_id: int = 0
    span_id: int = 0
    parent_id: int = 0
    sampled: bool | None = None
    single_header: bool = False


_NOTHING = Context()


def extract(headers: HeaderMap) -> Context:
    """The context of a request.  Raises BadContext."""
    values = headers.map
    single = values.get(SINGLE)
    if single is not None:
        return _from_single(single)
    told = values.get(SAMPLED)
    sampled = None if told is None else _SAMPLED.get(told, False)
    trace_id, span_id = values.get(TRACE_ID), values.get(SPAN_ID)
    if not trace_id or not span_id:
        return _NOTHING if sampled is None else Context(sampled=sampled)
    return Context(number(trace_id), number(span_id), number(values.get(PARENT_ID) or b"0"), sampled)


def _from_single(value: bytes) -> Context:
    """`{trace}-{span}[-{sampled}[-{parent}]]`, or what is sampled alone."""
    if value in _STATES:
        return Context(sampled=_SAMPLED.get(value, False), single_header=True)
    parts = value.split(b"-")
    if not 2 <= len(parts) <= 4 or len(parts[0]) not in (_ID_DIGITS, _WIDE_DIGITS) or len(parts[1]) != _ID_DIGITS:
        raise BadContext
    sampled = None
    if len(parts) > 2:
        if parts[2] not in _STATES:
            raise BadContext
        sampled = _SAMPLED.get(parts[2], False)
    parent_id = number(parts[3]) if len(parts) > 3 else 0
    return Context(number(parts[0]), number(parts[1]), parent_id, sampled, True)


def number(digits: bytes) -> int:
    """Hexadecimal digits as a number.  Raises BadContext."""
    if len(digits) > _WIDE_DIGITS or not digits.isalnum():
        raise BadContext
    try:
        return int(digits, 16)
    except ValueError:
        raise BadContext from None


def trace_digits(trace_id: int) -> str:
    """A trace id as B3 writes it: 16 digits, 32 for those that are longer."""
    return f"{trace_id:032x}" if trace_id >> 64 else f"{trace_id:016x}"


def inject(span: Span, headers: HeaderMap) -> None:
    """Tell of the span as its context came."""
    trace_id, span_id = trace_digits(span.trace_id), f"{span.span_id:016x}"
    if span.single_header:
        parent = f"-{span.parent_id:016x}" if span.parent_id else ""
        headers.set(SINGLE, f"{trace_id}-{span_id}-{span.sampled:d}{parent}".encode())
        return
    headers.set(TRACE_ID, trace_id.encode())
    headers.set(SPAN_ID, span_id.encode())
    if span.parent_id:
        headers.set(PARENT_ID, b"%016x" % span.parent_id)
    headers.set(SAMPLED, b"%d" % span.sampled)
