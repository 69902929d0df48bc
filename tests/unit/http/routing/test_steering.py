"""Which steering headers are well formed."""

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.steering import CHECKED_HEADERS, malformed_steering_header


@pytest.mark.parametrize(
    ("name", "value", "good"),
    [
        (b"x-envoy-upstream-rq-timeout-ms", b"100", True),
        (b"x-envoy-upstream-rq-timeout-ms", b"1s", False),
        (b"x-envoy-upstream-rq-timeout-ms", b"", False),
        (b"x-envoy-upstream-rq-per-try-timeout-ms", b"-1", False),
        (b"x-envoy-max-retries", b"3", True),
        (b"x-envoy-max-retries", b"three", False),
        (b"x-envoy-retry-on", b"5xx, reset", True),
        (b"x-envoy-retry-on", b"5xx, unavailable", False),
        (b"x-envoy-retry-grpc-on", b"unavailable", True),
        (b"x-envoy-retry-grpc-on", b"5xx", False),
    ],
)
def test_a_value(name, value, good):
    found = malformed_steering_header(HeaderMap([(name, value)]), CHECKED_HEADERS)
    assert found == (None if good else name)


def test_only_the_wanted_headers_are_looked_at():
    headers = HeaderMap([(b"x-envoy-max-retries", b"x")])
    assert malformed_steering_header(headers, (b"x-envoy-retry-on",)) is None
