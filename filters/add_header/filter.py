"""add_header: every response says hello, and its location is ours."""

from pyvoy.api import HeaderMap, Stream, StreamFilter


class AddHeader(StreamFilter):
    """On the lower level: one event, no state."""

    def on_response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> None:
        headers.add(b"hello", b"world!")
        headers.set(b"location", b"envoy-wasm")
