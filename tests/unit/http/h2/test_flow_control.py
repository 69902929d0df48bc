"""Windows both ways: nothing is sent beyond them, nothing is lost at them, credit comes back as bytes are used."""

from pyvoy.http.headers import HeaderMap
from tests.support import h2wire as h2
from tests.support.h2server import Server
from tests.support.h2wire import DATA, POST, WINDOW_UPDATE, data, head, settings, window

OPEN = head(1, fields=POST, end=False)


def increments(server, stream):
    return [int.from_bytes(one.payload, "big") for one in server.sent(WINDOW_UPDATE) if one.stream == stream]


def test_a_response_stops_at_the_streams_window_and_goes_on_with_it():
    server = Server((4, 1))
    server.feed(head(1))
    server.respond(1, b"hello")
    assert server.body(1) == b"h"
    server.feed(window(1, 2))
    assert server.body(1) == b"hel"
    server.feed(settings((4, 100)))
    assert server.body(1) == b"hello"
    assert server.sent(DATA)[-1].flags == h2.END_STREAM


def test_a_window_that_shrinks_below_zero_holds_everything_until_it_is_positive_again():
    server = Server((4, 3))
    server.feed(head(1))
    server.respond(1, b"hello")
    server.feed(settings((4, 1)))
    server.feed(window(1, 2))
    assert server.body(1) == b"hel"
    server.feed(window(1, 1))
    assert server.body(1) == b"hell"


def test_the_connections_window_is_shared_frame_by_frame():
    server = Server((4, 1 << 20))
    server.feed(head(1), head(3))
    server.respond(1, b"a" * 60000)
    server.respond(3, b"b" * 60000)
    assert (len(server.body(1)), len(server.body(3))) == (60000, 5535)
    server.feed(window(0, 100000))
    assert len(server.body(3)) == 60000


def test_frames_keep_to_the_clients_frame_size():
    server = Server((4, 1 << 20))
    server.feed(window(0, 1 << 20), head(1))
    server.respond(1, b"x" * 40000)
    assert [len(one.payload) for one in server.sent(DATA)] == [16384, 16384, 7232]


def test_trailers_wait_behind_the_body():
    server = Server((4, 2))
    server.feed(head(1))
    server.codec.send_headers(1, HeaderMap([(b":status", b"200")]), False)
    server.codec.send_data(1, b"body", False)
    server.codec.send_trailers(1, HeaderMap([(b"x-t", b"1")]))
    assert server.body(1) == b"bo"
    server.feed(window(1, 9))
    message = h2.messages(server.written, b":status")[1][0]
    assert (message.body, message.trailers, message.complete) == (b"body", [(b"x-t", b"1")], True)


def test_a_producer_is_told_to_wait_and_to_go_on():
    server = Server((4, 0))
    server.codec.pending_limit_bytes = 10
    server.feed(head(1))
    server.codec.send_headers(1, HeaderMap([(b":status", b"200")]), False)
    server.codec.send_data(1, b"x" * 11, False)
    assert server.watermarks == [(1, True)]
    server.feed(window(1, 6))
    assert server.watermarks == [(1, True), (1, False)]


def test_credit_comes_back_half_a_window_at_a_time():
    server = Server(stream_window_bytes=100, connection_window_bytes=65535)
    server.feed(OPEN, data(1, b"x" * 49, False))
    assert increments(server, 1) == []
    server.feed(data(1, b"x", False))
    assert increments(server, 1) == [50]
    assert increments(server, 0) == []


def test_a_paused_stream_gives_no_credit_until_it_goes_on():
    server = Server(stream_window_bytes=100)
    server.feed(OPEN)
    server.codec.pause(1, True)
    server.feed(data(1, b"x" * 80, False))
    assert increments(server, 1) == []
    server.codec.pause(1, False)
    assert increments(server, 1) == [80]


def test_what_a_paused_stream_held_is_credited_to_the_connection_when_it_is_reset():
    server = Server(stream_window_bytes=65535, connection_window_bytes=65535)
    server.feed(OPEN)
    server.codec.pause(1, True)
    server.feed(*[data(1, b"x" * 10000, False)] * 4, h2.rst(1))
    assert increments(server, 0) == [40000]


def test_a_client_beyond_its_window_loses_the_stream():
    server = Server(stream_window_bytes=10)
    server.feed(OPEN, data(1, b"x" * 11, False))
    assert server.reset_codes() == {1: 3}


def test_a_client_beyond_the_connections_window_loses_the_connection():
    server = Server(stream_window_bytes=1 << 20, connection_window_bytes=65535)
    server.feed(OPEN)
    server.codec.pause(1, True)
    server.feed(*[data(1, b"x" * 16000, False)] * 5)
    assert server.goaway == 3


def test_padding_counts_and_is_given_back():
    server = Server(stream_window_bytes=20)
    server.feed(OPEN, h2.frame(DATA, h2.PADDED, 1, b"\x09x" + b"\0" * 9))
    assert increments(server, 1) == [11]


def test_a_request_behind_its_answer_is_still_held_to_the_rules():
    server = Server()
    server.feed(OPEN)
    server.respond(1)
    assert (server.early, server.reset_codes()) == ([1], {})
    server.feed(head(1, fields=[(b":method", b"GET")]))
    assert server.goaway == 1


def test_a_request_that_ends_behind_its_answer_needs_no_reset():
    server = Server()
    server.feed(OPEN)
    server.respond(1)
    server.feed(data(1, b"late"))
    assert (server.reset_codes(), server.goaway, server.codec.streams) == ({}, None, {})


def test_a_tunnel_that_is_lost_is_reset_behind_what_waits_of_it():
    server = Server((4, 1))
    server.feed(OPEN)
    server.codec.send_headers(1, HeaderMap([(b":status", b"200")]), False)
    server.codec.send_data(1, b"hello", False)
    server.codec.reset_behind(1, 10)
    server.codec.finish(1)
    assert server.reset_codes() == {}
    server.feed(window(1, 10))
    assert (server.body(1), server.reset_codes()) == (b"hello", {1: 10})


def test_an_early_answer_that_waited_for_the_window_is_told_of_when_it_is_out():
    server = Server((4, 1))
    server.feed(OPEN)
    server.respond(1, b"hello")
    assert server.early == []
    server.feed(window(1, 10))
    assert (server.early, server.body(1)) == ([1], b"hello")


def test_the_answer_to_head_has_no_body():
    server = Server()
    server.feed(head(1, fields=[(b":method", b"HEAD"), *h2.GET[1:]]))
    server.respond(1, b"hello", **{"content-length": b"5"})
    assert server.body(1) == b""
    assert h2.messages(server.written, b":status")[1][0].complete
