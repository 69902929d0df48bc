"""A parser that begins in front of a chunked body: for a request whose upgrade is ignored (h2c).

httptools reads no body behind an upgrade and offers no way to have it.  So a parser of its own is given a head that
nobody sees, and goes on with the real bytes: the body, its trailers, and whatever requests follow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from httptools import HttpRequestParser

if TYPE_CHECKING:
    from pyvoy.http.h1.request_reader import RequestReader

_HEAD = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"


def chunks_for(reader: RequestReader) -> HttpRequestParser:
    """The parser, which has the head behind it."""
    events = _Events(reader)
    parser = HttpRequestParser(events)
    parser.feed_data(_HEAD)
    events.heard = True
    return parser


class _Events:
    """Hands on what the parser finds, once the made-up head is over."""

    __slots__ = ("heard", "reader")

    def __init__(self, reader: RequestReader) -> None:
        self.heard = False
        self.reader = reader

    def on_message_begin(self) -> None:
        if self.heard:
            self.reader.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self.heard:
            self.reader.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.heard:
            self.reader.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.heard:
            self.reader.on_headers_complete()

    def on_body(self, data: bytes) -> None:
        self.reader.on_body(data)

    def on_message_complete(self) -> None:
        self.reader.on_message_complete()
