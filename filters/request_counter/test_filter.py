"""request_counter: what is counted.

One test for all languages: see pyvoy.testing.gallery.
"""

import pytest

from pyvoy.testing.gallery import forms

pytestmark = pytest.mark.parametrize("form", forms(__file__), ids=str)


def test_requests_are_counted_by_method_and_status(form):
    stream = form.stream()
    stream.request("GET", "/").respond(200, body="ok")
    stream.request("GET", "/").respond(404)
    stream.request("POST", "/", body=b"x").respond(204)
    stream.request("BREW", "/").respond(500)
    assert stream.counter("requests") == 4
    assert stream.counter("method.GET") == 2
    assert stream.counter("method.POST") == 1
    assert stream.counter("method.other") == 1
    assert [stream.counter(f"status.{n}xx") for n in (2, 4, 5)] == [2, 1, 1]


def test_what_runs_is_a_gauge(form):
    stream = form.stream()
    stream.request("GET", "/")
    assert sum(value for name, value in stream.fakes.gauges().items() if name.endswith(".active")) >= 1
    stream.respond(200)
    assert not [name for name in stream.fakes.gauges() if name.endswith("RequestCounter.active")]


def test_nothing_is_changed(form):
    stream = form.stream()
    stream.request("POST", "/a?b", {"x-c": "d"}, b"data").respond(200, {"x-e": "f"}, "body")
    assert stream.forwarded.body == b"data"
    assert stream.response.headers["x-e"] == "f"
    assert stream.response.body == b"body"
