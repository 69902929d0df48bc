"""The RBAC filter: actions, replies, shadow rules, counters, metadata, routes (the rules are in ../common)."""

from __future__ import annotations

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.rbac import Rbac
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import Play, forwarded, headers, play, reply

IS_A = "{permissions: [{url_path: {path: {exact: /a}}}], principals: [{any: true}]}"


def rules(action: str, *names: str) -> str:
    return f"{{action: {action}, policies: {{{', '.join(f'{name}: {IS_A}' for name in names)}}}}}"


def rbac(text: str, route: str | tuple[str, ...] = ()) -> Play:
    return play(Rbac, text, route=route)


def stat(p: Play, name: str) -> int:
    return p.counter(f"http.test.rbac.{name}")


def metadata(p: Play) -> object:
    return p.stream.info.dynamic_metadata


def test_allow_lets_only_matching_requests_pass() -> None:
    p = rbac(f"rules: {rules('ALLOW', 'p1')}")
    p >> headers("GET", "/a?x") << forwarded()
    p >> headers("GET", "/b") << reply(403, b"RBAC: access denied", detail="rbac_access_denied_matched_policy[none]")
    assert (stat(p, "allowed"), stat(p, "denied")) == (1, 1)
    p.stage.close()


def test_deny_refuses_matching_requests_and_names_the_policy() -> None:
    p = rbac(f"rules: {rules('DENY', 'p 1')}")
    p >> headers("GET", "/a") << reply(403, detail="rbac_access_denied_matched_policy[p_1]", flags="-")
    p >> headers("GET", "/b") << forwarded()
    p.stage.close()


def test_the_first_policy_by_name_counts() -> None:
    p = rbac(f"rules: {rules('DENY', 'z', 'a')}")
    p >> headers("GET", "/a") << reply(403, detail="rbac_access_denied_matched_policy[a]")
    p.end()


@pytest.mark.parametrize(
    ("text", "status"), [("{}", 200), ("rules: {action: ALLOW}", 403), ("rules: {action: DENY}", 200)]
)
def test_without_rules_or_policies(text: str, status: int) -> None:
    p = rbac(text) >> headers()
    p << (forwarded() if status == 200 else reply(403))
    p.stage.close()


def test_log_lets_all_pass_and_hints_at_the_access_log() -> None:
    p = rbac(f"rules: {rules('LOG', 'p')}")
    p >> headers("GET", "/a") << forwarded()
    assert metadata(p) == {
        "envoy.filters.http.rbac": {"enforced_effective_policy_id": "p", "enforced_engine_result": "allowed"},
        "envoy.common": {"access_log_hint": True},
    }
    p >> headers("GET", "/b") << forwarded()
    assert metadata(p) == {
        "envoy.filters.http.rbac": {"enforced_engine_result": "allowed"},
        "envoy.common": {"access_log_hint": False},
    }
    p.stage.close()


def test_shadow_rules_only_count_and_note() -> None:
    p = (
        rbac(f"shadow_rules: {rules('DENY', 's')}\nshadow_rules_stat_prefix: sh_")
        >> headers("GET", "/a")
        << forwarded()
    )
    assert (stat(p, "sh_.shadow_denied"), stat(p, "denied")) == (1, 0)
    assert metadata(p) == {
        "envoy.filters.http.rbac": {"sh_shadow_effective_policy_id": "s", "sh_shadow_engine_result": "denied"}
    }
    p.stage.close()


def test_policies_may_be_counted_one_by_one() -> None:
    text = f"rules: {rules('ALLOW', 'p')}\nshadow_rules: {rules('DENY', 's')}"
    p = rbac(f"{text}\nrules_stat_prefix: rp\ntrack_per_rule_stats: true") >> headers("GET", "/a") << forwarded()
    assert (stat(p, "rp.allowed"), stat(p, "rp.policy.p.allowed"), stat(p, "policy.s.shadow_denied")) == (1, 1, 1)
    p.stage.close()


def test_a_route_has_rules_of_its_own_or_none() -> None:
    p = rbac("rules: {action: ALLOW}", f"rbac: {{rules: {rules('ALLOW', 'p')}}}") >> headers("GET", "/a") << forwarded()
    p.stage.close()
    p = rbac("rules: {action: ALLOW}", "{}") >> headers() << forwarded()
    p.stage.close()


@pytest.mark.parametrize(
    "text",
    [
        "matcher: {matcher_list: {matchers: []}}",
        "rules: {policies: {p: {permissions: [{any: true}], principals: [{any: true}], condition: {}}}}",
        "rules: {policies: {p: {permissions: [{uri_template: {name: x}}], principals: [{any: true}]}}}",
    ],
)
def test_what_is_not_supported_is_refused(text: str) -> None:
    with pytest.raises(ConfigErrors):
        rbac(text)


def test_contract() -> None:
    check_http_filter(Rbac, f"rules: {rules('DENY', 'p')}\nshadow_rules: {rules('ALLOW', 's')}")
    check_http_filter(Rbac, "rules: {action: ALLOW}")
