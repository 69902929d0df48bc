"""What the codec keeps of one stream.  No behaviour beyond its own counting."""

from __future__ import annotations

from collections import deque
from typing import Any

from pyvoy.http.headers import HeaderMap


class CodecStream:
    """One stream that is not closed.  Owned by its codec."""

    __slots__ = (
        "blocked",
        "connect",
        "expected",
        "final",
        "headless",
        "held_bytes",
        "local_ended",
        "meter",
        "paused",
        "pending",
        "pending_bytes",
        "pending_end",
        "pending_reset",
        "pending_trailers",
        "receive_left",
        "received",
        "remote_ended",
        "send_window",
        "sink",
        "stream_id",
        "unacked",
        "upgrade",
    )

    def __init__(self, stream_id: int, sink: Any, send_window: int, receive_window: int) -> None:
        self.stream_id = stream_id
        self.sink = sink
        """Receives the message; None for one that was delivered whole."""
        self.send_window = send_window
        self.receive_left = receive_window
        self.unacked = 0
        """Received bytes that no WINDOW_UPDATE has given back."""
        self.held_bytes = 0
        """Bytes that came while the stream was paused: given back when it goes on."""
        self.paused = 0
        self.remote_ended = False
        self.local_ended = False
        self.expected = -1
        """The announced content-length, -1 for none."""
        self.received = 0
        self.final = False
        """A head other than 1xx has come."""
        self.headless = False
        """The peer's message has no body, whatever its length says (the answer to HEAD)."""
        self.connect = False
        self.upgrade = b""
        """The protocol of an extended CONNECT."""
        self.pending: deque[bytes] | None = None
        """Body that waits for the peer's window."""
        self.pending_bytes = 0
        self.pending_end = False
        self.pending_reset: int | None = None
        """The code of the reset that comes behind what waits, in place of an end."""
        self.pending_trailers: HeaderMap | None = None
        self.blocked = False
        """Whoever produces the body has been told to wait."""
        self.meter: Any = None
        """Where the stream's bytes on the wire are counted (a StreamInfo), when somebody asks."""
