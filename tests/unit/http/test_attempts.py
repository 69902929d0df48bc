"""What an attempt's response, failure or time-out means for the client, the statistics and the next attempt."""

import pytest

from tests.support.relay import Relay, answer, get, post

RETRY = "retry_policy: {retry_on: 5xx}"
PER_TRY = "retry_policy: {retry_on: 5xx, per_try_timeout: 0.2s}"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"


def asked(relay, data=None):
    """The upstream connection that has got a request."""
    relay.sends(data or get())
    return relay.accept()


# ---- responses


def test_a_response_is_passed_on_with_its_time():
    relay = Relay()
    upstream = asked(relay)
    relay.wait(0.25)
    upstream.sends(answer(200, "X-A: b"))
    headers = dict(relay.response.headers)
    assert (relay.response.status, relay.response.body, headers[b"x-a"]) == (200, b"ok", b"b")
    assert headers[b"x-envoy-upstream-service-time"] == b"250"
    assert relay.counts("rq_200 rq_2xx rq_completed rq_total") == dict.fromkeys(
        ("rq_200", "rq_2xx", "rq_completed", "rq_total"), 1
    )


def test_a_response_before_the_request_is_whole_closes_the_upstream_connection():
    relay = Relay()
    upstream = asked(relay, post(10) + b"abc")
    upstream.sends(answer(403))
    assert relay.response.status == 403
    assert upstream.closed
    assert relay.counts("cx_destroy_local_with_active_rq rq_403") == {"cx_destroy_local_with_active_rq": 1, "rq_403": 1}
    assert (relay.level("upstream_rq_active"), relay.level("upstream_cx_active")) == (0, 0)


def test_only_the_first_informational_response_counts_and_ends_the_retries():
    relay = Relay(vhost=RETRY)
    upstream = asked(relay)
    upstream.sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 3)
    upstream.sends(answer(503))
    relay.wait(1)
    assert [one.status for one in relay.responses] == [503]
    assert relay.counts("rq_103 rq_retry") == {"rq_103": 1, "rq_retry": 0}


# ---- failures


@pytest.mark.parametrize(
    ("given", "status", "seen"),
    [
        (b"", 503, "UC upstream_reset_before_response_started{connection_termination}"),
        (b"HTTP/1.1 2", 502, "UPE upstream_reset_before_response_started{protocol_error}"),
        (b"\r\n", 502, "UPE upstream_reset_before_response_started{protocol_error}"),
        (b"\x00garbage\r\n\r\n", 502, "UPE upstream_reset_before_response_started{protocol_error}"),
        (b"HTTP/1.1 103 X\r\n\r\n", 503, "UC upstream_reset_after_response_started{connection_termination}"),
    ],
)
@pytest.mark.parametrize("error", [None, ConnectionResetError()])
def test_an_upstream_that_ends_early_is_explained(given, status, seen, error):
    relay = Relay()
    upstream = asked(relay)
    if given:
        upstream.sends(given)
    if not upstream.closed:
        upstream.ends(error)
    assert (relay.response.status, relay.seen) == (status, seen)
    assert relay.counts("rq_rx_reset rq_tx_reset cx_protocol_error") == {
        "rq_rx_reset": 0,
        "rq_tx_reset": 0,
        "cx_protocol_error": int(status == 502),
    }
    assert relay.count("upstream_cx_destroy_with_active_rq") == 1


def test_an_upstream_that_ends_in_the_body_cuts_the_client_off():
    relay = Relay()
    upstream = asked(relay)
    upstream.sends(HEAD)
    upstream.ends()
    assert not relay.response.complete
    assert relay.wait(2).wire.closed
    assert relay.count("upstream_cx_protocol_error") == 1


def test_a_refused_connection_is_explained():
    relay = Relay()
    relay.sends(get())
    relay.refuse()
    assert relay.response.status == 503
    assert relay.seen == (
        "UF upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"
    )


def test_a_connection_that_takes_too_long_is_given_up():
    relay = Relay(cluster="connect_timeout: 0.5s").sends(get()).wait(0.6)
    assert relay.seen == "UF upstream_reset_before_response_started{connection_timeout}"
    assert relay.counts("cx_connect_timeout cx_connect_fail") == {"cx_connect_timeout": 1, "cx_connect_fail": 1}


def test_a_client_that_leaves_frees_the_upstream():
    relay = Relay()
    upstream = asked(relay)
    relay.leaves()
    assert upstream.closed
    assert relay.level("upstream_rq_active") == relay.level("upstream_cx_active") == 0


# ---- time-outs


def test_the_route_s_time_out_starts_with_the_whole_request():
    relay = Relay(route="timeout: 1s")
    upstream = asked(relay, post(4) + b"ab")
    relay.wait(5)
    assert not relay.responses
    relay.sends(b"cd").wait(1.1)
    assert (relay.response.status, relay.seen) == (504, "UT response_timeout")
    assert upstream.closed
    assert relay.counts("rq_timeout rq_504 rq_retry") == {"rq_timeout": 1, "rq_504": 1, "rq_retry": 0}


def test_a_time_out_in_the_body_cuts_the_client_off():
    relay = Relay(route="timeout: 1s")
    upstream = asked(relay)
    upstream.sends(HEAD)
    relay.wait(1.1)
    assert not relay.response.complete
    assert relay.wait(2).wire.closed
    assert upstream.closed
    assert relay.count("upstream_rq_timeout") == 1


def test_an_alternative_answer_to_a_time_out_is_204():
    ranges = "[{address_prefix: 127.0.0.0, prefix_len: 8}]"
    internal = f"{{use_remote_address: true, internal_address_config: {{cidr_ranges: {ranges}}}}}"
    relay = Relay(route="timeout: 1s", hcm=internal)
    asked(relay, get("x-envoy-upstream-rq-timeout-alt-response: 1"))
    relay.wait(1.1)
    assert (relay.response.status, relay.response.body) == (204, b"")


def test_a_try_that_takes_too_long_is_tried_again_while_the_connection_does_not_count():
    relay = Relay(vhost=PER_TRY).sends(get()).wait(0.3)
    first = relay.accept()
    relay.wait(0.25)
    assert first.closed
    relay.accept().sends(answer())
    assert relay.response.status == 200
    assert relay.counts("rq_per_try_timeout rq_retry rq_retry_success") == {
        "rq_per_try_timeout": 1,
        "rq_retry": 1,
        "rq_retry_success": 1,
    }


def test_a_try_without_another_is_a_time_out():
    relay = Relay(vhost="retry_policy: {per_try_timeout: 0.2s}")
    asked(relay)
    relay.wait(0.25)
    assert (relay.response.status, relay.seen) == (504, "UT upstream_per_try_timeout")


def test_a_silent_upstream_is_given_up_even_in_the_body():
    relay = Relay(vhost="retry_policy: {retry_on: 5xx, per_try_idle_timeout: 0.2s}")
    first = asked(relay)
    relay.wait(0.25)
    assert first.closed
    second = relay.accept()
    second.sends(HEAD)
    relay.wait(0.15)
    second.sends(b"wo")
    relay.wait(0.15)
    assert not second.closed
    relay.wait(0.1)
    assert second.closed
    assert not relay.response.complete
    assert relay.count("upstream_rq_per_try_idle_timeout") == 2


@pytest.mark.parametrize(("data", "status"), [(get(), 504), (post(4) + b"ab", 408)])
def test_the_cluster_limits_how_long_an_attempt_lasts(data, status):
    relay = Relay(http="max_stream_duration: 0.5s")
    upstream = asked(relay, data)
    relay.wait(0.6)
    assert (relay.response.status, relay.response.body) == (status, b"upstream max stream duration reached")
    assert relay.seen == "UMSDR upstream_max_stream_duration_reached"
    assert upstream.closed
    assert relay.count("upstream_rq_max_duration_reached") == 1


@pytest.mark.parametrize(
    ("route", "body"),
    [
        ("idle_timeout: 0.3s", b"stream timeout"),
        ("max_stream_duration: {max_stream_duration: 0.3s}", b"downstream duration timeout"),
        ("max_stream_duration: {grpc_timeout_header_max: 0.3s}", b"downstream duration timeout"),
    ],
)
def test_the_route_limits_its_streams(route, body):
    relay = Relay(route=route)
    asked(relay, get("grpc-timeout: 1S"))
    relay.wait(0.25)
    assert not relay.responses
    relay.wait(0.1)
    assert (relay.response.status, relay.response.body) == (504, body)


def test_the_route_switches_the_manager_s_limits_off():
    relay = Relay(
        route="{idle_timeout: 0s, max_stream_duration: {max_stream_duration: 0s}}",
        hcm="{stream_idle_timeout: 0.2s, common_http_protocol_options: {max_stream_duration: 0.3s}}",
    )
    upstream = asked(relay)
    relay.wait(60)
    upstream.sends(answer())
    assert relay.response.status == 200


# ---- retries


def test_a_retry_gets_the_whole_body_on_a_new_connection():
    relay = Relay(vhost=RETRY)
    first = asked(relay, post(6) + b"abc")
    relay.sends(b"def")
    first.sends(answer(503))
    relay.wait(0.1)
    second = relay.accept()
    assert second.wire.out.endswith(b"\r\n\r\nabcdef")
    second.sends(answer())
    assert relay.response.status == 200
    assert relay.count("retry.upstream_rq_503") == 1


def test_an_answer_without_a_body_keeps_its_connection_for_the_retry():
    relay = Relay(vhost=RETRY)
    upstream = asked(relay)
    upstream.sends(answer(503, body=b""))
    relay.wait(0.1)
    assert (relay.connecting, upstream.heads) == (0, 2)


def test_no_retry_is_left():
    relay = Relay(vhost="retry_policy: {retry_on: 5xx, num_retries: 0}")
    asked(relay).sends(answer(503))
    assert (relay.response.status, relay.seen) == (503, "URX via_upstream")
    assert relay.count("upstream_rq_retry_limit_exceeded") == 1


def test_the_breaker_allows_no_retry():
    relay = Relay(vhost=RETRY, cluster="circuit_breakers: {thresholds: [{max_retries: 0}]}")
    asked(relay).sends(answer(503))
    assert (relay.response.status, relay.seen) == (503, "UO via_upstream")
    assert relay.count("upstream_rq_retry_overflow") == 1


def test_a_time_out_in_a_back_off_charges_nobody():
    relay = Relay(route="timeout: 0.5s", vhost="retry_policy: {retry_on: 5xx, retry_back_off: {base_interval: 60s}}")
    asked(relay).sends(answer(503))
    relay.wait(0.6)
    assert (relay.response.status, relay.seen) == (504, "UT response_timeout")
    assert relay.counts("rq_timeout rq_504") == {"rq_timeout": 0, "rq_504": 0}


@pytest.mark.parametrize(("status", "word"), [(503, b"false"), (0, b"true")])
def test_a_retry_says_whether_a_time_out_was_the_reason(status, word):
    relay = Relay(vhost="{include_is_timeout_retry_header: true, " + PER_TRY + "}")
    first = asked(relay)
    if status:
        first.sends(answer(status))
        relay.wait(0.1)
    else:
        relay.wait(0.25)
    assert b"x-envoy-is-timeout-retry: " + word in relay.accept().wire.out
    assert b"x-envoy-is-timeout-retry" not in first.wire.out
