"""redact_json: what is hidden, and what is left as it is.

One test for all languages: see pyvoy.testing.gallery.
"""

import json

import pytest

from pyvoy.testing.gallery import forms

pytestmark = pytest.mark.parametrize("form", forms(__file__), ids=str)


JSON = {"content-type": "application/json; charset=utf-8"}


def response_to(form, headers, body):
    stream = form.stream()
    stream.request("GET", "/").respond(200, headers, body)
    return stream.response


def test_fields_are_hidden_at_every_depth(form):
    body = {"user": {"name": "ada", "password": "x"}, "items": [{"token": [1, 2]}, {"n": 1}], "ssn": None}
    response = response_to(form, JSON, json.dumps(body))
    assert json.loads(response.body) == {
        "user": {"name": "ada", "password": "***"},
        "items": [{"token": "***"}, {"n": 1}],
        "ssn": "***",
    }
    assert response.headers.get("content-length") in (None, str(len(response.body)))


def test_a_body_in_pieces(form):
    text = json.dumps({"password": "x" * 1000, "n": 1}).encode()
    response = response_to(form, JSON, [text[at : at + 100] for at in range(0, len(text), 100)])
    assert json.loads(response.body) == {"password": "***", "n": 1}


@pytest.mark.parametrize("body", [b'{"n": 1}', b'"password"', b"{broken password", b"[]"])
def test_json_without_such_fields_is_left_as_it_is(form, body):
    assert response_to(form, JSON, body).body == body


def test_what_is_no_json_is_left_as_it_is(form):
    body = b'{"password": "x"}'
    assert response_to(form, {"content-type": "text/plain"}, body).body == body
    assert response_to(form, {**JSON, "content-encoding": "gzip"}, body).body == body


def test_a_response_without_a_body(form):
    assert response_to(form, JSON, b"").body == b""
