"""Header mutation: every action, both directions, trailers, query parameters, and the levels of a route."""

from __future__ import annotations

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.header_mutation import HeaderMutation, encode_value, parse_query, write_query
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import (
    Play,
    data,
    forwarded,
    forwarded_data,
    forwarded_trailers,
    headers,
    play,
    response,
    response_data,
    response_trailers,
    sent,
    sent_data,
    sent_trailers,
    trailers,
)


def mutations(text: str) -> Play:
    return play(HeaderMutation, f"mutations: {{{text}}}")


def append(name: str, value: str, action: str = "APPEND_IF_EXISTS_OR_ADD", more: str = "") -> str:
    return f"{{append: {{header: {{key: {name}, value: '{value}'}}, append_action: {action}{more}}}}}"


# action, what was there, what is there afterwards; as seen on Envoy 1.40
ACTIONS = [
    ("APPEND_IF_EXISTS_OR_ADD", ["0"], ["0", "1"]),
    ("APPEND_IF_EXISTS_OR_ADD", [], ["1"]),
    ("ADD_IF_ABSENT", ["0"], ["0"]),
    ("ADD_IF_ABSENT", [], ["1"]),
    ("OVERWRITE_IF_EXISTS_OR_ADD", ["0", "00"], ["1"]),
    ("OVERWRITE_IF_EXISTS_OR_ADD", [], ["1"]),
    ("OVERWRITE_IF_EXISTS", ["0"], ["1"]),
    ("OVERWRITE_IF_EXISTS", [], []),
]


@pytest.mark.parametrize(("action", "before", "after"), ACTIONS)
def test_append_actions(action: str, before: list[str], after: list[str]) -> None:
    p = mutations(f"request_mutations: [{append('x-a', '1', action)}]")
    p >> headers("GET", "/", *(("x-a", value) for value in before))
    (fact,) = p.stage.record.of("forwarded")
    assert [value.decode() for name, value in fact.headers if name == b"x-a"] == after
    p.end()


def test_mutations_are_done_one_after_the_other() -> None:
    p = mutations(
        f"request_mutations: [{append('x-a', '1')}, {{remove: x-a}}, {append('x-b', '2')}, "
        f"{append('x-b', '3', 'OVERWRITE_IF_EXISTS')}]"
    )
    p >> headers() << forwarded(x_a=None, x_b="3")
    p.end()


def test_removing_by_name_and_by_match() -> None:
    p = mutations("request_mutations: [{remove: X-Gone}, {remove_on_match: {key_matcher: {prefix: x-rm-}}}]")
    p >> headers(x_gone="1", x_rm_a="1", x_rm_b="1", x_keep="1")
    p << forwarded(x_gone=None, x_rm_a=None, x_rm_b=None, x_keep="1")
    p.end()


def test_values_may_hold_operators_and_empty_ones_are_skipped_unless_kept() -> None:
    p = mutations(
        f"request_mutations: [{append('x-p', '%REQUEST_HEADER(:path)%')}, {append('x-m', '%REQUEST_HEADER(no)%')}, "
        f"{append('x-k', '%REQUEST_HEADER(no)%', more=', keep_empty_value: true')}, {append('x-c', '100%%')}]"
    )
    p >> headers("GET", "/p") << forwarded(x_p="/p", x_m=None, x_k="", x_c="100%")
    p.end()


def test_response_headers_see_request_and_response() -> None:
    p = mutations(
        f"response_mutations: [{append('x-p', '%REQUEST_HEADER(:path)%')}, {append('x-s', '%RESPONSE_CODE%')}, "
        "{remove: x-up}]"
    )
    p >> headers("GET", "/p") >> response(201, x_up="1", end=True) << sent(201, x_p="/p", x_s="201", x_up=None)
    p.end()


def test_trailers_of_both_directions() -> None:
    p = mutations(
        f"request_trailers_mutations: [{append('x-t', '1')}, {{remove: x-old}}], "
        f"response_trailers_mutations: [{append('x-r', '2')}]"
    )
    p >> headers("POST") << forwarded() >> data(b"x") << forwarded_data()
    p >> trailers(x_old="0") << forwarded_trailers(x_t="1", x_old=None)
    p >> response(200) << sent() >> response_data(b"x") << sent_data() >> response_trailers() << sent_trailers(x_r="2")
    p.end()


# query mutations, path before, path after; as seen on Envoy 1.40
QUERIES = [
    ("append: {record: {key: a, value: 'x y&z'}}", "/p?b=2&a=1&e", "/p?a=1&a=x%20y%26z&b=2&e="),
    ("append: {record: {key: a, value: '9'}}", "/p", "/p?a=9"),
    ("append: {record: {key: a, value: '9'}}", "/p?", "/p?a=9"),
    ("append: {record: {key: a, value: '9'}, action: ADD_IF_ABSENT}", "/p?a=1", "/p?a=1"),
    ("append: {record: {key: a, value: '9'}, action: ADD_IF_ABSENT}", "/p?b=1", "/p?a=9&b=1"),
    ("append: {record: {key: a, value: '9'}, action: OVERWRITE_IF_EXISTS}", "/p?a=1&a=2", "/p?a=9"),
    ("append: {record: {key: a, value: '9'}, action: OVERWRITE_IF_EXISTS}", "/p?b=1", "/p?b=1"),
    ("append: {record: {key: a, value: '9'}, action: OVERWRITE_IF_EXISTS_OR_ADD}", "/p?a=1&c=1&a=2", "/p?a=9&c=1"),
    ("append: {record: {key: a, value: '%REQUEST_HEADER(no)%'}}", "/p?z=1", "/p?a=&z=1"),
    ("remove: a", "/p?a=1&b=2&a=4", "/p?b=2"),
    ("remove: a", "/p?a=1", "/p"),
    ("remove: a", "/p?d=%25&=1&&x&c=/:@~", "/p?=1&=&c=/:@~&d=%&x="),
]


@pytest.mark.parametrize(("mutation", "before", "after"), QUERIES)
def test_query_parameters(mutation: str, before: str, after: str) -> None:
    p = mutations(f"query_parameter_mutations: [{{{mutation}}}]") >> headers("GET", before) << forwarded(after)
    p.end()


def test_what_no_request_line_may_hold_stays_encoded() -> None:
    assert write_query(parse_query(b"a=%0d%0aX:%20y&b=%C3%A9&c=%2f")) == b"a=%0D%0AX:%20y&b=%C3%A9&c=/"
    assert encode_value(b"~a*-._\xe9 ") == b"%7Ea*-._%E9%20"


ROUTES = [f"mutations: {{request_mutations: [{append('x-l', level)}]}}" for level in ("host", "route")]


@pytest.mark.parametrize(
    ("wins", "order"), [("false", ["filter", "route", "host"]), ("true", ["filter", "host", "route"])]
)
def test_every_level_is_done(wins: str, order: list[str]) -> None:
    own = f"most_specific_header_mutations_wins: {wins}\nmutations: {{request_mutations: [{append('x-l', 'filter')}]}}"
    p = play(HeaderMutation, own, route=ROUTES) >> headers()
    (fact,) = p.stage.record.of("forwarded")
    assert [value.decode() for name, value in fact.headers if name == b"x-l"] == order
    p.end()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "request_mutations: [{append: {header: {key: ':path', value: /new}}}]",
            ":-prefixed or host headers may not be modified",
        ),
        ("query_parameter_mutations: [{append: {record: {key: a, value: 7}}}]", "Only string value"),
        ("query_parameter_mutations: [{append: {entry: {key: a, value: Nw==}}}]", "No record specified|not supported"),
        ("query_parameter_mutations: [{}]", "One of 'append'/'remove' must be specified"),
    ],
)
def test_what_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(ConfigErrors, match=complaint):
        mutations(text)


def test_contract() -> None:
    every = f"[{append('x-a', '1')}, {{remove: x-b}}]"
    check_http_filter(
        HeaderMutation,
        f"mutations: {{request_mutations: {every}, response_mutations: {every}, request_trailers_mutations: {every}, "
        f"response_trailers_mutations: {every}, query_parameter_mutations: [{{remove: a}}]}}",
        route=ROUTES[0],
    )
