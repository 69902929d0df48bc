"""The server codec with a recorder around it: bytes in, calls and frames out."""

from pyvoy.http.h2.limits import Http2Plan
from pyvoy.http.h2.server import Http2ServerCodec
from pyvoy.http.headers import HeaderMap
from tests.support import h2wire as h2


class Count:
    """A counter or gauge."""

    def __init__(self):
        self.value = 0

    def inc(self, n=1):
        self.value += n

    def dec(self):
        self.value -= 1

    def sub(self, n):
        self.value -= n


class Stats:
    """Makes a counter for every name."""

    def __getattr__(self, name):
        setattr(self, name, Count())
        return getattr(self, name)


class Sink:
    """One request as it came."""

    def __init__(self):
        self.headers = None
        self.body = b""
        self.trailers = None
        self.ended = False

    def on_headers(self, headers, end):
        self.headers = headers
        self.ended = end

    def on_data(self, data, end):
        self.body += data
        self.ended = end

    def on_trailers(self, trailers):
        self.trailers = trailers
        self.ended = True


class Server:
    """A server codec, its requests by stream, and what it wrote."""

    def __init__(self, *values, started=True, unwritten=0, **plan):
        self.written = b""
        self.requests = {}
        self.resets = []
        self.malformed = []
        self.watermarks = []
        self.early = []
        self.partial = 0
        self.error = None
        self.pongs = []
        self.stats = Stats()
        self.codec = Http2ServerCodec(self, self._write, Http2Plan(**plan), self.stats, lambda: unwritten)
        if started:
            self.feed(h2.opening(*values))
            self.written = b""

    def _write(self, data):
        self.written += data

    def feed(self, *data):
        for piece in data:
            self.codec.feed(piece)

    # ---- Http2ServerSink ----

    def new_stream(self, stream_id):
        self.requests[stream_id] = Sink()
        return self.requests[stream_id]

    def on_request(self, stream_id, head, body):
        self.new_stream(stream_id).on_headers(head.headers(), True)

    def on_stream_reset(self, stream_id, code):
        self.resets.append((stream_id, code))

    def on_stream_error(self, stream_id, details):
        self.malformed.append((stream_id, details))

    def on_stream_watermark(self, stream_id, high):
        self.watermarks.append((stream_id, high))

    def on_stream_closed(self, stream_id):
        pass

    def on_early_answer(self, stream_id):
        self.early.append(stream_id)

    def on_connection_error(self, error):
        self.error = error

    def on_partial_head(self, stream):
        self.partial += 1

    def on_head_complete(self, stream):
        self.partial -= 1

    def on_ping_answered(self, payload):
        self.pongs.append(payload)

    # ---- what it wrote ----

    @property
    def frames(self):
        return h2.frames(self.written)

    def kinds(self):
        return [one.kind for one in self.frames]

    def sent(self, kind):
        return [one for one in self.frames if one.kind == kind]

    @property
    def goaway(self):
        """The error code of the connection's end, None while it goes on."""
        found = self.sent(h2.GOAWAY)
        return h2.code(found[-1]) if found else None

    def reset_codes(self):
        return {one.stream: h2.code(one) for one in self.sent(h2.RST_STREAM)}

    def respond(self, stream, body=b"ok", **headers):
        fields = [(b":status", b"200"), *((name.encode(), value) for name, value in headers.items())]
        self.codec.send_response(stream, HeaderMap(fields), body)
        self.codec.finish(stream)

    def body(self, stream):
        return b"".join(one.payload for one in self.sent(h2.DATA) if one.stream == stream)
