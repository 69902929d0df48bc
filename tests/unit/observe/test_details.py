"""Flags and details as they appear in an access log."""

from __future__ import annotations

import pytest

from pyvoy.observe import details
from pyvoy.observe.details import Flag, Reset, flags_long_text, flags_text, reset_details


@pytest.mark.parametrize(
    ("bits", "short", "long"),
    [
        (0, "-", "-"),
        (Flag.NO_ROUTE_FOUND, "NR", "NoRouteFound"),
        (
            Flag.UPSTREAM_REQUEST_TIMEOUT | Flag.UPSTREAM_RETRY_LIMIT_EXCEEDED,
            "URX,UT",
            "UpstreamRetryLimitExceeded,UpstreamRequestTimeout",
        ),
        (
            Flag.UPSTREAM_CONNECTION_FAILURE | Flag.UPSTREAM_CONNECT_ATTEMPTS_EXCEEDED,
            "UF,URX",
            "UpstreamConnectionFailure,UpstreamRetryLimitExceeded",
        ),
        (Flag.FAULT_INJECTED | Flag.DELAY_INJECTED, "DI,FI", "DelayInjected,FaultInjected"),
    ],
)
def test_flags_are_written_as_envoy_does(bits: int, short: str, long: str) -> None:
    assert flags_text(bits) == short
    assert flags_long_text(bits) == long


def test_every_flag_has_one_bit_and_one_name() -> None:
    assert len({bit for bit, _, _ in details.FLAG_NAMES}) == 31
    assert len(details.FLAGS_BY_SHORT_NAME) == 30
    assert all(bit.bit_count() == 1 for bit, _, _ in details.FLAG_NAMES)


def test_reset_details_have_no_blanks() -> None:
    assert (
        reset_details(
            details.EARLY_UPSTREAM_RESET,
            Reset.REMOTE_CONNECTION_FAILURE,
            "delayed connect error: Connection refused",
        )
        == "upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}"
    )
    assert reset_details(details.LATE_UPSTREAM_RESET, Reset.CONNECTION_TERMINATION) == (
        "upstream_reset_after_response_started{connection_termination}"
    )


def test_every_reset_reason_has_a_flag() -> None:
    reasons = {value for name, value in vars(Reset).items() if name.isupper()}
    assert reasons == set(details.RESET_FLAGS)
