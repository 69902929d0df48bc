"""Decisions about retries, one table per question (Envoy's RetryStateImpl)."""

from __future__ import annotations

from random import Random

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing import retry
from pyvoy.http.routing.retry import Decision, RetryOn, RetryPlan, RetryStatus, parse_retry_on, retry_state
from pyvoy.observe.details import Reset


class Resource:
    """Counts retries in flight, up to a limit."""

    def __init__(self, limit: int = 3) -> None:
        self.limit = limit
        self.count = 0

    def can_create(self) -> bool:
        return self.count < self.limit

    def inc(self) -> None:
        self.count += 1

    def dec(self) -> None:
        self.count -= 1


def state(plan: RetryPlan, headers: tuple[tuple[bytes, bytes], ...] = (), resource: Resource | None = None):
    found = retry_state(plan, HeaderMap(headers), resource or Resource())
    assert found is not None
    return found


def plan(retry_on: bytes, **fields) -> RetryPlan:
    return RetryPlan(parse_retry_on(retry_on, retry.RETRY_ON | retry.RETRY_GRPC_ON)[0], **fields)


@pytest.mark.parametrize(
    ("retry_on", "status", "headers", "expected"),
    [
        (b"5xx", 500, (), Decision.BACKOFF),
        (b"5xx", 499, (), Decision.NO),
        (b"gateway-error", 502, (), Decision.BACKOFF),
        (b"gateway-error", 504, (), Decision.BACKOFF),
        (b"gateway-error", 500, (), Decision.NO),
        (b"retriable-4xx", 409, (), Decision.BACKOFF),
        (b"retriable-4xx", 404, (), Decision.NO),
        (b"retriable-status-codes", 418, (), Decision.BACKOFF),
        (b"retriable-status-codes", 425, (), Decision.IMMEDIATE),
        (b"retriable-status-codes", 419, (), Decision.NO),
        (b"5xx", 418, (), Decision.NO),
        (b"5xx", 503, ((b"x-envoy-ratelimited", b"true"),), Decision.NO),
        (b"envoy-ratelimited", 429, ((b"x-envoy-ratelimited", b"true"),), Decision.BACKOFF),
        (b"retriable-headers", 200, ((b"x-again", b"1"),), Decision.BACKOFF),
        (b"retriable-headers", 200, (), Decision.NO),
        (b"5xx", 200, ((b"x-again", b"1"),), Decision.NO),
        (b"unavailable", 200, ((b"grpc-status", b"14"),), Decision.BACKOFF),
        (b"unavailable", 200, ((b"grpc-status", b"1"),), Decision.NO),
        (b"cancelled", 200, ((b"grpc-status", b"1"),), Decision.BACKOFF),
        (b"deadline-exceeded", 200, ((b"grpc-status", b"4"),), Decision.BACKOFF),
        (b"resource-exhausted", 200, ((b"grpc-status", b"8"),), Decision.BACKOFF),
        (b"internal", 200, ((b"grpc-status", b"13"),), Decision.BACKOFF),
        (b"reset,connect-failure,refused-stream", 500, (), Decision.NO),
    ],
)
def test_which_responses_are_retried(retry_on, status, headers, expected):
    policy = plan(
        retry_on,
        retriable_status_codes=frozenset((418, 425)),
        retriable_headers=(lambda found: b"x-again" in found,),
    )
    assert state(policy).would_retry_headers(status, HeaderMap(headers)) is expected


def test_too_early_is_not_retried_when_the_client_sent_early_data():
    policy = plan(b"retriable-status-codes", retriable_status_codes=frozenset((425,)))
    early = state(policy, ((b"early-data", b"1"),))
    assert early.would_retry_headers(425, HeaderMap()) is Decision.NO


@pytest.mark.parametrize(
    ("retry_on", "reason", "started", "expected"),
    [
        (b"5xx", Reset.REMOTE_RESET, True, True),
        (b"gateway-error", Reset.CONNECTION_TERMINATION, True, True),
        (b"reset", Reset.PROTOCOL_ERROR, True, True),
        (b"reset", Reset.OVERFLOW, True, False),
        (b"5xx", Reset.OVERFLOW, True, False),
        (b"connect-failure", Reset.REMOTE_CONNECTION_FAILURE, False, True),
        (b"connect-failure", Reset.LOCAL_CONNECTION_FAILURE, False, True),
        (b"connect-failure", Reset.CONNECTION_TIMEOUT, False, True),
        (b"connect-failure", Reset.REMOTE_RESET, True, False),
        (b"reset-before-request", Reset.REMOTE_RESET, False, True),
        (b"reset-before-request", Reset.REMOTE_RESET, True, False),
        (b"refused-stream", Reset.REMOTE_REFUSED_STREAM_RESET, True, True),
        (b"refused-stream", Reset.REMOTE_RESET, True, False),
        (b"retriable-4xx", Reset.REMOTE_RESET, True, False),
    ],
)
def test_which_resets_are_retried(retry_on, reason, started, expected):
    found = state(plan(retry_on)).would_retry_reset(reason, request_started=started)
    assert found is (Decision.BACKOFF if expected else Decision.NO)


def test_the_number_of_retries_is_a_limit():
    resource = Resource()
    found = state(plan(b"5xx", num_retries=2), resource=resource)
    answers = [found.should_retry_headers(503, HeaderMap()) for _ in range(3)]
    assert answers == [RetryStatus.YES, RetryStatus.YES, RetryStatus.NO_LIMIT_EXCEEDED]
    assert resource.count == 0


def test_a_retry_holds_its_place_until_the_next_decision():
    resource = Resource()
    found = state(plan(b"5xx"), resource=resource)
    assert found.should_retry_headers(503, HeaderMap()) is RetryStatus.YES
    assert resource.count == 1
    assert not found.succeeded
    assert found.should_retry_headers(200, HeaderMap()) is RetryStatus.NO
    assert found.succeeded
    assert resource.count == 0


def test_release_gives_the_place_back_once():
    resource = Resource()
    found = state(plan(b"5xx"), resource=resource)
    found.should_retry_reset(Reset.REMOTE_RESET)
    found.release()
    found.release()
    assert resource.count == 0


def test_a_full_resource_prevents_the_retry():
    assert state(plan(b"5xx"), resource=Resource(0)).should_retry_headers(500, HeaderMap()) is RetryStatus.NO_OVERFLOW


def test_without_policy_and_headers_there_is_no_state_and_the_headers_are_consumed():
    headers = HeaderMap([(b"x-envoy-max-retries", b"3"), (b"x-envoy-retriable-status-codes", b"1"), (b"a", b"b")])
    assert retry_state(None, headers, Resource()) is None
    assert list(headers) == [(b"a", b"b")]


def test_headers_steer_retries():
    headers = HeaderMap(
        [
            (b"x-envoy-retry-on", b"retriable-status-codes, retriable-headers"),
            (b"x-envoy-retry-grpc-on", b"cancelled"),
            (b"x-envoy-max-retries", b"5"),
            (b"x-envoy-retriable-status-codes", b"418, 419"),
            (b"x-envoy-retriable-header-names", b"X-One, x-two"),
        ]
    )
    found = retry_state(None, headers, Resource())
    assert found is not None
    assert found.remaining == 5
    assert found.would_retry_headers(419, HeaderMap()) is Decision.BACKOFF
    assert found.would_retry_headers(200, HeaderMap([(b"x-two", b"")])) is Decision.BACKOFF
    assert found.would_retry_headers(200, HeaderMap([(b"grpc-status", b"1")])) is Decision.BACKOFF
    assert found.would_retry_headers(500, HeaderMap()) is Decision.NO
    assert len(headers) == 0


def test_a_policy_for_some_requests_only():
    policy = plan(b"5xx", retriable_request_headers=(lambda headers: headers.get(b":method") == b"GET",))
    assert state(policy, ((b":method", b"GET"),)).enabled
    assert not state(policy, ((b":method", b"POST"),)).enabled


class Highest(Random):
    """Always nearly one."""

    def random(self) -> float:
        return 0.999


def test_back_off_doubles_up_to_its_maximum():
    found = state(plan(b"5xx", base_interval_s=0.025, max_interval_s=0.25, num_retries=9))
    waits = [found.backoff_s(Highest()) for _ in range(6)]
    assert [round(wait, 4) for wait, _ in waits] == [0.025, 0.05, 0.0999, 0.1998, 0.2497, 0.2497]
    assert not any(dictated for _, dictated in waits)


@pytest.mark.parametrize(
    ("header", "value", "is_time", "expected"),
    [
        (b"retry-after", b"3", False, 3.0),
        (b"retry-after", b"1003", True, 3.0),
        (b"retry-after", b"999", True, None),
        (b"retry-after", b"301", False, None),
        (b"retry-after", b"soon", False, None),
        (b"other", b"3", False, None),
    ],
)
def test_the_upstream_can_dictate_the_wait(header, value, is_time, expected):
    found = state(plan(b"5xx", reset_headers=((b"retry-after", is_time),)))
    assert found.should_retry_headers(503, HeaderMap([(header, value)]), wall_s=1000.4) is RetryStatus.YES
    wait, dictated = found.backoff_s(Highest())
    assert dictated == (expected is not None)
    if expected is not None:
        assert expected <= wait <= expected * 1.5


def test_an_immediate_retry_does_not_wait():
    found = state(plan(b"retriable-status-codes", retriable_status_codes=frozenset((425,))))
    assert found.should_retry_headers(425, HeaderMap()) is RetryStatus.YES
    assert found.backoff_s(Highest()) == (0.0, False)


def test_hosts_tried_before_are_rejected():
    found = state(plan(b"5xx", host_predicates=(retry.previous_hosts,)))
    assert not found.rejects_host("a")
    found.note_host("a")
    assert found.rejects_host("a")
    assert not found.rejects_host("b")


@pytest.mark.parametrize(
    ("value", "bits", "valid"),
    [
        (b"5xx", RetryOn.FIVE_XX, True),
        (b" 5xx , reset,", RetryOn.FIVE_XX | RetryOn.RESET, True),
        (b"5xx,nope", RetryOn.FIVE_XX, False),
        (b"", 0, True),
    ],
)
def test_parse_retry_on(value, bits, valid):
    assert parse_retry_on(value) == (bits, valid)
