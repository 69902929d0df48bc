"""The pool's decision about a new request, as a table."""

import pytest

from pyvoy.upstream.pool.decide import Step, on_request, reconnect_for_pending


@pytest.mark.parametrize(
    ("idle", "connecting", "active", "pending", "may_wait", "may_connect", "wanted"),
    [
        (1, 0, 0, 0, True, True, (Step.USE_IDLE, False)),
        (1, 0, 0, 0, False, False, (Step.USE_IDLE, False)),
        (0, 0, 0, 0, True, True, (Step.CONNECT, False)),
        (0, 0, 0, 0, False, True, (Step.OVERFLOW, False)),
        (0, 1, 0, 0, True, True, (Step.WAIT, False)),
        (0, 1, 0, 1, True, True, (Step.CONNECT, False)),
        (0, 0, 3, 0, True, False, (Step.WAIT, True)),
        (0, 1, 0, 1, True, False, (Step.WAIT, True)),
        (0, 0, 0, 0, True, False, (Step.CONNECT, True)),
    ],
)
def test_a_new_request(idle, connecting, active, pending, may_wait, may_connect, wanted):
    found = on_request(
        idle=idle, connecting=connecting, active=active, pending=pending, may_wait=may_wait, may_connect=may_connect
    )
    assert found == wanted


@pytest.mark.parametrize(
    ("connecting", "pending", "may_connect", "wanted"),
    [(0, 1, True, True), (0, 1, False, False), (1, 1, True, False), (1, 2, True, True), (0, 0, True, False)],
)
def test_a_lost_connection_is_replaced_only_for_requests_that_wait(connecting, pending, may_connect, wanted):
    assert reconnect_for_pending(connecting=connecting, pending=pending, may_connect=may_connect) is wanted
