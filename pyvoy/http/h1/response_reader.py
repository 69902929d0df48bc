"""HTTP/1.1 responses out of an upstream's bytes.  Pure: bytes are handed in, what is read goes to the sink.

httptools does not know that a request was HEAD (and would take the next response for its body), so after such a head
the parser is thrown away, and any byte that is not part of the running response marks the connection as not reusable.
Sources: RFC 9112 6.3, 9.2; Envoy's http1 codec.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from pyvoy.http.codec import CodecError, ResponseSink
from pyvoy.http.h1.decoder import CODEC_ERROR, Http1Decoder, Silent
from pyvoy.http.h1.grammar import tokens
from pyvoy.http.h1.heads import ResponseHead, ResponseHeads
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.headers import HeaderMap

_MAX_INFORMATIONAL = 10_000


class UpstreamMeter(Protocol):
    """What counts the bytes of a request's attempts (a StreamInfo)."""

    upstream_wire_bytes_sent: int
    upstream_wire_bytes_received: int
    upstream_header_bytes_sent: int


class ResponseReader(Http1Decoder):
    """The reading half of a client codec, which writes the requests and notes here what of them decides on the reading.

    `reusable` is False once the connection must not carry another request.
    """

    __slots__ = (
        "_begun",
        "_bound_bytes",
        "_checker",
        "_chunked",
        "_connect",
        "_head_bytes",
        "_heads",
        "_informational",
        "_is_head",
        "_odd",
        "_parser",
        "_request_done",
        "_response_done",
        "_tunnel",
        "_until_close",
        "_upgrade",
        "close_announced",
        "meter",
        "on_complete",
        "reusable",
        "stray",
    )

    _sink: ResponseSink | None

    def __init__(self, on_complete: Callable[[], None], plan: Http1Plan, heads: ResponseHeads | None) -> None:
        super().__init__(plan)
        self._begin_head()
        self._heads = heads or ResponseHeads()
        self._checker: HttpResponseParser | None = None
        self._parser = HttpResponseParser(self)
        self.reusable = True
        self.close_announced = False
        """The upstream has said that it closes behind this response."""
        self.stray = False
        """Bytes have come that belong to no response."""
        self.on_complete = on_complete
        self.meter: UpstreamMeter | None = None
        """What counts the bytes of the running request, when somebody logs them."""
        self._is_head = False
        self._connect = False
        self._upgrade = False
        """The request asks for another protocol."""
        self._odd = False
        """The answer's framing depends on the request (HEAD, CONNECT, an upgrade)."""
        self._request_done = True
        self._response_done = True
        self._chunked = False
        self._until_close = False
        self._tunnel = False
        self._informational = 0
        self._head_bytes = 0
        self._bound_bytes = 0
        self._begun = False

    @property
    def response_done(self) -> bool:
        """True when no response is due (the parser's callbacks change it while it runs)."""
        return self._response_done

    @property
    def tunnelling(self) -> bool:
        """True once the upstream has accepted the upgrade."""
        return self._tunnel

    @property
    def ends_at_close(self) -> bool:
        """True when the close of the connection is the proper end of the running response."""
        return self._in_body and self._until_close and not self._tunnel

    @property
    def mid_message(self) -> bool:
        """True when a part of a response has come and not the rest."""
        return self._begun

    # ---- bytes ----

    def feed(self, data: bytes) -> None:
        """Bytes from the upstream.  Raises CodecError when they are not HTTP/1.

        `on_complete` is called behind the parser, never inside it: the connection may be given the next request there,
        and bytes behind this response must not reach it.
        """
        if self.meter is not None:
            self.meter.upstream_wire_bytes_received += len(data)
        if self._tunnel:
            if self._sink is not None:
                self._sink.on_data(data, False)
            return
        if self._response_done:
            self._on_stray()
            return
        if self._in_body:
            if self._remaining > 0:
                self._feed_body(data)
                return
            self._quiet_bytes += len(data)
        elif not self._begun and data[:1] in b"\r\n":
            raise CodecError(CODEC_ERROR, 502)  # llhttp would wait; RFC 9112 2.2 allows it before requests only
        self._bound_bytes = self._head_bytes + len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._after_upgrade(data[upgrade.args[0] :])
            return
        except HttpParserError as error:
            if not self.response_done:
                raise self.explain(error) from None
            self._on_stray()
        if not self.response_done:
            self._end_read()
        elif self._request_done:
            self.on_complete()

    def _feed_body(self, data: bytes) -> None:
        """A read within a body of known length goes past the parser, which would copy it."""
        left = self._remaining - len(data)
        sink = self._sink
        if left > 0:
            self._remaining = left
            if sink is not None:
                sink.on_data(data, False)
            return
        self._remaining = 0
        self._in_body = False
        self._parser = HttpResponseParser(self)  # the old one still waits for the body
        if sink is not None:
            sink.on_data(data[:left] if left else data, True)
        self._finish_response()
        if left:
            self._on_stray()
        if self._request_done:
            self.on_complete()

    def feed_whole(self, data: bytes) -> bool:
        """The ordinary case: one read holds exactly one response with a Content-Length.  False when it does not, and
        then nothing has been done with the data.  Raises CodecError."""
        if self._in_body or self._odd or self._head_bytes or self._response_done:
            return False
        end = data.find(b"\r\n\r\n")
        if end < 0:
            return False
        raw = data[:end]
        head = self._heads.known(raw) or self._heads.read(raw, self._plan)
        if head is None or len(data) != head.size_bytes + head.length_bytes:
            return False
        if not head.judged:
            self._judge(raw, head, data)
        if head.closes:
            self.reusable = False
            self.close_announced = True
        sink = self._sink
        self._response_done = True
        self._sink = None
        if sink is not None:
            sink.on_response(head, data[head.size_bytes :])
        if self._request_done:
            self.on_complete()
        return True

    def _judge(self, raw: bytes, head: ResponseHead, data: bytes) -> None:
        """Let the parser see every byte, without its callbacks.  Raises CodecError."""
        checker = self._checker
        if checker is None:
            checker = self._checker = HttpResponseParser(Silent())
        try:
            checker.feed_data(data)
        except HttpParserError as error:
            raise self.explain(error) from None
        self._heads.keep(raw, head)

    def _end_read(self) -> None:
        """The response goes on behind this read."""
        if self._chunks:
            self._give_chunks()
        if not self._in_body:
            self._head_bytes = self._bound_bytes
            if self._head_bytes > self._plan.head_limit_bytes + 4096 and not self._informational:
                raise self.too_large()
        elif self._chunked and self._quiet_bytes > self._plan.head_limit_bytes:
            raise self.too_large()

    def feed_eof(self) -> bool:
        """The upstream closed; True when that ended the response properly (close-delimited)."""
        self.reusable = False
        if self._tunnel:
            return False  # Envoy resets: a tunnel has no proper end
        if self._response_done:
            return True
        if self._in_body and self._until_close:
            self._in_body = False
            self._respond_end(None)
            if self._request_done:
                self.on_complete()
            return True
        return False

    def _on_stray(self) -> None:
        self.reusable = False
        self.stray = True

    # ---- the parser's callbacks ----

    def on_message_begin(self) -> None:
        """httptools: the first byte of a message; none may come when no response is due."""
        if self._response_done:
            self._on_stray()
        else:
            self._begun = True

    def on_headers_complete(self) -> None:
        """httptools: the response head is whole."""
        if self._response_done:
            return
        status = self._parser.get_status_code()
        headers = self._headers
        self._check_head(self._bound_bytes)
        if status < 100 or status > 999:
            raise self.refuse(CodecError(CODEC_ERROR, 502))
        self._put_status(headers, b"%d" % status)
        if status < 200 and status != 101:
            return
        if status == 101 and not self._upgrade:
            raise self.refuse(CodecError(CODEC_ERROR, 502))
        end = self._frame(status, headers.map)
        if self._connect and 200 <= status < 300:
            self._begin_tunnel()
        self._until_close = not end and not self._chunked and self._remaining < 0
        self._keep_alive(headers.map)
        headers.remove(b"keep-alive")
        self._in_body = not end
        self._quiet_bytes = 0
        if self._sink is not None:
            self._sink.on_headers(headers, end)
        if end and self._is_head:
            self._head_done()

    def _put_status(self, headers: HeaderMap, status: bytes) -> None:
        values = {b":status": status}
        values.update(headers.map)
        headers.map = self._values = values
        if headers.pairs is not None:
            headers.pairs.insert(0, (b":status", status))

    def _frame(self, status: int, values: dict[bytes, bytes]) -> bool:
        """How the body is delimited (RFC 9112 6.3); True when there is none."""
        coding = values.get(b"transfer-encoding")
        length = values.get(b"content-length")
        self._chunked = False
        self._remaining = -1
        if status == 101 or (self._connect and 200 <= status < 300):
            return False
        if coding is not None:
            if coding.lower() != b"chunked" or status == 204:
                raise self.refuse(CodecError("http1.invalid_transfer_encoding", 502))
            self._chunked = True
        elif length is not None:
            self._remaining = int(length)
            if status == 204 and self._remaining:
                raise self.refuse(CodecError("http1.content_length_not_allowed", 502))
        if self._is_head or status in (204, 304):
            return True
        return self._remaining == 0

    def _keep_alive(self, values: dict[bytes, bytes]) -> None:
        connection = values.get(b"connection")
        if self._until_close:
            self.reusable = False
        words = () if connection is None else tokens(connection)
        if b"close" in words or (b"keep-alive" not in words and self._parser.get_http_version() != "1.1"):
            self.reusable = False
            self.close_announced = True

    def _head_done(self) -> None:
        """The answer to HEAD ends with its head, whatever the parser believes."""
        self._parser = HttpResponseParser(self)
        self._finish_response()

    def on_body(self, data: bytes) -> None:
        """httptools: a piece of the body."""
        self._quiet_bytes = 0
        if not self._in_body:
            self._on_stray()
            return
        if self._chunked:
            self._chunks.append(data)
            return
        end = False
        if self._remaining > 0:
            self._remaining -= len(data)
            end = self._remaining == 0
            if end:
                self._in_body = False
        if self._sink is not None:
            self._sink.on_data(data, end)

    def on_message_complete(self) -> None:
        """httptools: the message is over; an informational one is followed by the real one."""
        if self._chunks:
            self._give_chunks()
        status = self._values.get(b":status", b"")
        if self._response_done:
            self._begin_head()
            return
        if status[:1] == b"1" and status != b"101":
            self._on_informational()
            return
        if status == b"101":
            return
        if self._in_body:
            self._in_body = False
            self._respond_end(self._trailers)
        else:
            self._finish_response()

    def _on_informational(self) -> None:
        self._informational += 1
        if self._informational > _MAX_INFORMATIONAL:
            raise self.refuse(CodecError(CODEC_ERROR, 502))
        if self._sink is not None:
            self._sink.on_informational(self._headers)
        self._begin_head()
        self._begun = False
        self._trailers = None

    # ---- ends ----

    def _respond_end(self, trailers: HeaderMap | None) -> None:
        sink = self._sink
        if sink is not None:
            if trailers is not None and self._plan.enable_trailers:
                sink.on_trailers(trailers)
            else:
                sink.on_data(b"", True)
        self._finish_response()

    def _finish_response(self) -> None:
        self._response_done = True
        if self._request_done:
            self.meter = None
        self._begun = False
        self._sink = None
        self._trailers = None
        self._begin_head()

    def _begin_tunnel(self) -> None:
        self._tunnel = True
        self._begun = False
        self.reusable = False

    def _after_upgrade(self, rest: bytes) -> None:
        self._begin_tunnel()
        self._in_body = True
        if rest and self._sink is not None:
            self._sink.on_data(rest, False)
