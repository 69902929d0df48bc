"""What an upstream may say wrong: what ends the connection, what ends one stream, and what does not matter."""

from struct import pack

import pytest

from pyvoy.http.h2.client import Http2ClientCodec
from pyvoy.http.h2.limits import Http2Plan
from pyvoy.http.headers import HeaderMap
from pyvoy.observe.details import Reset
from tests.support import h2wire as h2
from tests.support.h2server import Stats
from tests.support.h2wire import (
    ACK,
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    HAS_PRIORITY,
    HEADERS,
    PING,
    PRIORITY,
    SETTINGS,
    block,
    data,
    frame,
    goaway,
    head,
    rst,
    settings,
    window,
)

OK = [(b":status", b"200")]
WHOLE = head(1, fields=OK, end=False) + data(1, b"ok")
ITSELF = pack(">IB", 1, 7)
LARGE = frame(HEADERS, END_STREAM, 1, block(*OK)) + frame(CONTINUATION, 0, 1, block((b"x", b"y" * 16000))) * 5


class Response:
    """One response as it came."""

    def __init__(self):
        self.status = None
        self.interim = []
        self.body = b""
        self.ended = False
        self.reset = None
        self.gone = 0

    def on_informational(self, headers):
        self.interim.append(headers.map[b":status"])

    def on_headers(self, headers, end):
        self.status = headers.map[b":status"]
        self.headers = headers
        self.ended = end

    def on_data(self, data, end):
        self.body += data
        self.ended = end

    def on_trailers(self, trailers):
        self.ended = True

    def on_reset(self, reason, _detail):
        self.reset = reason

    def on_gone(self):
        self.gone += 1


class Pool:
    """The pool's connection."""

    error = None
    goaways = 0

    def on_settings(self):
        pass

    def on_goaway(self):
        self.goaways += 1

    def on_connection_error(self, error):
        self.error = error


class Client:
    """A client codec with one request under way."""

    def __init__(self, method=b"GET"):
        self.written = []
        self.pool = Pool()
        self.stats = Stats()
        self.codec = Http2ClientCodec(self.pool, self.written.append, Http2Plan(), self.stats, lambda: 0)
        self.codec.start(h2.PREFACE)
        self.codec.feed(settings())
        self.response = self.ask(method)

    def ask(self, method=b"GET"):
        response = Response()
        stream = self.codec.new_stream(response)
        pairs = [(b":method", method), (b":scheme", b"http"), (b":path", b"/"), (b":authority", b"a.test")]
        self.codec.send_headers(stream, HeaderMap(pairs), True)
        return response

    @property
    def resets(self):
        sent = h2.frames(b"".join(self.written))
        return [h2.code(one) for one in sent if one.kind == h2.RST_STREAM]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(frame(SETTINGS, ACK) * 2, id="settings acknowledged twice"),
        pytest.param(settings((2, 1)), id="a push allowed"),
        pytest.param(settings((8, 1)) + settings((8, 0)), id="extended CONNECT taken back"),
        pytest.param(goaway(1) + goaway(3), id="more streams taken than before"),
        pytest.param(goaway(2), id="a stream taken that is not ours"),
        pytest.param(data(1, b"x"), id="a body before any head"),
        pytest.param(data(3, b"x"), id="a body of no stream"),
        pytest.param(head(2, fields=OK), id="a stream of the upstream's"),
        pytest.param(window(1, 0x7FFFFFFF) * 2, id="a window too large"),
        pytest.param(LARGE + frame(CONTINUATION, 0, 1, b"\0" * 16000) * 20, id="a head without end"),
    ],
)
def test_the_connection_ends(pieces):
    client = Client()
    client.codec.feed(pieces)
    assert client.pool.error is not None
    assert client.resets in ([], [2])


@pytest.mark.parametrize(
    ("pieces", "reason", "code"),
    [
        pytest.param(
            head(1, fields=[(b":status", b"103")], end=False) + data(1, b"x"),
            Reset.PROTOCOL_ERROR,
            1,
            id="1xx with body",
        ),
        pytest.param(
            head(1, fields=[(b":status", b"204")], end=False) + data(1, b"x"),
            Reset.PROTOCOL_ERROR,
            1,
            id="204 with body",
        ),
        pytest.param(LARGE, Reset.REMOTE_RESET, 2, id="a large head that is not whole"),
        pytest.param(LARGE + frame(CONTINUATION, END_HEADERS, 1), Reset.REMOTE_RESET, 2, id="a large head"),
        pytest.param(rst(1, 10), Reset.CONNECT_ERROR, None, id="CONNECT_ERROR"),
    ],
)
def test_the_stream_alone_ends(pieces, reason, code):
    client = Client()
    client.codec.feed(pieces)
    assert (client.response.reset, client.pool.error) == (reason, None)
    assert client.response.gone == 1
    assert client.resets == ([] if code is None else [code])


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param(frame(SETTINGS, ACK) + WHOLE, id="settings acknowledged"),
        pytest.param(frame(PRIORITY, 0, 1, ITSELF) + frame(PRIORITY, 0, 0, ITSELF) + WHOLE, id="odd priorities"),
        pytest.param(
            frame(HEADERS, END_HEADERS | HAS_PRIORITY, 1, ITSELF + block(*OK)) + data(1, b"ok"), id="depends on itself"
        ),
        pytest.param(WHOLE + data(1, b"x") + head(1, fields=OK) + window(1, 5), id="frames behind the end"),
        pytest.param(frame(PING, 0, 0, b"12345678") * 900 + WHOLE, id="many pings"),
        pytest.param(goaway(0x7FFFFFFF) + goaway(1) + WHOLE, id="a graceful end"),
    ],
)
def test_what_does_not_matter(pieces):
    client = Client()
    client.codec.feed(pieces)
    assert (client.response.body, client.response.ended, client.response.reset) == (b"ok", True, None)
    assert client.pool.error is None


def test_a_flood_of_pings_ends_the_connection_behind_what_came_with_it():
    client = Client()
    client.codec.feed(frame(PING, 0, 0, b"12345678") * 1001 + WHOLE)
    assert (client.response.body, client.response.ended) == (b"ok", True)
    assert client.pool.error is not None
    assert client.stats.outbound_control_flood.value == 1


def test_a_head_answer_has_no_body_whatever_its_length_says():
    client = Client(b"HEAD")
    client.codec.feed(head(1, fields=[*OK, (b"content-length", b"5")]))
    assert (client.response.ended, client.response.reset) == (True, None)


def test_the_length_0_of_a_204_is_dropped_and_another_refused():
    client = Client()
    client.codec.feed(head(1, fields=[(b":status", b"204"), (b"content-length", b"0")]))
    assert client.response.headers.map == {b":status": b"204"}
    client.ask()
    client.codec.feed(head(3, fields=[(b":status", b"204"), (b"content-length", b"2")]))
    assert client.pool.error is not None


def test_the_table_goes_on_behind_a_head_that_was_too_large():
    client = Client()
    client.codec.feed(LARGE + frame(CONTINUATION, END_HEADERS, 1, b"\x40\x01a\x01b"))
    response = client.ask()
    client.codec.feed(frame(HEADERS, END_HEADERS | END_STREAM, 3, b"\x88\xbe"))
    assert response.headers.map == {b":status": b"200", b"a": b"b"}
