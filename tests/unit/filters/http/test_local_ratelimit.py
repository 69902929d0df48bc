"""Local rate limit: buckets, enforcement, replies, headers, connections, descriptors and routes."""

from __future__ import annotations

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.local_ratelimit.filter import LocalRateLimit
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import (
    Event,
    Play,
    after,
    connect,
    forwarded,
    headers,
    play,
    reply,
    response,
    sent,
)

ALL = "{default_value: {numerator: 100}}"
ON = f"filter_enabled: {ALL}\nfilter_enforced: {ALL}"
BUCKET = "stat_prefix: lim\ntoken_bucket: {max_tokens: 2, tokens_per_fill: 1, fill_interval: 60s}"
DESCRIPTORS = """
rate_limits: [{actions: [ACTION]}]
descriptors: [{entries: [{key: KEY, value: VALUE}], token_bucket: {max_tokens: 1, fill_interval: 60s}}]
"""


def limit(*lines: str, route: str = "") -> Play:
    return play(LocalRateLimit, "\n".join(lines), route=route or ())


def stats(p: Play) -> tuple[int, ...]:
    names = ("enabled", "ok", "rate_limited", "enforced")
    return tuple(p.counter(f"lim.http_local_rate_limit.{name}") for name in names)


def ask(p: Play, *allowed: bool, request: Event | None = None) -> None:
    """One request after the other; each is answered by the upstream or refused."""
    for one in allowed:
        p >> (request or headers())
        if one:
            p << forwarded() >> response(200, end=True) << sent(200)
        else:
            p << reply(429, b"local_rate_limited", detail="local_rate_limited", flags="RL")


def test_requests_without_a_token_are_refused_until_the_bucket_fills() -> None:
    p = limit(BUCKET, ON)
    ask(p, True, True, False, False)
    assert stats(p) == (4, 2, 2, 2)
    p >> after(60)
    ask(p, True, False)
    p.end()


def test_limits_that_are_not_enforced_only_count_and_mark() -> None:
    rule = "request_headers_to_add_when_not_enforced: [{header: {key: x-over, value: '%REQUEST_HEADER(:path)%'}}]"
    p = limit(BUCKET, f"filter_enabled: {ALL}", rule)
    ask(p, True, True)
    p >> headers("GET", "/p") << forwarded(x_over="/p")
    assert stats(p) == (3, 2, 1, 0)
    p.stage.close()


@pytest.mark.parametrize("lines", [(BUCKET,), ("stat_prefix: lim", ON)])
def test_without_a_share_or_a_bucket_all_pass(lines: tuple[str, ...]) -> None:
    p = limit(*lines)
    ask(p, True, True, True)
    p.end()


def test_status_and_headers_of_the_reply() -> None:
    rule = "response_headers_to_add: [{header: {key: x-limited, value: 'yes'}}]"
    p = limit(BUCKET, ON, "status: {code: 503}", "enable_x_ratelimit_headers: DRAFT_VERSION_03", rule)
    shown = ("x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset")
    for values in (("2", "1", "0"), ("2", "0", "60")):
        p >> headers() << forwarded() >> response(200, end=True) << sent(200, *zip(shown, values, strict=True))
    p >> after(0.5) >> headers()
    p << reply(503, b"local_rate_limited", *zip(shown, ("2", "0", "60"), strict=True), x_limited="yes")
    p.end()


def test_a_status_that_is_no_error_becomes_429() -> None:
    p = limit("stat_prefix: lim\ntoken_bucket: {max_tokens: 0, fill_interval: 1s}", ON, "status: {code: 302}")
    ask(p, False)
    p.end()


@pytest.mark.parametrize(("line", "status"), [("", "14"), ("rate_limited_as_resource_exhausted: true", "8")])
def test_grpc_requests_get_a_grpc_status(line: str, status: str) -> None:
    p = limit("stat_prefix: lim\ntoken_bucket: {max_tokens: 0, fill_interval: 1s}", ON, line)
    p >> headers(content_type="application/grpc") << reply(200, b"", grpc_status=status)
    p.end()


def test_connections_may_have_buckets_of_their_own() -> None:
    p = limit(BUCKET, ON, "local_rate_limit_per_downstream_connection: true")
    ask(p, True, True, False)
    p >> connect()
    ask(p, True, True, False)
    p.end()


def test_a_route_has_a_bucket_of_its_own() -> None:
    p = limit("stat_prefix: lim", route=f"{BUCKET}\n{ON}")
    ask(p, True, True, False)
    p.end()


# action, descriptor key and value, a request that has the descriptor, one that has not
ACTIONS = [
    ("{request_headers: {header_name: x-k, descriptor_key: h}}", "h", "v", headers(x_k="v"), headers(x_k="w")),
    ("{request_headers: {header_name: x-k, descriptor_key: h}}", "h", "v", headers(x_k="v"), headers()),
    ("{query_parameters: {query_parameter_name: q, descriptor_key: k}}", "k", "1", headers("GET", "/?q=1"), headers()),
    ("{header_value_match: {descriptor_value: hit, headers: [{name: x-k, present_match: true}]}}", "header_match",
     "hit", headers(x_k="v"), headers()),
]  # fmt: skip


@pytest.mark.parametrize(("action", "key", "value", "having", "lacking"), ACTIONS)
def test_descriptors_have_buckets_of_their_own(
    action: str, key: str, value: str, having: Event, lacking: Event
) -> None:
    text = DESCRIPTORS.replace("ACTION", action).replace("KEY", key).replace("VALUE", f"'{value}'")
    p = limit("stat_prefix: lim\ntoken_bucket: {max_tokens: 9, fill_interval: 60s}", ON, text)
    ask(p, True, False, request=having)
    ask(p, True, True, True, request=lacking)
    p.end()


@pytest.mark.parametrize(
    ("action", "key", "value"),
    [
        ("{generic_key: {descriptor_value: g}}", "generic_key", "g"),
        ("{remote_address: {}}", "remote_address", "127.0.0.1"),
        ("{masked_remote_address: {v4_prefix_mask_len: 8}}", "masked_remote_address", "127.0.0.0/8"),
        ("{destination_cluster: {}}", "destination_cluster", "upstream"),
    ],
)
def test_descriptors_of_every_request(action: str, key: str, value: str) -> None:
    text = DESCRIPTORS.replace("ACTION", action).replace("KEY", key).replace("VALUE", f"'{value}'")
    p = limit("stat_prefix: lim\ntoken_bucket: {max_tokens: 9, fill_interval: 60s}", ON, text)
    ask(p, True, False)
    p.end()


def test_a_descriptor_takes_from_the_default_bucket_too_unless_told_otherwise() -> None:
    text = DESCRIPTORS.replace("ACTION", "{generic_key: {descriptor_value: g}}").replace("KEY", "generic_key")
    text = text.replace("VALUE", "g").replace("max_tokens: 1", "max_tokens: 5")
    p = limit(BUCKET, ON, text)
    ask(p, True, True, False)
    p.end()
    p = limit(BUCKET, ON, text, "always_consume_default_token_bucket: false")
    ask(p, True, True, True)
    p.end()


@pytest.mark.parametrize(
    ("text", "route", "complaint"),
    [
        ("stat_prefix: lim\ntoken_bucket: {max_tokens: 1, fill_interval: 0.01s}", "", "must be >= 50ms"),
        ("stat_prefix: lim", "stat_prefix: lim", "must be set for per filter configs"),
        (BUCKET + DESCRIPTORS.replace("ACTION", "{remote_address: {}}").replace("VALUE", "''"), "", "not supported"),
    ],
)
def test_what_is_refused(text: str, route: str, complaint: str) -> None:
    with pytest.raises(ConfigErrors, match=complaint):
        limit(text, route=route)


def test_contract() -> None:
    check_http_filter(LocalRateLimit, f"{BUCKET}\n{ON}\nenable_x_ratelimit_headers: DRAFT_VERSION_03")
    check_http_filter(LocalRateLimit, f"stat_prefix: x\ntoken_bucket: {{max_tokens: 0, fill_interval: 1s}}\n{ON}")
