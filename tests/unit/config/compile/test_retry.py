"""RetryPolicy messages."""

from __future__ import annotations

import pytest

from pyvoy.config.compile.retry import retry_plan
from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.retry import RetryOn, RetryPlan, previous_hosts
from tests.unit.config.building import built, reported, runtime

TYPE = "envoy.config.route.v3.RetryPolicy"
PREVIOUS = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"


def plan(text: str, **environment) -> tuple[RetryPlan, list[str]]:
    message, context = built(TYPE, text, **environment)
    return retry_plan(message, context), reported(context)


def test_defaults_are_envoys():
    assert plan("retry_on: 5xx") == (RetryPlan(RetryOn.FIVE_XX), [])


def test_all_fields():
    found, reports = plan(
        f"""
        retry_on: 'connect-failure, cancelled'
        num_retries: 4
        per_try_timeout: 2s
        per_try_idle_timeout: 0s
        retriable_status_codes: [418, 503]
        retry_back_off: {{base_interval: 0.1s, max_interval: 1s}}
        rate_limited_retry_back_off:
          reset_headers: [{{name: Retry-After, format: SECONDS}}, {{name: X-Reset, format: UNIX_TIMESTAMP}}]
          max_interval: 60s
        retriable_headers: [{{name: x-again}}]
        retry_host_predicate: [{{name: p, typed_config: {{'@type': {PREVIOUS}}}}}]
        host_selection_retry_max_attempts: 5
        """
    )
    assert reports == []
    assert found.retry_on == RetryOn.CONNECT_FAILURE | RetryOn.GRPC_CANCELLED
    assert (found.num_retries, found.per_try_timeout_s, found.per_try_idle_timeout_s) == (4, 2.0, None)
    assert found.retriable_status_codes == {418, 503}
    assert (found.base_interval_s, found.max_interval_s) == (0.1, 1.0)
    assert found.reset_headers == ((b"retry-after", False), (b"x-reset", True))
    assert found.reset_max_interval_s == 60.0
    assert found.retriable_headers[0](HeaderMap([(b"x-again", b"")]))
    assert found.host_predicates == (previous_hosts,)
    assert found.host_selection_max_attempts == 5


@pytest.mark.parametrize(
    ("text", "base_s", "max_s"),
    [
        ("retry_on: 5xx", 0.05, 0.5),
        ("retry_back_off: {base_interval: 0.2s}", 0.2, 2.0),
        ("retry_back_off: {base_interval: 0.0001s, max_interval: 0.0002s}", 0.001, 0.001),
    ],
)
def test_back_off(text, base_s, max_s):
    found, _ = plan(text, runtime=runtime(**{"upstream.base_retry_backoff_ms": 50}))
    assert (found.base_interval_s, found.max_interval_s) == (base_s, max_s)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("retry_on: '5xx,foo'", "warning: retry_on: 'foo' is no retry condition and has no effect"),
        (
            "retry_back_off: {base_interval: 1s, max_interval: 0.5s}",
            "retry_policy.max_interval must greater than or equal to the base_interval",
        ),
    ],
)
def test_problems(text, words):
    (line,) = plan(text)[1]
    assert words in line
