"""add_header: `hello` is added, `location` replaced.

One test for all languages: see pyvoy.testing.gallery.
"""

import pytest

from pyvoy.testing.gallery import forms

pytestmark = pytest.mark.parametrize("form", forms(__file__), ids=str)


def test_a_response_says_hello(form):
    stream = form.stream()
    stream.request("GET", "/").respond(200, {"x-other": "kept"}, "body")
    response = stream.response
    assert response.headers["hello"] == "world!"
    assert response.headers["location"] == "envoy-wasm"
    assert response.headers["x-other"] == "kept"
    assert response.body == b"body"


def test_what_was_there_is_replaced_or_joined(form):
    stream = form.stream()
    stream.request("GET", "/").respond(302, {"location": "/elsewhere", "hello": "there"})
    assert stream.response.headers["location"] == "envoy-wasm"
    assert stream.response.headers.get_all("hello") == ["there", "world!"]


def test_the_request_is_left_alone(form):
    stream = form.stream()
    stream.request("POST", "/a", {"x-b": "c"}, b"data")
    assert stream.forwarded.headers.get("hello") is None
    assert stream.forwarded.body == b"data"
