"""Redirects and direct responses: the locations are Envoy 1.40's for the same configuration and request."""

from __future__ import annotations

import pytest

from tests.unit.config.compile.tables import problems, routes, stream

REWRITE = "regex_rewrite: {pattern: {regex: '^/da/(.*)$'}, substitution: '/R/\\1'}"


@pytest.mark.parametrize(
    ("action", "path", "expected"),
    [
        ("https_redirect: true", "/d1?a", "https://x.com/d1?a"),
        ("host_redirect: h.org", "/d2/x?y", "http://h.org/d2/x?y"),
        ("port_redirect: 8443", "/d3", "http://x.com:8443/d3"),
        ("scheme_redirect: foo", "/d4", "foo://x.com/d4"),
        ("path_redirect: /new", "/d5?q", "http://x.com/new?q"),
        ("path_redirect: '/new?y=2'", "/d6?q", "http://x.com/new?y=2"),
        ("{path_redirect: '/new?y=2', strip_query: true}", "/d7?q", "http://x.com/new?y=2"),
        ("{path_redirect: /new, strip_query: true}", "/d8?q=1", "http://x.com/new"),
        ("prefix_rewrite: /P", "/d9/a?q", "http://x.com/P/a?q"),
        (f"{{{REWRITE}, strip_query: true}}", "/da/b?q", "http://x.com/R/b"),
        ("regex_rewrite: {pattern: {regex: '.*'}, substitution: ''}", "/db/x?q", "http://x.com/db/x?q"),
        ("{host_redirect: h.org, https_redirect: true, port_redirect: 444, path_redirect: /x}", "/de?q",
         "https://h.org:444/x?q"),
    ],
)  # fmt: skip
def test_location(action, path, expected):
    body = action if action.startswith("{") else f"{{{action}}}"
    prefix = path[:3]
    found = routes(f"{{match: {{prefix: {prefix}}}, redirect: {body}}}")
    request = stream(path.encode())
    assert found.find(request).direct_response(request) == (301, b"", [(b"location", expected.encode())])


@pytest.mark.parametrize(
    ("action", "host", "scheme", "expected"),
    [
        ("https_redirect: true", b"x.com:81", b"http", b"https://x.com:81/"),
        ("https_redirect: true", b"x.com:80", b"http", b"https://x.com/"),
        ("scheme_redirect: http", b"x.com:443", b"https", b"http://x.com/"),
        ("https_redirect: true", b"[::1]:80", b"http", b"https://[::1]/"),
        ("port_redirect: 1", b"[::1]", b"http", b"http://[::1]:1/"),
        ("port_redirect: 1", b"x.com:81", b"http", b"http://x.com:1/"),
        ("path_redirect: /", b"x.com:80", b"http", b"http://x.com:80/"),
    ],
)
def test_the_port_of_the_request(action, host, scheme, expected):
    found = routes(f"{{match: {{prefix: /}}, redirect: {{{action}}}}}")
    request = stream(b"/", host, headers=((b"x-forwarded-proto", scheme),))
    assert found.find(request).direct_response(request)[2] == [(b"location", expected)]


@pytest.mark.parametrize(
    ("code", "status"),
    [("FOUND", 302), ("SEE_OTHER", 303), ("TEMPORARY_REDIRECT", 307), ("PERMANENT_REDIRECT", 308)],
)
def test_redirect_codes(code, status):
    found = routes(f"{{match: {{prefix: /}}, redirect: {{host_redirect: h, response_code: {code}}}}}")
    assert found.find(stream()).direct_response(stream())[0] == status


def test_a_rewriting_redirect_leaves_the_old_path_in_the_request():
    found = routes("{match: {prefix: /a}, redirect: {prefix_rewrite: /b}}")
    request = stream(b"/a/c")
    found.find(request).direct_response(request)
    assert request.request_headers.get(b":path") == b"/b/c"
    assert request.request_headers.get(b"x-envoy-original-path") == b"/a/c"


@pytest.mark.parametrize(
    ("status", "location"), [(200, False), (201, True), (302, True), (304, True), (404, False), (503, False)]
)
def test_direct_response(status, location):
    found = routes(f"{{match: {{prefix: /}}, direct_response: {{status: {status}, body: {{inline_string: hi}}}}}}")
    request = stream(b"/r?a=b")
    headers = [(b"location", b"http://x.com/r?a=b")] if location else []
    assert found.find(request).direct_response(request) == (status, b"hi", headers)


def test_the_body_has_a_limit():
    text = "{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: '12345'}}}"
    (line,) = problems(text, "max_direct_response_body_size_bytes: 4")
    assert "response body size is 5 bytes; maximum is 4" in line


def test_the_response_rules_are_done():
    rules = (
        "response_headers_to_add: [{header: {key: location, value: l}, append_action: OVERWRITE_IF_EXISTS},"
        " {header: {key: x, value: z}}]"
    )
    found = routes(f"{{match: {{prefix: /}}, redirect: {{host_redirect: h}}, {rules}}}")
    assert found.find(stream()).direct_response(stream()) == (301, b"", [(b"location", b"l"), (b"x", b"z")])


@pytest.mark.parametrize(
    ("text", "body", "content_type"),
    [
        ("text_format_source: {inline_string: '<%LOCAL_REPLY_BODY%|%REQ(x-a)%|%REQ(no)%>'}", b"<hi|AA|->", None),
        ("{text_format: 'x%REQ(no)%z', omit_empty_values: true, content_type: text/html}", b"xz", b"text/html"),
        ("json_format: {k: '%LOCAL_REPLY_BODY%', n: '%REQ(no)%'}", b'{"k":"hi","n":null}\n', b"application/json"),
    ],
)
def test_body_format(text, body, content_type):
    form = text if text.startswith("{") else f"{{{text}}}"
    found = routes(
        "{match: {prefix: /}, direct_response: {status: 200, body: {inline_string: hi}, body_format: " + form + "}}"
    )
    request = stream(headers=((b"x-a", b"AA"),))
    headers = [] if content_type is None else [(b"content-type", content_type)]
    assert found.find(request).direct_response(request) == (200, body, headers)
