"""The response of a stream: from the upstream through the filters to the codec.

A whole response passes the filters that see heads and leaves in one write; one that comes in pieces, or meets a filter
that looks at data, goes event by event.  Source: Envoy's FilterManager, its encoder half.
"""

from __future__ import annotations

from abc import abstractmethod

from pyvoy.http.filtered_stream import FilteredStream
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, LocalReply, Verdict
from pyvoy.http.response_rules import has_status
from pyvoy.http.sides import REQUEST_SIDE, RESPONSE_SIDE, RequestSide, ResponseSide
from pyvoy.observe import details


class ResponseStream(FilteredStream):
    """A stream's response; `HttpStream` is the rest of it."""

    def send_informational(self, headers: HeaderMap) -> None:
        """A 1xx response from the upstream: through the filters, to the client."""
        if self.finished or self.response_started or self.local_replied:
            return
        for slot, handler in self.chain.informational:
            self.call(handler, slot, headers)
            if self.over(REQUEST_SIDE):
                return
        self.manager.send_informational(self, headers)

    @property
    def response_is_streamed(self) -> bool:
        """Whether head and body have to pass the filters one after the other."""
        return self._response_path is not None or bool(self.chain.response_data)

    def respond(self, headers: HeaderMap, body: bytes) -> None:
        """A whole response of the upstream at once: head and body leave in one write, if they go out at once."""
        if not body:
            self._respond(headers, body)
            return
        codec = self.manager.codec
        codec.corked = True
        try:
            self._respond(headers, body)
        finally:
            codec.uncork()

    def _respond(self, headers: HeaderMap, body: bytes) -> None:
        if self.response_is_streamed:
            self.respond_headers(headers, not body)
            if body:
                self.respond_data(body, True)
            return
        if self.finished or self.local_replied:
            return
        if not self.enter_response(headers, not body):
            if body:
                self.respond_data(body, True)
            return
        if body and self.chain.response_data:  # a filter has just asked for it
            self.encode_headers(headers, False)
            self.respond_data(body, True)
            return
        self.send_whole(headers, body)

    def enter_response(self, headers: HeaderMap, end: bool) -> bool:
        """Show a response head to the filters; False when one of them stopped it or ended the stream."""
        self.response_headers = headers
        self._response_entered = True
        return not self.chain.response_headers or self._filter_response_headers(headers, end)

    def respond_headers(self, headers: HeaderMap, end: bool) -> None:
        """The upstream's response head."""
        if self.finished or self.local_replied:
            return
        self.active_s = self.services.clock()
        if self._response_path is not None:
            self.response_headers = headers
            self._response_entered = True
            self._response_path.headers(headers, end)
            self.run_recorded()
        elif self.enter_response(headers, end):
            self.encode_headers(headers, end)

    def _filter_response_headers(self, headers: HeaderMap, end: bool) -> bool:
        """Run the head through the filters; False when one of them stopped it or ended the stream."""
        self.info.response_code = int(headers.map[b":status"])
        filters = self.filters
        self._calling = True
        try:
            for slot, handler in self.chain.response_headers:
                verdict = handler(filters[slot], self, headers, end)
                if verdict is not CONTINUE or self._ending is not None or self._response_path is not None:
                    self._calling = False
                    self._leave_fast_path(RESPONSE_SIDE, slot, verdict, headers, end)
                    return False
        except Exception as error:  # the wall of the stream
            self._filter_failed(error)
        self._calling = False
        if self._ending is not None:
            self._end_recorded()
            return False
        return has_status(headers) or self.refuse_headless()

    def refuse_headless(self) -> bool:
        """A filter has left a response without what it cannot do without: another one goes out at once, past the
        filters, even where it was a local reply already."""
        detail = details.FILTER_REMOVED_REQUIRED_RESPONSE_HEADERS
        text = "missing required header: :status"
        self._reply_now(LocalReply(502, text.encode(), details=f"{detail}{{{text.replace(' ', '_')}}}"))
        return False

    def respond_data(self, data: bytes, end: bool) -> None:
        """A piece of the upstream's response body."""
        if self.finished or self.local_replied:
            return
        if self._response_path is not None:
            self._response_path.data(data, end)
            self.run_recorded()
            return
        filters = self.filters
        entries = self.chain.response_data
        if entries:
            self._calling = True
            try:
                for slot, handler in entries:
                    verdict = handler(filters[slot], self, data, end)
                    if verdict is not CONTINUE or self._ending is not None or self._response_path is not None:
                        self._calling = False
                        self._leave_fast_data(RESPONSE_SIDE, slot, verdict, data, end)
                        return
            except Exception as error:  # the wall of the stream
                self._filter_failed(error)
            self._calling = False
            if self._ending is not None:
                self._end_recorded()
                return
        self.encode_data(data, end)

    def respond_trailers(self, trailers: HeaderMap) -> None:
        """The upstream's trailers: the end of the response."""
        if self.finished or self.local_replied:
            return
        self.response_trailers = trailers
        self._path(RESPONSE_SIDE).trailers(trailers)
        self.run_recorded()

    # ---- out to the codec ----

    def send_whole(self, headers: HeaderMap, body: bytes) -> None:
        """A response has passed every filter and is whole."""
        self.response_started = True
        manager = self.manager
        manager.finish_response_headers(self, headers)
        if self.reason_phrase:
            manager.codec.next_reason(self.reason_phrase)
        self.info.bytes_sent = len(body)
        manager.codec.send_response(self.stream_id, headers, body)
        self.response_ended = True
        self._finish()

    def encode_headers(self, headers: HeaderMap, end: bool) -> None:
        """The response head has passed every filter: the manager's last rules, then the wire."""
        if self.finished:
            return
        self.response_started = True
        self.manager.finish_response_headers(self, headers)
        if self.reason_phrase:
            self.manager.codec.next_reason(self.reason_phrase)
        self.manager.codec.send_headers(self.stream_id, headers, end)
        if end:
            self._response_over()

    def encode_data(self, data: bytes, end: bool) -> None:
        """A piece of the body for the client."""
        if self.finished:
            return
        self.info.bytes_sent += len(data)
        self.manager.codec.send_data(self.stream_id, data, end)
        self.active_s = self.services.clock()
        if end:
            self._response_over()

    def encode_trailers(self, trailers: HeaderMap) -> None:
        """Trailers for the client: the end."""
        if self.finished:
            return
        self.manager.codec.send_trailers(self.stream_id, trailers)
        self._response_over()

    def _response_over(self) -> None:
        self.response_ended = True
        self._finish()

    # ---- flow control ----

    def pause_response(self, pause: bool) -> None:
        """Stop or resume reading from the upstream; calls nest."""
        before = self._response_paused
        self._response_paused += 1 if pause else -1
        if self.source is not None and (before == 0) != (self._response_paused == 0):
            self.source.pause_response(pause)

    def on_downstream_watermark(self, high: bool) -> None:
        """The client reads too slowly, or has caught up."""
        self.pause_response(high)

    # ---- what the whole stream does ----

    @abstractmethod
    def _leave_fast_path(
        self, side: RequestSide | ResponseSide, slot: int, verdict: Verdict, headers: HeaderMap, end: bool
    ) -> None:
        """Go on with a held path behind the filter of that slot, which has seen the head."""

    @abstractmethod
    def _leave_fast_data(
        self, side: RequestSide | ResponseSide, slot: int, verdict: Verdict, data: bytes, end: bool
    ) -> None:
        """The same behind one that has seen a piece of the body."""

    @abstractmethod
    def _finish(self) -> None:
        """End the stream."""
