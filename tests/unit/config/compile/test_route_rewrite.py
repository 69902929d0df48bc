"""Rewrites of path and host; the expected values are Envoy 1.40's for the same routes and requests."""

from __future__ import annotations

import pytest

from tests.unit.config.compile.tables import problems, routes, sent, stream


@pytest.mark.parametrize(
    ("match", "action", "path", "expected"),
    [
        ("path: /e", "prefix_rewrite: /E", "/e?x", "/E?x"),
        ("prefix: /p/", "prefix_rewrite: /", "/p/a?b=/p/", "/a?b=/p/"),
        ("{prefix: /ci, case_sensitive: false}", "prefix_rewrite: /new", "/CIx?y", "/newx?y"),
        ("path_separated_prefix: /sep", "prefix_rewrite: /zz", "/sep/a?q", "/zz/a?q"),
        ("safe_regex: {regex: '/s.*'}", "prefix_rewrite: /whole", "/sabc?b", "/whole?b"),
        ("prefix: /r", r"regex_rewrite: {pattern: {regex: '/r([0-9]+)'}, substitution: '/n\1\\x'}",
         "/r12/a?c=/r1", "/n12\\x/a?c=/r1"),
        ("prefix: /", "regex_rewrite: {pattern: {regex: '.*'}, substitution: '<\\0>'}", "/a/b?c", "</a/b>?c"),
        ("prefix: /", "regex_rewrite: {pattern: {regex: 'x*'}, substitution: '-'}", "/axxb", "-/-a-b-"),
        ("prefix: /", "regex_rewrite: {pattern: {regex: '(d)|(e)'}, substitution: '[\\1\\2]'}", "/dexe", "/[d][e]x[e]"),
        ("prefix: /", "path_rewrite: /const", "/b?z", "/const?z"),
        ("prefix: /", "path_rewrite: '/const?x=1'", "/c", "/const?x=1"),
    ],
)  # fmt: skip
def test_path(match, action, path, expected):
    body = match if match.startswith("{") else f"{{{match}}}"
    found = routes(f"{{match: {body}, route: {{cluster: a, {action}}}}}")
    request = stream(path.encode())
    assert sent(found, request)[1] == expected.encode()
    assert request.request_headers.get(b"x-envoy-original-path") == path.encode()


def test_an_empty_result_leaves_the_path_alone():
    found = routes(
        "{match: {prefix: /}, route: {cluster: a, regex_rewrite: {pattern: {regex: '/f'}, substitution: ''}}}"
    )
    request = stream(b"/f?x")
    assert sent(found, request)[1] == b"/f?x"
    assert b"x-envoy-original-path" not in request.request_headers


@pytest.mark.parametrize(
    ("action", "path", "headers", "expected"),
    [
        ("host_rewrite_literal: lit.com", b"/", (), b"lit.com"),
        ("host_rewrite_literal: ''", b"/", (), b"x.com"),
        ("host_rewrite_header: X-H", b"/", ((b"x-h", b"hh.com"),), b"hh.com"),
        ("host_rewrite_header: X-H", b"/", (), b"x.com"),
        (r"host_rewrite_path_regex: {pattern: {regex: '^/h/([a-z]+)/.*$'}, substitution: '\1.org'}",
         b"/h/abc/d?e", (), b"abc.org"),
        ("host_rewrite: k.com", b"/", (), b"k.com"),
    ],
)  # fmt: skip
def test_host(action, path, headers, expected):
    found = routes(f"{{match: {{prefix: /}}, route: {{cluster: a, {action}}}}}")
    request = stream(path, headers=headers)
    assert sent(found, request)[2] == expected
    original = request.request_headers.get(b"x-envoy-original-host")
    assert original == (None if expected == b"x.com" else b"x.com")


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, b"x.com"), (b"a,b", b"a,b,x.com"), (b"x.com", b"x.com"), (b"a,x.com", b"a,x.com")],
)
def test_forwarded_host(before, after):
    found = routes("{match: {prefix: /}, route: {cluster: a, host_rewrite_literal: h, append_x_forwarded_host: true}}")
    request = stream(headers=() if before is None else ((b"x-forwarded-host", before),))
    sent(found, request)
    assert request.request_headers.get(b"x-forwarded-host") == after


def test_the_original_is_not_told_when_envoy_headers_are_suppressed():
    found = routes("{match: {prefix: /}, route: {cluster: a, host_rewrite_literal: h, prefix_rewrite: /n/}}")
    request = stream(b"/x")
    found.find(request).finalize_request(request, request.request_headers, False)
    assert request.request_headers.get(b":path") == b"/n/x"
    assert b"x-envoy-original-path" not in request.request_headers
    assert b"x-envoy-original-host" not in request.request_headers


@pytest.mark.parametrize(
    ("substitution", "words"),
    [(r"\2", "group \\2 does not exist"), (r"x\1\q", "a backslash must be followed")],
)
def test_a_wrong_substitution_is_a_warning(substitution, words):
    rewrite = f"{{pattern: {{regex: 'a(b)'}}, substitution: '{substitution}'}}"
    (line,) = problems(f"{{match: {{prefix: /}}, route: {{cluster: a, regex_rewrite: {rewrite}}}}}")
    assert "warning" in line
    assert words in line
