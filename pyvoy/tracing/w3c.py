"""Trace contexts in `traceparent` and `tracestate`.  Pure.

Source: W3C Trace Context; what is accepted was observed on Envoy 1.40.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.http.headers import HeaderMap
    from pyvoy.tracing.span import Span

PARENT = b"traceparent"
STATE = b"tracestate"
_FORM = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


@dataclass(slots=True, frozen=True)
class Context:
    """A trace that is already under way."""

    trace_id: int
    span_id: int
    sampled: bool
    state: bytes


def extract(headers: HeaderMap) -> Context | None:
    """The context of a `traceparent`; None when it is not one, or names no trace."""
    found = _FORM.fullmatch(headers.map.get(PARENT, b""))
    if found is None:
        return None
    trace_id, span_id = int(found[1], 16), int(found[2], 16)
    if not trace_id or not span_id:
        return None
    return Context(trace_id, span_id, bool(int(found[3], 16) & 1), b",".join(headers.get_all(STATE)))


def inject(span: Span, headers: HeaderMap) -> None:
    """Tell of the span in `traceparent`."""
    headers.set(PARENT, b"00-%032x-%016x-%02x" % (span.trace_id, span.span_id, span.sampled))
