"""The HTTP/2 pool: many requests on a connection, its limits, and what becomes of requests when it ends."""

import pytest

from tests.support import h2wire as h2
from tests.support.h2wire import GOAWAY, PING, RST_STREAM, data, frame, goaway, head, rst, settings
from tests.support.relay import Relay, get, post

OPTIONS = "http2_protocol_options: {%s}"


def start(options="", cluster="", **more):
    """A relay whose cluster speaks HTTP/2."""
    return Relay(cluster=f"{{{OPTIONS % options}{', ' + cluster if cluster else ''}}}", **more)


def ask(relay, path="/"):
    """A request on a client connection of its own."""
    relay.connect()
    relay.sends(get(path=path))


def reply(stream, body=b"ok"):
    return head(stream, fields=[(b":status", b"200")], end=False) + data(stream, body)


def streams(upstream):
    return sorted(h2.messages(upstream.wire.out, b":method"))


def resets(upstream):
    return {one.stream: h2.code(one) for one in h2.frames(upstream.wire.out) if one.kind == RST_STREAM}


def test_requests_share_a_connection():
    relay = start()
    ask(relay, "/1")
    ask(relay, "/2")
    assert relay.connecting == 1
    upstream = relay.accept()
    assert upstream.wire.out.startswith(h2.PREFACE)
    assert streams(upstream) == [1, 3]
    upstream.sends(settings() + reply(3))
    assert relay.response.body == b"ok"
    assert relay.level("upstream_rq_active") == 1
    assert relay.count("upstream_cx_http2_total") == 1


def test_the_upstreams_limit_of_streams_makes_requests_wait():
    relay = start()
    ask(relay)
    upstream = relay.accept()
    upstream.sends(settings((3, 1)))
    ask(relay)
    assert streams(upstream) == [1]
    upstream.sends(reply(1))
    assert streams(upstream) == [1, 3]


def test_our_own_limit_of_streams_makes_more_connections():
    relay = start("max_concurrent_streams: 1")
    ask(relay)
    ask(relay)
    assert relay.connecting == 2


def test_a_reset_by_the_upstream_fails_one_request():
    relay = start()
    ask(relay)
    upstream = relay.accept()
    upstream.sends(settings() + rst(1, 2))
    assert relay.seen == "UR upstream_reset_before_response_started{remote_reset}"
    assert not upstream.closed
    ask(relay)
    upstream.sends(reply(3))
    assert relay.response.status == 200


def test_a_client_that_leaves_resets_its_stream_alone():
    relay = start()
    ask(relay)
    upstream = relay.accept()
    ask(relay)
    relay.leaves()
    assert resets(upstream) == {3: 2}
    assert not upstream.closed
    assert relay.counts("rq_tx_reset cx_destroy") == {"rq_tx_reset": 1, "cx_destroy": 0}


def test_goaway_refuses_what_was_not_taken_and_lets_the_rest_finish():
    relay = start()
    ask(relay)
    upstream = relay.accept()
    first = relay.wire
    ask(relay)
    upstream.sends(settings() + goaway(1))
    assert relay.seen == "UR upstream_reset_before_response_started{remote_refused_stream_reset}"
    ask(relay)
    assert relay.connecting == 1
    assert not upstream.closed
    upstream.sends(reply(1))
    assert b"200" in first.out
    assert upstream.closed
    assert relay.count("upstream_cx_close_notify") == 1


def test_a_lost_connection_fails_all_its_requests():
    relay = start()
    ask(relay)
    upstream = relay.accept()
    first = relay.wire
    ask(relay)
    upstream.ends()
    assert b"503" in first.out
    assert relay.seen == "UC upstream_reset_before_response_started{connection_termination}"
    assert relay.level("upstream_rq_active") == 0


def test_an_upstream_that_breaks_the_protocol_is_left():
    relay = start()
    ask(relay)
    upstream = relay.accept()
    upstream.sends(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert relay.seen == "UPE upstream_reset_before_response_started{protocol_error}"
    assert upstream.closed
    assert h2.code(next(one for one in h2.frames(upstream.wire.out) if one.kind == GOAWAY)) in (1, 6)


def test_a_refused_connection_fails_those_that_wait():
    relay = start()
    ask(relay)
    relay.refuse()
    assert relay.response.status == 503
    assert relay.counts("rq_pending_failure_eject cx_connect_fail") == {
        "rq_pending_failure_eject": 1,
        "cx_connect_fail": 1,
    }


@pytest.mark.parametrize(
    ("limits", "counter"),
    [("max_pending_requests: 0", "upstream_rq_pending_overflow"), ("max_requests: 0", "upstream_rq_active_overflow")],
)
def test_circuit_breakers_hold(limits, counter):
    relay = start(cluster=f"circuit_breakers: {{thresholds: [{{{limits}}}]}}")
    ask(relay)
    if "pending" not in limits:
        relay.accept()
    assert (relay.response.status, relay.count(counter)) == (503, 1)


def test_max_requests_per_connection_retires_it():
    relay = start(cluster="max_requests_per_connection: 1")
    ask(relay)
    upstream = relay.accept()
    upstream.sends(settings() + reply(1))
    assert upstream.closed
    assert relay.count("upstream_cx_max_requests") == 1
    ask(relay)
    assert relay.connecting == 1


def test_an_idle_connection_is_closed():
    relay = start(cluster="common_http_protocol_options: {idle_timeout: 2s}")
    ask(relay)
    upstream = relay.accept()
    upstream.sends(settings() + reply(1))
    relay.wait(2.2)
    assert upstream.closed
    assert relay.count("upstream_cx_idle_timeout") == 1


def test_an_old_connection_takes_no_new_request():
    relay = start(cluster="common_http_protocol_options: {max_connection_duration: 2s}")
    ask(relay)
    upstream = relay.accept()
    relay.wait(2.2)
    ask(relay)
    assert relay.connecting == 1
    assert not upstream.closed


def test_an_upstream_that_answers_no_ping_is_left():
    relay = start("connection_keepalive: {interval: 2s, timeout: 1s, interval_jitter: {value: 0}}")
    ask(relay)
    upstream = relay.accept()
    upstream.sends(settings())
    relay.wait(2.1)
    assert PING in [one.kind for one in h2.frames(upstream.wire.out)]
    relay.wait(1.2)
    assert upstream.closed
    assert relay.seen == "UC upstream_reset_before_response_started{connection_termination}"


def test_a_body_waits_for_the_upstreams_window_and_holds_its_client():
    relay = start()
    relay.sends(post(3 << 20))
    upstream = relay.accept()
    upstream.sends(settings((4, 5)))
    relay.sends(b"x" * (2 << 20))
    assert "pause_reading" in relay.wire.events
    upstream.sends(h2.window(1, 4 << 20) + h2.window(0, 4 << 20))
    assert "resume_reading" in relay.wire.events


def test_a_response_is_held_while_its_client_reads_too_slowly():
    relay = start("initial_stream_window_size: 65535")
    ask(relay)
    upstream = relay.accept()
    upstream.sends(settings() + head(1, fields=[(b":status", b"200")], end=False))
    relay.client.pause_writing()
    for _ in range(3):
        upstream.sends(data(1, b"x" * 16000, end=False))
    relay.settle()
    assert not [one for one in h2.frames(upstream.wire.out) if one.kind == h2.WINDOW_UPDATE and one.stream == 1]
    relay.client.resume_writing()
    relay.settle()
    assert [one for one in h2.frames(upstream.wire.out) if one.kind == h2.WINDOW_UPDATE and one.stream == 1]


def test_pushes_are_refused():
    relay = start()
    ask(relay)
    upstream = relay.accept()
    upstream.sends(settings() + frame(h2.PUSH_PROMISE, 4, 1, b"\0\0\0\2" + h2.block(*h2.GET)))
    assert upstream.closed


def test_the_protocol_of_the_client_is_followed():
    options = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    follow = (
        f"{{'@type': type.googleapis.com/{options}, use_downstream_protocol_config: {{http2_protocol_options: {{}}}}}}"
    )
    relay = Relay(cluster=f"typed_extension_protocol_options: {{{options}: {follow}}}")
    ask(relay)
    assert relay.accept().wire.out.startswith(b"GET / HTTP/1.1")
    relay.connect()
    relay.sends(h2.opening() + head(1))
    assert relay.accept().wire.out.startswith(h2.PREFACE)


def test_requests_of_one_turn_leave_in_one_write_and_the_last_word_before_the_end():
    relay = start()
    ask(relay)
    upstream = relay.accept()
    upstream.sends(settings())
    relay.settle()
    connection = upstream.wire.protocol
    before = len(upstream.wire.out)
    connection.codec.ping(b"12345678")
    connection.codec.ping(b"abcdefgh")
    assert len(upstream.wire.out) == before
    connection.close()
    assert [one.kind for one in h2.frames(upstream.wire.out[before:])] == [h2.PING, h2.PING]
