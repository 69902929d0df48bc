"""The HTTP/1 pool: which connection a request gets, and when a connection is given up."""

import pytest

from tests.support.relay import Relay, answer, get, post


def ask(relay, path="/"):
    """A request on a client connection of its own."""
    relay.connect()
    relay.sends(get(path=path))


def breaker(**limits):
    """A cluster with these thresholds."""
    words = ", ".join(f"{name}: {value}" for name, value in limits.items())
    return f"circuit_breakers: {{thresholds: [{{{words}}}]}}"


def test_an_idle_connection_is_used_again_the_last_one_first():
    relay = Relay()
    ask(relay)
    ask(relay)
    first, second = relay.accept(), relay.accept()
    first.sends(answer())
    second.sends(answer())
    ask(relay)
    assert (first.heads, second.heads, relay.connecting) == (1, 2, 0)


def test_a_request_waits_for_a_connection_at_the_limit():
    relay = Relay(cluster=breaker(max_connections=1))
    ask(relay, "/1")
    ask(relay, "/2")
    assert relay.connecting == 1
    upstream = relay.accept()
    assert upstream.heads == 1
    upstream.sends(answer())
    assert upstream.heads == 2
    assert relay.counts("cx_overflow rq_pending_overflow") == {"cx_overflow": 1, "rq_pending_overflow": 0}


def test_too_many_waiting_requests_overflow_without_a_host():
    relay = Relay(cluster=breaker(max_connections=1, max_pending_requests=1))
    ask(relay)
    relay.accept()
    ask(relay)
    ask(relay)
    assert (relay.response.status, relay.seen) == (503, "UO upstream_reset_before_response_started{overflow}")
    assert dict(relay.response.headers)[b"x-envoy-overloaded"] == b"true"
    assert relay.counts("rq_pending_overflow rq_active_overflow") == {"rq_pending_overflow": 1, "rq_active_overflow": 0}


def test_too_many_requests_overflow_when_their_connection_is_there():
    relay = Relay(cluster=breaker(max_requests=1))
    ask(relay)
    relay.accept()
    ask(relay)
    assert not relay.responses
    second = relay.accept()
    assert relay.response.status == 503
    assert (second.heads, second.closed) == (0, False)
    assert relay.counts("rq_pending_overflow rq_active_overflow") == {"rq_pending_overflow": 0, "rq_active_overflow": 1}


def test_all_who_wait_for_a_refused_connection_hear_it():
    relay = Relay(cluster=breaker(max_connections=1))
    ask(relay)
    relay.sends(b"")
    ask(relay)
    relay.refuse()
    assert relay.response.status == 503
    assert relay.count("upstream_rq_pending_failure_eject") == 2
    assert relay.level("upstream_rq_pending_active") == 0


def test_a_request_that_is_given_up_leaves_its_connection_to_others():
    relay = Relay()
    ask(relay)
    relay.leaves()
    upstream = relay.accept()
    assert (upstream.heads, upstream.closed) == (0, False)
    assert relay.count("upstream_rq_cancelled") == 1
    ask(relay)
    assert upstream.heads == 1


@pytest.mark.parametrize(
    ("given", "counted"),
    [
        (answer(200, "Connection: close"), "cx_close_notify"),
        (answer(200, "Connection: x, Close"), "cx_close_notify"),
        (answer().replace(b"HTTP/1.1", b"HTTP/1.0"), "cx_close_notify"),
        (answer() + b"more", "cx_protocol_error"),
        (answer() + answer(), "cx_protocol_error"),
        (b"HTTP/1.1 204 No Content\r\n\r\nmore", "cx_protocol_error"),
    ],
)
def test_a_response_after_which_the_connection_is_given_up(given, counted):
    relay = Relay()
    ask(relay)
    upstream = relay.accept()
    upstream.sends(given)
    assert relay.response.complete
    assert upstream.closed
    names = "cx_close_notify cx_protocol_error cx_destroy_with_active_rq"
    assert relay.counts(names) == {name: int(name == counted) for name in names.split()}
    assert relay.level("upstream_rq_active") == relay.level("upstream_cx_active") == 0


@pytest.mark.parametrize("line", ["Connection: keep-alive", "X-A: b"])
def test_http_1_0_is_kept_only_when_the_upstream_says_so(line):
    relay = Relay()
    ask(relay)
    upstream = relay.accept()
    upstream.sends(answer(200, line).replace(b"HTTP/1.1", b"HTTP/1.0"))
    assert upstream.closed == (line == "X-A: b")


def test_the_body_that_a_head_request_has_none_of_is_stray():
    relay = Relay()
    relay.sends(get(method="HEAD"))
    upstream = relay.accept()
    upstream.sends(answer())
    assert (relay.response.status, upstream.closed) == (200, True)
    assert relay.count("upstream_cx_protocol_error") == 1


@pytest.mark.parametrize(("data", "errors"), [(b"stray", 1), (answer(408), 0)])
def test_bytes_on_an_idle_connection_end_it(data, errors):
    relay = Relay()
    ask(relay)
    upstream = relay.accept()
    upstream.sends(answer())
    upstream.sends(data)
    assert upstream.closed
    assert relay.count("upstream_cx_protocol_error") == errors


def test_a_connection_serves_so_many_requests():
    relay = Relay(http="max_requests_per_connection: 2")
    ask(relay)
    upstream = relay.accept()
    upstream.sends(answer())
    ask(relay)
    upstream.sends(answer())
    assert upstream.closed
    assert relay.count("upstream_cx_max_requests") == 1


def test_an_idle_connection_is_closed_after_its_time():
    relay = Relay(http="idle_timeout: 5s")
    ask(relay)
    upstream = relay.accept()
    relay.wait(6)
    upstream.sends(answer())
    relay.wait(4.9)
    assert not upstream.closed
    relay.wait(0.2)
    assert upstream.closed
    assert relay.count("upstream_cx_idle_timeout") == 1


def test_a_connection_ends_after_its_duration_but_not_under_a_request():
    relay = Relay(http="max_connection_duration: 5s")
    ask(relay)
    upstream = relay.accept()
    relay.wait(6)
    assert not upstream.closed
    upstream.sends(answer())
    assert (relay.response.status, upstream.closed) == (200, True)
    ask(relay)
    idle = relay.accept()
    idle.sends(answer())
    relay.wait(5.1)
    assert idle.closed
    assert relay.count("upstream_cx_max_duration_reached") == 2


def test_a_lost_connection_is_replaced_for_those_who_wait():
    relay = Relay(cluster=breaker(max_connections=1))
    ask(relay)
    upstream = relay.accept()
    ask(relay)
    upstream.ends()
    assert relay.connecting == 1
    relay.accept().sends(answer())
    assert relay.response.status == 200


def test_a_close_that_ends_a_response_is_no_cut():
    relay = Relay()
    ask(relay)
    upstream = relay.accept()
    upstream.sends(b"HTTP/1.1 200 OK\r\n\r\nhel")
    upstream.sends(b"lo")
    upstream.ends()
    assert (relay.response.status, relay.response.body) == (200, b"hello")
    assert relay.count("upstream_cx_destroy_with_active_rq") == 0


def test_a_slow_upstream_holds_the_client_back():
    relay = Relay()
    relay.sends(post(10))
    upstream = relay.accept()
    upstream.protocol.pause_writing()
    assert relay.wire.events.count("pause_reading") == 1
    upstream.protocol.resume_writing()
    assert relay.wire.events.count("resume_reading") == 1


def test_a_slow_client_holds_the_upstream_back_and_not_whoever_comes_next():
    relay = Relay()
    ask(relay)
    upstream = relay.accept()
    upstream.sends(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nabc")
    relay.client.pause_writing()
    assert upstream.wire.events.count("pause_reading") == 1
    upstream.sends(b"def")
    assert upstream.wire.events.count("resume_reading") == 1
    relay.client.resume_writing()
    assert upstream.wire.events.count("resume_reading") == 1


def test_the_codec_s_counters_are_listed_with_the_first_connection():
    relay = Relay()
    name = "cluster.up.http1.response_flood"
    assert name not in relay.fakes.store._counters
    ask(relay)
    assert name in relay.fakes.store._counters


def test_the_limit_of_an_attempt_holds_on_a_connection_used_again():
    relay = Relay(http="max_stream_duration: 0.5s", plain="yes")
    ask(relay)
    upstream = relay.accept()
    upstream.sends(answer())
    relay.sends(get())
    relay.wait(0.6)
    assert relay.response.status == 504
