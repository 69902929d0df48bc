"""Cheap frames that cost the receiver: counting them, and where it ends.  Pure.

Source: Envoy's Http2::ProtocolConstraints, and CVE-2019-9511 to 9518 that it answers.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from pyvoy.http.h2.frames import ErrorCode
from pyvoy.http.h2.hpack import Http2Error
from pyvoy.http.h2.limits import Http2Plan
from pyvoy.http.h2.stats import CodecStats

_MARKS = 64
"""Into so many parts the limit of waiting frames is divided: what is written is taken off by such parts."""


class FloodError(Http2Error):
    """The peer floods: every frame is right, there are too many of them."""

    def __init__(self, details: str) -> None:
        super().__init__(ErrorCode.ENHANCE_YOUR_CALM, details)


class FloodGuard:
    """The counters of one connection.  Output waits in `gathered` while a read is worked off, and then in the
    transport, of which `unwritten` tells the bytes."""

    __slots__ = (
        "_control",
        "_empty",
        "_frames",
        "_gathered",
        "_marks",
        "_next_mark",
        "_plan",
        "_priority",
        "_stats",
        "_unwritten",
        "_updates",
        "data_sent",
        "opened",
        "sent_bytes",
    )

    def __init__(self, plan: Http2Plan, stats: CodecStats, gathered: list[bytes], unwritten: Callable[[], int]) -> None:
        self._plan = plan
        self._stats = stats
        self._gathered = gathered
        self._unwritten = unwritten
        self._empty = 0
        self._priority = 0
        self._updates = 0
        self._frames = 0
        self._control = 0
        self._next_mark = max(plan.max_outbound_frames // _MARKS, 1)
        self._marks: deque[tuple[int, int, int]] = deque()
        """Places in the output, in bytes from its begin, with the frames and the control frames before them."""
        self.sent_bytes = 0
        """What has gone to the transport."""
        self.opened = 0
        """Streams begun on this connection."""
        self.data_sent = 0
        """DATA frames sent on it."""

    def note_payload(self, empty: bool) -> None:
        """A HEADERS, CONTINUATION or DATA frame; `empty`: no payload beside padding, and no end of stream."""
        if not empty:
            self._empty = 0
            return
        self._empty += 1
        if self._empty > self._plan.max_empty_frames:
            self._stats.inbound_empty_frames_flood.inc()
            raise FloodError("http2.inbound_empty_frames_flood")

    def note_priority(self) -> None:
        """A PRIORITY frame."""
        self._priority += 1
        if self._priority > self._plan.max_priority_frames_per_stream * (1 + self.opened):
            self._stats.inbound_priority_frames_flood.inc()
            raise FloodError("http2.inbound_priority_frames_flood")

    def note_window_update(self) -> None:
        """A WINDOW_UPDATE frame."""
        self._updates += 1
        allowed = self.opened + self._plan.max_window_updates_per_data_frame * self.data_sent
        if self._updates > 5 + 2 * allowed:
            self._stats.inbound_window_update_frames_flood.inc()
            raise FloodError("http2.inbound_window_update_frames_flood")

    def note_control(self) -> None:
        """An acknowledgement or a reset is about to be written: those that wait unwritten are limited."""
        limit = self._plan.max_outbound_control_frames
        if self._control >= limit:
            self._forget_written()
            if self._control >= limit:
                self._stats.outbound_control_flood.inc()
                raise FloodError("http2.outbound_control_frames_flood")
        self.note_frame()
        self._control += 1

    def note_frame(self) -> None:
        """Any frame is about to be written."""
        if self._frames >= self._next_mark:
            self._forget_written()
            if self._frames >= self._plan.max_outbound_frames:
                self._stats.outbound_flood.inc()
                raise FloodError("http2.outbound_frames_flood")
        self._frames += 1

    def _forget_written(self) -> None:
        """Take off the counts what has been written meanwhile: all frames before the last mark that has left us."""
        marks = self._marks
        marks.append((self.sent_bytes + sum(map(len, self._gathered)), self._frames, self._control))
        gone_bytes = self.sent_bytes - self._unwritten()
        frames = control = 0
        while marks and marks[0][0] <= gone_bytes:
            _, frames, control = marks.popleft()
        self._frames -= frames
        self._control -= control
        if frames:
            self._marks = deque([(at, count - frames, acks - control) for at, count, acks in marks])
        limit = self._plan.max_outbound_frames
        step = max(limit // _MARKS, 1)
        self._next_mark = min(self._frames + step, limit) if self._frames < limit else self._frames + step
