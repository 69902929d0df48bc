"""HeaderValueOption lists: what is refused, and which order the levels have (as seen on Envoy 1.40)."""

from __future__ import annotations

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.direct_response import reply_headers
from tests.unit.config.compile.tables import problems, routes, stream, table

RULES = """
  request_headers_to_add:
  - {{header: {{key: x-all, value: {0}}}}}
  - {{header: {{key: x-last, value: {0}}}, append_action: OVERWRITE_IF_EXISTS_OR_ADD}}
  - {{header: {{key: x-first, value: {0}}}, append_action: ADD_IF_ABSENT}}
  - {{header: {{key: X-There, value: {0}}}, append_action: OVERWRITE_IF_EXISTS}}
  request_headers_to_remove: [X-Gone-{0}]
  response_headers_to_add: [{{header: {{key: x-all, value: {0}}}}}]
  response_headers_to_remove: [x-server]
"""


def levels(most_specific_wins: bool):
    """A table with rules at all four levels."""
    at = {name: RULES.format(name) for name in ("cluster", "route", "host", "table")}
    deeper = {name: text.replace("\n", "\n" + " " * depth) for name, depth, text in (
        ("host", 0, at["host"]), ("route", 2, at["route"]), ("cluster", 8, at["cluster"]))}  # fmt: skip
    text = f"""
name: r
most_specific_header_mutations_wins: {str(most_specific_wins).lower()}
virtual_hosts:
- name: v
  domains: ['*']
  routes:
  - match: {{prefix: /}}
    route:
      weighted_clusters:
        clusters:
        - name: a
          weight: 1{deeper["cluster"]}{deeper["route"]}{deeper["host"]}{at["table"].replace(chr(10) + "  ", chr(10))}"""
    found, reports = table(text)
    assert reports == []
    return found


@pytest.mark.parametrize(
    ("most_specific_wins", "order"),
    [(False, ["cluster", "route", "host", "table"]), (True, ["cluster", "table", "host", "route"])],
)
def test_the_rules_of_all_levels_in_their_order(most_specific_wins, order):
    request = stream(headers=((b"x-there", b"old"), (b"x-gone-host", b"1"), (b"x-gone-cluster", b"1")))
    route = levels(most_specific_wins).find(request)
    headers = request.request_headers
    route.finalize_request(request, headers)
    assert [value.decode() for value in headers.get_all(b"x-all")] == order
    assert headers.get(b"x-last") == headers.get(b"x-there") == order[-1].encode()
    assert headers.get(b"x-first") == order[0].encode()
    assert b"x-gone-host" not in headers
    assert b"x-gone-cluster" not in headers
    response = HeaderMap([(b"x-server", b"u")])
    route.finalize_response(request, response)
    assert [value.decode() for value in response.get_all(b"x-all")] == order
    assert b"x-server" not in response


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ("request_headers_to_add: [{header: {key: Host, value: x}}]", ":-prefixed or host headers may not be modified"),
        ("response_headers_to_add: [{header: {key: ':path'}}]", ":-prefixed or host headers may not be modified"),
        ("request_headers_to_remove: [host]", ":-prefixed or host headers may not be removed"),
        ("response_headers_to_remove: [':status']", ":-prefixed or host headers may not be removed"),
        (
            "request_headers_to_add: [{header: {key: x}, append: true, append_action: ADD_IF_ABSENT}]",
            "Both append and append_action are set and it's not allowed",
        ),
    ],
)
def test_what_is_refused(rules, words):
    (line,) = problems(f"{{match: {{prefix: /}}, route: {{cluster: a}}, {rules}}}")
    assert words in line
    assert rules.partition(":")[0] in line


def test_constants_unescape_percent_signs_and_append_false_replaces():
    found = routes(
        "{match: {prefix: /}, route: {cluster: a}, request_headers_to_add: ["
        "{header: {key: x, value: '100%%'}}, {header: {key: z, value: new}, append: false}]}"
    )
    request = stream(headers=((b"x", b"1"), (b"z", b"1")))
    found.find(request).finalize_request(request, request.request_headers)
    assert request.request_headers.get_all(b"x") == [b"1", b"100%"]
    assert request.request_headers.get_all(b"z") == [b"new"]


def test_a_route_without_rules_has_nothing_to_do():
    route = routes("{match: {prefix: /}, route: {cluster: a}}").find(stream())
    assert route.finalize_request is None
    assert route.finalize_response is None


def test_operators_of_response_rules_see_the_response():
    rules = (
        "response_headers_to_add: [{header: {key: x, value: '%RESPONSE_CODE% %RESP(x-up)% %REQ(:path)% %REQ(no)%'}}]"
    )
    found = routes(f"{{match: {{prefix: /}}, route: {{cluster: a}}, {rules}}}")
    request = stream(b"/p")
    response = HeaderMap([(b":status", b"201"), (b"x-up", b"u")])
    found.find(request).finalize_response(request, response)
    assert response.get(b"x") == b"201 u /p "


def test_replies_of_the_router_carry_the_response_rules():
    value = "%RESPONSE_CODE% %RESP(:status)% %RESPONSE_CODE_DETAILS% %RESP(k)%"
    found = routes(
        "{match: {prefix: /}, route: {cluster: a}, response_headers_to_remove: [gone], "
        f"response_headers_to_add: [{{header: {{key: x, value: '{value}'}}}}]}}"
    )
    request = stream()
    pairs = [(b"k", b"v"), (b"gone", b"1")]
    headers = reply_headers(found.find(request).reply_rules, request, 503, "cluster_not_found", pairs)
    assert headers == [(b"k", b"v"), (b"x", b"0 503 cluster_not_found v")]
    assert reply_headers(None, request, 503, "d", pairs) == pairs
