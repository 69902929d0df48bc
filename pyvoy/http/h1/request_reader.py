"""HTTP/1.1 requests out of a client's bytes, and whose turn it is.  Pure: bytes are handed in, requests go to sinks.

httptools cannot pause, and one read may hold many pipelined requests: the first goes to its stream, later ones are kept
as recorded events until `deliver_next` says that it is their turn.  A head that does not come whole has its stream from
its first bytes on, so that time-outs and logs know of it.  Sources: RFC 9112; Envoy's http1 codec for statuses, details
and the order of checks.
"""

from __future__ import annotations

from collections import deque

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from pyvoy.http.codec import CodecError, RequestSink, ServerSink
from pyvoy.http.h1.decoder import Http1Decoder, Silent
from pyvoy.http.h1.grammar import tokens
from pyvoy.http.h1.heads import RequestBlock, RequestHead, RequestHeads
from pyvoy.http.h1.limits import Http1Plan, Underscores
from pyvoy.http.h1.pipeline import CLOSE_MODE, GET_MODE, Mode, Waiting
from pyvoy.http.h1.request_head import place_pseudo_headers, upgrade_counts


class RequestReader(Http1Decoder):
    """The reading half of a server codec, which writes the responses."""

    __slots__ = (
        "_begun",
        "_bound_bytes",
        "_busy",
        "_checker",
        "_chunked",
        "_early",
        "_fast_limit",
        "_head_bytes",
        "_heads",
        "_method",
        "_mode",
        "_next_id",
        "_parser",
        "_queue",
        "_target",
        "_tunnel",
        "_upgrade",
        "_version_10",
        "broken",
        "protocol",
        "server",
    )

    _sink: RequestSink | None

    def __init__(self, server: ServerSink, plan: Http1Plan, heads: RequestHeads | None) -> None:
        super().__init__(plan)
        self._heads = heads or RequestHeads()
        self._checker: HttpRequestParser | None = None
        self._fast_limit = plan.head_limit_bytes if plan.underscores is Underscores.ALLOW else 0
        self.server = server
        self.protocol = "HTTP/1.1"
        self.broken = False
        """True after a fault: nothing more is read."""
        self._parser: HttpRequestParser | None = None
        self._target = b""
        self._begun = False
        self._head_bytes = 0
        self._bound_bytes = 0
        self._mode = GET_MODE
        """What of the running request decides on its response."""
        self._busy = False
        self._queue: deque[Waiting] | None = None
        self._early = False
        """The running stream began with the first bytes of its head, which is not whole."""
        self._next_id = 1
        self._chunked = False
        self._method = b""
        self._version_10 = False
        self._upgrade = False
        self._tunnel = False

    # ---- bytes ----

    def feed(self, data: bytes) -> None:
        """Bytes from the client."""
        if self._tunnel:
            if self._sink is not None:
                self._sink.on_data(data, False)
            return
        if self.broken:
            return
        if self._in_body:
            if self._remaining > 0 and not self._upgrade:
                self._feed_body(data)
                return
            self._quiet_bytes += len(data)
        self._bound_bytes = self._head_bytes + len(data)
        parser = self._parser
        if parser is None:
            self._begin_head()
            parser = self._parser = HttpRequestParser(self)
        try:
            parser.feed_data(data)
        except HttpParserUpgrade as upgrade:
            self._after_upgrade(data[upgrade.args[0] :])
            return
        except HttpParserError as error:
            self._fail(self.explain(error))
            return
        if self._chunks:
            self._give_chunks()
        if self._begun and (self._sink is None or self._early):
            self._check_partial_head(data)
        elif self._in_body and self._chunked and self._quiet_bytes > self._plan.head_limit_bytes:
            self._fail(self.too_large())

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
        self._parser = None  # the old one still waits for the body
        if sink is not None:
            sink.on_data(data[:left] if left else data, True)
        self.on_message_complete()
        if left:
            self.feed(data[left:])

    def feed_request(self, data: bytes) -> bool:
        """The ordinary case: one read holds exactly one request, with its body if it has one.  False when it is
        anything else, and then nothing has been done: it is for `feed`."""
        if self._begun or self.broken or self._tunnel or len(data) > self._fast_limit:
            return False
        cut = data.find(b"\r\n") + 2
        end = data.find(b"\r\n\r\n") + 4
        block = self._heads.blocks.get(data[cut:end])
        head = None if block is None else block.heads.get(data[:cut])
        if head is None:
            head = self._read_head(data, cut, end, block)
            if head is None:
                return self.broken
        elif len(data) != end + head.length_bytes:
            return False
        if self._busy:
            waiting = self._wait(head.mode)
            waiting.on_headers(head.headers(), not head.length_bytes)
            if head.length_bytes:
                waiting.on_data(data[end:], True)
            return True
        self._busy = True
        self._mode = head.mode
        stream_id = self._next_id
        self._next_id = stream_id + 2
        self.server.on_request(stream_id, head, data[end:])
        return True

    def _read_head(self, data: bytes, cut: int, end: int, known: RequestBlock | None) -> RequestHead | None:
        """The head, which is not known, of a whole request; its field lines stand between `cut` and `end`.  None when
        it is no such request, and then a fault has been answered or the data is for `feed`.  The parser judges every
        byte, only without a callback per header."""
        method, _, rest = data[: cut - 2].partition(b" ")
        target = rest[:-9]
        if end < cut or rest[-9:] != b" HTTP/1.1" or target[:1] != b"/" or b" " in target:
            return None
        block = data[cut:end]
        fields = self._heads.fields(block, self._plan.count_limit) if known is None else known.fields.copy()
        if fields is None or len(data) != end + int(fields.get(b"content-length", b"0")):
            return None
        checker = self._checker
        if checker is None:
            checker = self._checker = HttpRequestParser(Silent())
        try:
            checker.feed_data(data)
        except HttpParserError as error:
            self._fail(self.explain(error))
            return None
        fields[b":path"] = target
        fields[b":method"] = method
        self._version_10 = self._upgrade = False
        head = RequestHead(fields, self._mode_of(method, fields.get(b"connection")), known)
        self._heads.keep(data[:cut], block, head)
        return head

    def remember_in(self, heads: RequestHeads) -> None:
        """Another memory of heads, when another plan decides what they become."""
        self._heads = heads

    def _check_partial_head(self, data: bytes) -> None:
        """A head that is still coming may not outgrow its limit; what came before its first byte does not count."""
        before = data.rfind(b"\r\n\r\n")
        self._head_bytes = self._bound_bytes if before < 0 else len(data) - before - 4
        if self._head_bytes > self._plan.head_limit_bytes:
            self._fail(self.too_large())
        elif not self._busy:
            self._begin_early()

    def _after_upgrade(self, rest: bytes) -> None:
        """llhttp stops behind an upgrade request: the rest is the new protocol, or HTTP after an ignored upgrade."""
        if self._upgrade:
            self._tunnel = True
            self._in_body = False
            if rest and self._sink is not None:
                self._sink.on_data(rest, False)
            return
        self._parser = HttpRequestParser(self)
        if rest:
            self.feed(rest)

    def _fail(self, error: CodecError) -> None:
        """Answer the fault on the stream it belongs to, in its turn."""
        self.broken = True
        self._in_body = False
        sink = self._sink
        if sink is None:
            sink = self._next_sink()
        self._sink = None
        self._early = False
        sink.on_codec_error(error)

    # ---- the parser's callbacks ----

    def on_message_begin(self) -> None:
        """httptools: the first byte of a message."""
        self._begun = True

    def on_url(self, url: bytes) -> None:
        """httptools: a piece of the request target."""
        self._target += url

    def on_headers_complete(self) -> None:
        """httptools: the head is whole; everything that Envoy's codec checks before the stream sees it."""
        parser = self._parser
        assert parser is not None
        headers = self._headers
        values = self._values
        self._version_10 = False
        if parser.get_http_version() != "1.1":
            self._old_version(parser.get_http_version(), values)
        self._check_head(self._bound_bytes, len(self._target))
        self._head_bytes = 0
        self._method = parser.get_method()
        try:
            place_pseudo_headers(headers, self._method, self._target, self._plan)
            self._upgrade = b"upgrade" in values or self._method == b"CONNECT"
            if self._upgrade:
                self._upgrade = upgrade_counts(headers, self._method, self._plan)
        except CodecError as error:
            raise self.refuse(error) from None
        values = self._values = headers.map
        end = True
        self._remaining = 0
        self._chunked = False
        coding = values.get(b"transfer-encoding")
        if coding is not None:
            self._check_coding(coding)
            end = False
        else:
            length = values.get(b"content-length")
            if length is not None:
                self._remaining = int(length)
                end = self._remaining == 0
        end = end and not self._upgrade
        self._in_body = not end
        self._quiet_bytes = 0
        sink = self._sink = self._next_sink()
        sink.on_headers(headers, end)

    def _old_version(self, version: str, values: dict[bytes, bytes]) -> None:
        if version != "1.0" or not self._plan.accept_http_10:
            raise self.refuse(CodecError("low_version", 426, b"Upgrade Required"))
        if b"transfer-encoding" in values:
            raise self.refuse(CodecError("http1.transfer_encoding_not_allowed_in_http1_0"))
        self._version_10 = True
        self.protocol = "HTTP/1.0"
        self._fast_limit = 0
        if b"host" not in values and self._plan.default_host:
            values[b"host"] = self._plan.default_host

    def _check_coding(self, coding: bytes) -> None:
        if coding.lower() != b"chunked":
            raise self.refuse(CodecError("http1.invalid_transfer_encoding", 501, b"Not Implemented"))
        if self._method == b"CONNECT":
            raise self.refuse(CodecError("http1.transfer_encoding_not_allowed"))
        self._chunked = True
        self._remaining = -1

    def on_body(self, data: bytes) -> None:
        """httptools: a piece of the body, chunk framing removed."""
        self._quiet_bytes = 0
        if self._chunked:
            self._chunks.append(data)
            return
        self._remaining -= len(data)
        end = self._remaining == 0 and not self._upgrade
        if end:
            self._in_body = False
        if self._sink is not None:
            self._sink.on_data(data, end)

    def on_message_complete(self) -> None:
        """httptools: the message is over."""
        if self._chunks:
            self._give_chunks()
        sink = self._sink
        if self._in_body and not self._upgrade:
            self._in_body = False
            trailers = self._trailers
            if sink is not None:
                if trailers is not None and self._plan.enable_trailers:
                    sink.on_trailers(trailers)
                else:
                    sink.on_data(b"", True)
        self._trailers = None
        if not self._upgrade:
            self._sink = None
            self._begun = False
        self._target = b""
        self._begin_head()

    # ---- turns ----

    def _begin_early(self) -> None:
        """Give a head that is still coming its stream."""
        self._early = True
        self._sink = self._open_stream(GET_MODE)
        self.server.on_partial_head(self._sink)

    def _next_sink(self) -> RequestSink:
        """The stream of the message that begins, or a recorder when it has to wait."""
        mode = self._mode_of(self._method, self._values.get(b"connection"))
        if self._early and self._sink is not None:
            self._early = False
            self._mode = mode
            self.server.on_head_complete(self._sink)
            return self._sink
        return self._wait(mode) if self._busy else self._open_stream(mode)

    def _mode_of(self, method: bytes, connection: bytes | None) -> Mode:
        if connection is None and method == b"GET" and not self._version_10:
            return GET_MODE
        close = self._version_10
        if connection == b"close" and method == b"GET" and not close and not self._upgrade:
            return CLOSE_MODE
        if connection is not None:
            asked = tokens(connection)
            close = b"close" in asked or (self._version_10 and b"keep-alive" not in asked)
        return Mode(method, self._version_10, self._upgrade, close)

    def _wait(self, mode: Mode) -> Waiting:
        waiting = Waiting(mode)
        if self._queue is None:
            self._queue = deque()
        self._queue.append(waiting)
        if len(self._queue) == 1:
            self.server.on_backlog(True)
        return waiting

    def _open_stream(self, mode: Mode) -> RequestSink:
        self._busy = True
        self._mode = mode
        stream_id = self._next_id
        self._next_id += 2
        return self.server.new_stream(stream_id)

    def finish(self, stream_id: int) -> bool:
        """The running stream is done; True when another waits, for which `deliver_next` is to be called.

        Not here: this may run inside the upstream's read, before its connection can take another request.
        """
        if self._queue:
            return True
        self._busy = False
        if self._begun and self._sink is None and not self.broken:
            self._begin_early()
        return False

    def deliver_next(self) -> None:
        """The next waiting request has its turn."""
        assert self._queue is not None
        waiting = self._queue.popleft()
        stream = self._open_stream(waiting.mode)
        if self._sink is waiting:
            self._sink = stream
        for name, arguments in waiting.events:
            getattr(stream, name)(*arguments)
        if not self._queue:
            self.server.on_backlog(False)
