"""The headers that steer time-outs and retries, and whether they are well formed (strict_check_headers).  Pure.

Malformed ones are ignored elsewhere; here they are found, so that the router can refuse the request.
Source of behaviour: Envoy's FilterUtility::StrictHeaderChecker.
"""

from __future__ import annotations

from collections.abc import Iterable

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.retry import RETRY_GRPC_ON, RETRY_ON, parse_retry_on

_NUMBERS = frozenset(
    (
        b"x-envoy-upstream-rq-timeout-ms",
        b"x-envoy-upstream-rq-per-try-timeout-ms",
        b"x-envoy-max-retries",
    )
)
_WORDS = {b"x-envoy-retry-on": RETRY_ON, b"x-envoy-retry-grpc-on": RETRY_GRPC_ON}
STEERING = frozenset(
    b"x-envoy-upstream-rq-timeout-ms x-envoy-upstream-rq-per-try-timeout-ms x-envoy-expected-rq-timeout-ms "
    b"x-envoy-retry-on x-envoy-retry-grpc-on x-envoy-max-retries x-envoy-hedge-on-per-try-timeout "
    b"x-envoy-retriable-header-names x-envoy-retriable-status-codes x-envoy-upstream-alt-stat-name "
    b"x-envoy-upstream-rq-timeout-alt-response x-envoy-upstream-stream-duration-ms".split()
)
"""Request headers that change time-outs and retries."""
CHECKED_HEADERS = _NUMBERS | _WORDS.keys()
"""The headers that strict_check_headers may name."""


def malformed_steering_header(headers: HeaderMap, names: Iterable[bytes]) -> bytes | None:
    """The first of `names` whose value is malformed, None when there is none."""
    for name in names:
        value = headers.map.get(name)
        if value is not None and not _well_formed(name, value):
            return name
    return None


def _well_formed(name: bytes, value: bytes) -> bool:
    if name in _NUMBERS:
        return value.strip().isdigit()
    return parse_retry_on(value, _WORDS[name])[1]
