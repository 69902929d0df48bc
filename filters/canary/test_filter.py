"""canary: which requests are marked.

One test for all languages: see pyvoy.testing.gallery.
"""

import pytest

from pyvoy.testing.gallery import forms

pytestmark = pytest.mark.parametrize("form", forms(__file__), ids=str)


@pytest.mark.parametrize("value", ["1", "true", "Always"])
def test_who_asks_gets_the_canary(form, value):
    stream = form.stream()
    stream.request("GET", "/", {"x-canary": value})
    assert stream.forwarded.headers["x-stage"] == "canary"


@pytest.mark.parametrize("value", ["", "0", "no"])
def test_all_others_get_the_stable_version(form, value):
    stream = form.stream()
    stream.request("GET", "/", {"x-canary": value} if value else {})
    assert stream.forwarded.headers["x-stage"] == "stable"


def test_a_client_cannot_say_the_stage_itself(form):
    stream = form.stream()
    stream.request("GET", "/", {"x-stage": "canary"})
    assert stream.forwarded.headers.get_all("x-stage") == ["stable"]


def test_the_route_is_chosen_anew(form):
    stream = form.stream()
    stream.request("GET", "/", {"x-canary": "1"})
    assert stream.stage.stream.route is not None
    assert stream.stage.routes.asked == 2
