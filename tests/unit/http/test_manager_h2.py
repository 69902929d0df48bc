"""The connection manager of an HTTP/2 client: streams end alone, the connection ends in two steps, limits hold."""

import pytest

from tests.support import h2wire as h2
from tests.support.h2wire import GOAWAY, PING, POST, RST_STREAM, data, frame, head, opening, rst, window
from tests.support.relay import Relay, answer

SLOW = "timeout: 0s"


def client(first=b"", *values, **options):
    """A client that has begun to speak HTTP/2."""
    relay = Relay(**options)
    return relay.sends(opening(*values) + first)


def got(relay):
    """What the client has got, by stream."""
    return h2.messages(relay.wire.out, b":status")


def goaways(relay):
    return [int.from_bytes(one.payload[:4], "big") for one in h2.frames(relay.wire.out) if one.kind == GOAWAY]


def resets(relay):
    return {one.stream: h2.code(one) for one in h2.frames(relay.wire.out) if one.kind == RST_STREAM}


def stat(relay, name):
    return relay.fakes.counter("http.in.downstream_" + name)


def test_streams_are_served_at_once_and_answered_as_they_come():
    relay = client(head(1) + head(3))
    first, second = relay.accept(), relay.accept()
    second.sends(answer(body=b"two"))
    first.sends(answer(body=b"one"))
    assert {stream: found[0].body for stream, found in got(relay).items()} == {1: b"one", 3: b"two"}
    assert (stat(relay, "rq_http2_total"), stat(relay, "rq_http1_total"), stat(relay, "cx_http2_total")) == (2, 0, 1)


@pytest.mark.parametrize("plain", ["", "yes"])
def test_the_short_way_and_the_general_way_answer_alike(plain):
    relay = client(head(1), plain=plain)
    upstream = relay.accept()
    upstream.sends(answer())
    for stream in (3, 5, 7):
        relay.sends(head(stream))
        upstream.sends(answer())
    seen = [sorted(found[0].headers) for found in got(relay).values()]
    assert len(seen) == 4
    assert all(one == seen[0] for one in seen)
    assert relay.count("upstream_rq_200") == 4


def test_an_http1_client_is_served_by_the_same_listener():
    relay = Relay()
    relay.sends(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    relay.accept().sends(answer())
    assert relay.response.status == 200


def test_the_preface_may_come_in_pieces():
    relay = Relay()
    relay.sends(opening()[:10]).sends(opening()[10:] + head(1))
    relay.accept().sends(answer())
    assert got(relay)[1][0].status == 200


def test_a_reset_frees_the_upstream_and_leaves_the_others():
    relay = client(head(1) + head(3))
    first, second = relay.accept(), relay.accept()
    relay.sends(rst(1))
    assert first.closed
    second.sends(answer())
    assert got(relay)[3][0].status == 200
    assert stat(relay, "rq_rx_reset") == 1


def test_an_answer_before_the_request_is_whole_asks_the_client_to_stop_a_little_later():
    relay = client(head(1, fields=POST, end=False))
    relay.accept().sends(answer())
    assert (got(relay)[1][0].status, resets(relay)) == (200, {})
    relay.wait(0.2)
    assert resets(relay) == {1: 0}


def test_an_upstream_that_fails_in_its_body_resets_the_stream():
    relay = client(head(1))
    upstream = relay.accept()
    upstream.sends(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart")
    upstream.ends()
    assert got(relay)[1][0].framing == "reset 2"
    assert not relay.wire.closed


def test_a_slow_client_stops_its_own_upstream():
    relay = client(head(1), (4, 10), plain="yes")
    upstream = relay.accept()
    size = 3 << 20
    upstream.sends(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"x" * (2 << 20))
    assert "pause_reading" in upstream.wire.events
    relay.sends(window(0, 4 << 20) + window(1, 4 << 20))
    assert "resume_reading" in upstream.wire.events


def test_a_response_that_nobody_takes_does_not_wait_for_ever():
    relay = client(head(1), (4, 0), hcm="stream_idle_timeout: 2s", plain="yes")
    relay.accept().sends(answer())
    relay.wait(2.2)
    assert resets(relay) == {1: 2}


def test_an_idle_connection_says_that_it_ends_and_then_does():
    relay = client(hcm="{common_http_protocol_options: {idle_timeout: 3s}, drain_timeout: 1s}")
    relay.wait(3.1)
    assert goaways(relay) == [0x7FFFFFFF]
    assert not relay.wire.closed
    relay.sends(head(1))
    relay.accept().sends(answer())
    relay.wait(1.1)
    assert goaways(relay) == [0x7FFFFFFF, 1]
    relay.wait(1.2)
    assert relay.wire.closed


def test_a_listener_that_drains_waits_until_its_client_has_seen_the_notice():
    relay = client(head(1))
    upstream = relay.accept()
    relay._listener.drain()
    ping = next(one for one in h2.frames(relay.wire.out) if one.kind == PING)
    relay.sends(head(3) + frame(PING, h2.ACK, 0, ping.payload) + head(5))
    assert goaways(relay) == [0x7FFFFFFF, 3]
    assert resets(relay) == {5: 7}
    upstream.sends(answer())
    upstream.sends(answer())
    assert [found[0].status for found in got(relay).values() if found[0].status] == [200, 200]
    relay.wait(1.2)
    assert relay.wire.closed


def test_a_listener_that_drains_does_not_wait_long_for_a_client_that_does_not_answer():
    relay = client()
    relay._listener.drain()
    relay.wait(1.1)
    assert goaways(relay) == [0x7FFFFFFF, 0]
    relay.wait(1.2)
    assert relay.wire.closed


def test_max_requests_per_connection_ends_it_gracefully():
    relay = client(head(1), hcm="common_http_protocol_options: {max_requests_per_connection: 1}")
    relay.accept().sends(answer())
    assert goaways(relay) == [0x7FFFFFFF]
    assert stat(relay, "cx_max_requests_reached") == 1


def test_a_connection_that_is_to_end_does_so_although_a_request_was_answered_before_its_end():
    relay = client(
        head(1, fields=POST, end=False),
        hcm="{common_http_protocol_options: {max_requests_per_connection: 1}, drain_timeout: 1s}",
    )
    relay.accept().sends(answer())
    relay.wait(1.1)
    assert (goaways(relay), resets(relay)) == ([0x7FFFFFFF, 1], {1: 0})
    relay.wait(1.2)
    assert relay.wire.closed


def test_many_early_resets_end_the_connection():
    relay = client(route=SLOW)
    for stream in range(1, 520, 2):
        if relay.wire.closed:
            break
        relay.sends(head(stream, fields=POST, end=False) + rst(stream))
    assert relay.wire.closed
    assert stat(relay, "rq_too_many_premature_resets") == 1


def test_a_broken_rule_ends_every_stream_and_the_connection():
    relay = client(head(1, fields=POST, end=False))
    upstream = relay.accept()
    relay.sends(data(0, b"x"))
    assert goaways(relay) == [1]
    assert upstream.closed
    assert (stat(relay, "cx_protocol_error"), stat(relay, "rq_rx_reset")) == (1, 1)


def test_a_client_that_leaves_takes_its_streams_along():
    relay = client(head(1) + head(3))
    first, second = relay.accept(), relay.accept()
    relay.leaves()
    assert first.closed
    assert second.closed
    assert relay.fakes.gauge("http.in.downstream_rq_active") == 0
    assert relay.fakes.gauge("http.in.downstream_cx_http2_active") == 0


def test_a_client_that_answers_no_ping_is_dropped():
    keepalive = "connection_keepalive: {interval: 2s, timeout: 1s, interval_jitter: {value: 0}}"
    relay = client(hcm=f"http2_protocol_options: {{{keepalive}}}")
    relay.wait(2.1)
    pings = [one for one in h2.frames(relay.wire.out) if one.kind == PING]
    relay.sends(frame(PING, h2.ACK, 0, pings[0].payload))
    relay.wait(1.5)
    assert not relay.wire.closed
    relay.wait(2.0)
    assert relay.wire.closed
    assert relay.fakes.counter("http2.keepalive_timeout") == 1


def test_a_request_head_that_never_ends_is_timed_out():
    relay = client(frame(h2.HEADERS, h2.END_STREAM, 1, h2.block(*h2.GET)), hcm="request_headers_timeout: 1s")
    relay.wait(1.1)
    assert got(relay)[1][0].status == 408


def test_a_request_of_bad_rules_leaves_the_connection_open():
    relay = client(head(1, fields=[*h2.GET[:2], (b":path", b"/a#b"), h2.GET[3]]) + head(3))
    relay.accept().sends(answer())
    assert [found[0].status for found in got(relay).values()] == [400, 200]
    assert not relay.wire.closed


def test_codec_type_http1_takes_no_preface():
    relay = Relay(hcm="codec_type: HTTP1")
    relay.sends(opening())
    assert b"400" in relay.wire.out[:20]
