"""Path templates: what they are made of, and what is none."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.grpc_json_transcoder.path_template import TemplateError, Variable, parse


@pytest.mark.parametrize(
    ("text", "segments", "verb", "variables"),
    [
        ("/a", ("a",), "", ()),
        ("/a/*/b", ("a", "*", "b"), "", ()),
        ("/a/**", ("a", "**"), "", ()),
        ("/a:go", ("a",), "go", ()),
        ("/{x}", ("*",), "", (Variable(("x",), 0, 1),)),
        ("/a/{x.y.z}/b", ("a", "*", "b"), "", (Variable(("x", "y", "z"), 1, 2),)),
        ("/{x=a/*/b/*}/c", ("a", "*", "b", "*", "c"), "", (Variable(("x",), 0, 4),)),
        ("/{x=**}", ("**",), "", (Variable(("x",), 0, -1),)),
        ("/{x=a/**}/end:go", ("a", "**", "end"), "go", (Variable(("x",), 0, -2),)),
        ("/{x}/{y}", ("*", "*"), "", (Variable(("x",), 0, 1), Variable(("y",), 1, 2))),
    ],
)
def test_parts(text, segments, verb, variables):
    template = parse(text)
    assert (template.segments, template.verb, template.variables) == (segments, verb, variables)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'/' is expected at position 0"),
        ("a", "'/' is expected at position 0"),
        ("/", "a name is missing at position 1"),
        ("/a//b", "a name is missing at position 3"),
        ("/a:", "a name is missing at position 3"),
        ("/a:b:c", "':' is not expected at position 4"),
        ("/{x", "'}' is expected at position 3"),
        ("/{}", "a name is missing at position 2"),
        ("/{x.}", "a name is missing at position 4"),
        ("/{x=}", "a name is missing at position 4"),
        ("/{x={y}}", "a variable inside of a variable at position 4"),
        ("/a}", "'}' is not expected at position 2"),
        ("/**/*", "only literal segments may follow '**'"),
        ("/**/{x}", "only literal segments may follow '**'"),
        ("/{x=**}/**", "only literal segments may follow '**'"),
    ],
)
def test_no_template(text, said):
    with pytest.raises(TemplateError) as caught:
        parse(text)
    assert str(caught.value) == said
