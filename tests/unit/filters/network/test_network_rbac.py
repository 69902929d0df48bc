"""RBAC of connections: refused ones are closed at their first bytes, shadow rules only count."""

from __future__ import annotations

import pytest

from pyvoy.filters.network.rbac import Rbac
from pyvoy.network.network_filter import CloseType, NetworkVerdict
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.fakes import FakeConnection, FakeServices
from pyvoy.testing.l4 import check_network_filter
from pyvoy.testing.recorder import Record

LOCAL = "{permissions: [{any: true}], principals: [{direct_remote_ip: {address_prefix: 127.0.0.0, prefix_len: 8}}]}"
NONE = "{permissions: [{any: true}], principals: [{direct_remote_ip: {address_prefix: 10.0.0.0, prefix_len: 8}}]}"


def rules(action: str, policy: str) -> str:
    return f"{{action: {action}, policies: {{p: {policy}}}}}"


def made(config: str) -> tuple[Rbac, FakeConnection, FakeServices]:
    fakes = FakeServices()
    plan = Configuration(fakes.scope, fakes.arena).network_filter(Rbac, f"stat_prefix: net\n{config}")
    return Rbac(plan), FakeConnection(fakes.services, Record()), fakes


# rules -> allowed, termination details
CASES = [
    (rules("ALLOW", LOCAL), True, ""),
    (rules("ALLOW", NONE), False, "rbac_access_denied_matched_policy[none]"),
    (rules("DENY", LOCAL), False, "rbac_access_denied_matched_policy[p]"),
    (rules("DENY", NONE), True, ""),
    (rules("LOG", LOCAL), True, ""),
]


@pytest.mark.parametrize(("text", "allowed", "details"), CASES)
def test_connections_are_judged_at_their_first_bytes(text: str, allowed: bool, details: str) -> None:
    filter_, connection, fakes = made(f"rules: {text}")
    verdict = filter_.on_data(connection, b"x", False)
    assert verdict is (NetworkVerdict.CONTINUE if allowed else NetworkVerdict.STOP)
    assert (connection.closed, connection.info.termination_details) == (
        None if allowed else CloseType.NO_FLUSH,
        details,
    )
    filter_.on_data(connection, b"y", False) if allowed else None
    assert (fakes.counter("net.rbac.allowed"), fakes.counter("net.rbac.denied")) == ((1, 0) if allowed else (0, 1))


def test_continuous_enforcement_judges_every_piece() -> None:
    filter_, connection, fakes = made(f"rules: {rules('ALLOW', LOCAL)}\nenforcement_type: CONTINUOUS")
    for _ in range(3):
        filter_.on_data(connection, b"x", False)
    assert fakes.counter("net.rbac.allowed") == 3


def test_a_refusal_may_come_late() -> None:
    filter_, connection, fakes = made(f"rules: {rules('DENY', LOCAL)}\ndelay_deny: 2s")
    assert filter_.on_data(connection, b"x", False) is NetworkVerdict.STOP
    assert filter_.on_data(connection, b"y", False) is NetworkVerdict.STOP
    fakes.loop.advance(1.9)
    assert connection.is_open
    fakes.loop.advance(0.1)
    assert connection.closed is CloseType.NO_FLUSH
    assert fakes.counter("net.rbac.denied") == 1


def test_shadow_rules_only_count_and_note() -> None:
    filter_, connection, fakes = made(f"shadow_rules: {rules('DENY', LOCAL)}\nshadow_rules_stat_prefix: sh_")
    assert filter_.on_data(connection, b"x", False) is NetworkVerdict.CONTINUE
    assert fakes.counter("net.rbac.sh_.shadow_denied") == 1
    noted = {"sh_shadow_effective_policy_id": "p", "sh_shadow_engine_result": "denied"}
    assert connection.info.dynamic_metadata == {"envoy.filters.network.rbac": noted}


def test_contract() -> None:
    for action in ("ALLOW", "DENY"):
        check_network_filter(Rbac, f"stat_prefix: net\nrules: {rules(action, LOCAL)}\ndelay_deny: 1s")
        check_network_filter(Rbac, f"stat_prefix: net\nrules: {rules(action, LOCAL)}")
