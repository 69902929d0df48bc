"""Conversations with the public h2 library on the other side: bodies both ways, whatever the reads and windows are."""

import h2.config
import h2.connection
import h2.events
import h2.settings
import pytest

from pyvoy.http.h2.client import Http2ClientCodec
from pyvoy.http.h2.frames import PREFACE
from pyvoy.http.h2.limits import Http2Plan
from pyvoy.http.headers import HeaderMap
from tests.support.h2server import Server, Stats

SIZES = [0, 1, 16384, 16385, 65536, 300_000]


def cut(data, size):
    """The pieces of `data`, each of at most `size` bytes."""
    return [data[at : at + size] for at in range(0, len(data), size)]


class Peer:
    """The other side, and what it has got by stream; it takes what comes at once."""

    def __init__(self, *, client, window=65535):
        config = h2.config.H2Configuration(client_side=client, header_encoding=None)
        self.h2 = h2.connection.H2Connection(config)
        self.h2.local_settings = h2.settings.Settings(client, {h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: window})
        self.h2.initiate_connection()
        self.bodies = {}
        self.ended = set()
        self.waiting = {}

    def feed(self, data):
        for event in self.h2.receive_data(data):
            stream = getattr(event, "stream_id", 0)
            if isinstance(event, h2.events.DataReceived):
                self.bodies[stream] = self.bodies.get(stream, b"") + event.data
                self.h2.acknowledge_received_data(event.flow_controlled_length, stream)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(stream)
            elif isinstance(event, h2.events.ConnectionTerminated):
                raise AssertionError(event)

    def send(self, stream, body):
        self.waiting[stream] = body

    def pump(self):
        """Send as much as the windows allow."""
        for stream in list(self.waiting):
            while stream in self.waiting and self._send_piece(stream):
                pass

    def _send_piece(self, stream):
        body = self.waiting[stream]
        size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
        if body and not size:
            return False
        self.waiting[stream] = body[size:]
        self.h2.send_data(stream, body[:size], end_stream=size == len(body))
        if size == len(body):
            del self.waiting[stream]
        return True


def exchange(peer, feed, take, size):
    """Hand bytes over, both ways, until neither side has more to say."""
    for _ in range(2000):
        peer.pump()
        there = peer.h2.data_to_send()
        for piece in cut(there, size):
            feed(piece)
        back = take()
        for piece in cut(back, size):
            peer.feed(piece)
        if not there and not back and not peer.waiting:
            return
    raise AssertionError("it does not come to an end")


@pytest.mark.parametrize("size", [7, 1000, 1 << 20])
@pytest.mark.parametrize("window", [1000, 65535])
def test_a_server_with_an_h2_client(size, window):
    server = Server(started=False, stream_window_bytes=65535)
    peer = Peer(client=True, window=window)
    bodies = [bytes([65 + number]) * length for number, length in enumerate(SIZES)]
    for number, body in enumerate(bodies):
        fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]
        peer.h2.send_headers(1 + 2 * number, fields)
        peer.send(1 + 2 * number, body)

    def take():
        for stream, request in server.requests.items():
            if request.ended and stream not in answered:
                answered.add(stream)
                server.respond(stream, request.body[::-1] + b".")
        written, server.written = server.written, b""
        return written

    answered = set()
    exchange(peer, server.feed, take, size)
    assert [request.body for request in server.requests.values()] == bodies
    assert [peer.bodies[1 + 2 * number] for number in range(len(bodies))] == [body[::-1] + b"." for body in bodies]
    assert len(peer.ended) == len(bodies)
    assert server.error is None


class Response:
    """What a client codec's sink has got."""

    def __init__(self):
        self.body = b""
        self.ended = self.gone = False

    def on_headers(self, headers, end):
        self.ended = end

    def on_data(self, data, end):
        self.body += data
        self.ended = end

    def on_trailers(self, trailers):
        self.ended = True

    def on_gone(self):
        self.gone = True

    def on_high_watermark(self):
        pass

    def on_low_watermark(self):
        pass


class Pool:
    """The owner of a client codec."""

    def on_settings(self):
        pass

    def on_goaway(self):
        raise AssertionError("goaway")

    def on_connection_error(self, error):
        raise error

    def on_ping_answered(self, payload):
        pass


@pytest.mark.parametrize("size", [7, 1000, 1 << 20])
@pytest.mark.parametrize("window", [1000, 65535])
def test_a_client_with_an_h2_server(size, window):
    written = []
    codec = Http2ClientCodec(Pool(), written.append, Http2Plan(stream_window_bytes=65535), Stats(), lambda: 0)
    codec.start(PREFACE)
    peer = Peer(client=False, window=window)
    peer.feed(written.pop())
    codec.feed(peer.h2.data_to_send())
    sinks = []
    for number, length in enumerate(SIZES):
        sinks.append(Response())
        stream = codec.new_stream(sinks[-1])
        fields = [(b":method", b"POST"), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a")]
        codec.send_headers(stream, HeaderMap(fields), False)
        codec.send_data(stream, bytes([65 + number]) * length, True)

    def take():
        data = b"".join(written)
        written.clear()
        return data

    answered = set()

    def feed(data):
        codec.feed(data)

    for _ in range(3):
        exchange(peer, feed, take, size)
        for stream in peer.ended - answered:
            answered.add(stream)
            peer.h2.send_headers(stream, [(b":status", b"200")])
            peer.send(stream, peer.bodies.get(stream, b"") + b".")
    assert [len(sink.body) - 1 for sink in sinks] == SIZES
    assert all(sink.ended and sink.gone for sink in sinks)
    assert not codec.streams
