"""URI templates: what they match, how they rewrite, what is refused (all as Envoy 1.40 does)."""

from __future__ import annotations

import pytest

from pyvoy.http.routing.uri_template import TemplateError, rewrite_pieces, template_regex
from tests.unit.config.compile.tables import problems, routes, sent, stream

MATCH = "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
REWRITE = "type.googleapis.com/envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig"


def text(template: str, rewrite: str | None = None) -> str:
    policy = "" if rewrite is None else (
        f", path_rewrite_policy: {{name: r, typed_config: {{'@type': {REWRITE}, path_template_rewrite: '{rewrite}'}}}}"
    )  # fmt: skip
    match = f"path_match_policy: {{name: m, typed_config: {{'@type': {MATCH}, path_template: '{template}'}}}}"
    return f"{{match: {{{match}}}, route: {{cluster: a{policy}}}}}"


@pytest.mark.parametrize(
    ("template", "yes", "no"),
    [
        ("/a/{x}/b", "/a/1/b /a/1/b?q /a/*/b /a/%20/b", "/a//b /a/1/2/b"),
        ("/d/*/e", "/d/x/e", "/d/e"),
        ("/f/**", "/f/ /f/a/b", "/f"),
        ("/g/{x=v1/*}.txt", "/g/v1/k.txt", "/g/v2/k.txt /g/v1/ktxt"),
        ("/h/", "/h/", "/h"),
        ("/i.j$k", "/i.j$k", "/ixj$k"),
        ("/pre{x}.suf", "/pre1.suf", "/pre.suf"),
        ("/{x=*}b/c", "/xb/c", "/b/c"),
        ("/y/**.txt", "/y/a/b.txt /y/.txt", "/y/a"),
    ],
)
def test_match(template, yes, no):
    found = routes(text(template))
    assert all(found.find(stream(path.encode())) for path in yes.split())
    assert not any(found.find(stream(path.encode())) for path in no.split())


@pytest.mark.parametrize(
    ("template", "rewrite", "path", "expected"),
    [
        ("/a/{x}/b", "/n/{x}", "/a/1/b?q", "/n/1?q"),
        ("/c/{x}/{rest=**}", "/{rest}/z/{x}", "/c/1/2/3", "/2/3/z/1"),
        ("/z/{x=**}.txt", "/n/{x}", "/z/b/c.txt", "/n/b/c"),
        ("/{x=a/*}r/{z}", "/n/{x}/{z}", "/a/1r/k", "/n/a/1/k"),
        ("/{a}", "/", "/x", "/"),
    ],
)
def test_rewrite(template, rewrite, path, expected):
    assert sent(routes(text(template, rewrite)), stream(path.encode()))[1] == expected.encode()


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ("a", 'Invalid pattern: "a"'),
        ("/a/{b", 'Unmatched variable bracket in mixed pattern: "{b"'),
        ("/a/{1}", 'Invalid variable name: "1"'),
        ("/a/{b=}", "Empty variable match"),
        ("/a/{b=*/}", 'Invalid variable match: "/"'),
        ("/{a}/{a}", 'Repeated variable name: "a"'),
        ("/{a}/{b}/{c}/{d}/{e}/{f}", "Exceeded variable count limit (5)"),
        ("/**/*", "Glob after text glob."),
        ("/**/{b}", "Implicit variable path glob after text glob."),
        ("/*a/b", "Prefix match not supported."),
        ("/a//b", 'Invalid literal: ""'),
        ("/{a}{b}", 'Invalid suffix literal: "{b}"'),
        ("/q{x=a/*}r", 'Invalid literal: "q{x=a"'),
    ],
)
def test_templates_that_are_refused(template, words):
    with pytest.raises(TemplateError) as caught:
        template_regex(template)
    assert str(caught.value) == words


@pytest.mark.parametrize("rewrite", ["x", "/x//{a}", "/{a", "/{1}", "/a b"])
def test_rewrites_that_are_refused(rewrite):
    with pytest.raises(TemplateError):
        rewrite_pieces(rewrite)


def test_problems_name_the_template():
    (line,) = problems(text("/{a}", "/{b}"))
    assert "mismatch between variables in path_match_policy /{a} and path_rewrite_policy /{b}" in line
    (line,) = problems(text("/{a}", "x"))
    assert "path_rewrite_policy.path_template_rewrite x is invalid" in line
