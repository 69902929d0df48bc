"""The two directions of a stream as a held path sees them: order of the filters, what lies behind them, whom to pause.

Source: Envoy's decoder and encoder halves of FilterManager.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pyvoy.http.chain import ChainPlan, Entries
from pyvoy.http.headers import HeaderMap
from pyvoy.http.response_rules import has_status
from pyvoy.observe import details

if TYPE_CHECKING:
    from pyvoy.http.stream import HttpStream

HTTP_2 = "HTTP/2"


class ResponseSource(Protocol):
    """What produces the response (the router): told when to wait, and when nobody wants it any more."""

    def pause_response(self, pause: bool) -> None:
        """Stop or resume reading from the upstream."""


class RequestSide:
    """The request direction of a held path: first filter to last; the last one is terminal, nothing is behind it."""

    def entries(self, chain: ChainPlan) -> tuple[Entries, Entries, Entries]:
        return chain.request_headers, chain.request_data, chain.request_trailers

    def order(self, count: int) -> range:
        return range(count)

    def headers_out(self, stream: HttpStream, headers: HeaderMap, end: bool) -> None:
        """Nothing behind the terminal filter."""

    def data_out(self, stream: HttpStream, data: bytes, end: bool) -> None:
        """Nothing behind the terminal filter."""

    def trailers_out(self, stream: HttpStream, trailers: HeaderMap) -> None:
        """Nothing behind the terminal filter."""

    def limit_bytes(self, stream: HttpStream) -> int:
        return stream.request_buffer_limit_bytes

    def ends_apart(self, stream: HttpStream) -> bool:
        return stream.info.protocol != HTTP_2

    def too_large(self, stream: HttpStream) -> None:
        stream.count_too_large(request=True)
        if self.ends_apart(stream):
            stream.request_ended = False
        stream.send_local_reply(413, b"Payload Too Large", details=details.REQUEST_PAYLOAD_TOO_LARGE)

    def pause_source(self, stream: HttpStream, pause: bool) -> None:
        stream.pause_request(pause)


class ResponseSide:
    """The response direction of a held path: last filter to first, then the codec."""

    def entries(self, chain: ChainPlan) -> tuple[Entries, Entries, Entries]:
        return chain.response_headers, chain.response_data, chain.response_trailers

    def order(self, count: int) -> range:
        return range(count - 1, -1, -1)

    def headers_out(self, stream: HttpStream, headers: HeaderMap, end: bool) -> None:
        if has_status(headers) or stream.refuse_headless():
            stream.encode_headers(headers, end)

    def data_out(self, stream: HttpStream, data: bytes, end: bool) -> None:
        stream.encode_data(data, end)

    def trailers_out(self, stream: HttpStream, trailers: HeaderMap) -> None:
        stream.encode_trailers(trailers)

    def limit_bytes(self, stream: HttpStream) -> int:
        return stream.response_buffer_limit_bytes

    def ends_apart(self, stream: HttpStream) -> bool:
        return stream.info.upstream_protocol != HTTP_2

    def too_large(self, stream: HttpStream) -> None:
        stream.count_too_large(request=False)
        stream.send_local_reply(500, b"Internal Server Error", details=details.RESPONSE_PAYLOAD_TOO_LARGE)

    def pause_source(self, stream: HttpStream, pause: bool) -> None:
        stream.pause_response(pause)


REQUEST_SIDE = RequestSide()
RESPONSE_SIDE = ResponseSide()
