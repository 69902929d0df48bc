"""auth_token: who may pass, who not, and what happens without the auth service.

One test for all languages: see pyvoy.testing.gallery.
"""

import pytest

from pyvoy.extensions.http_call import Failure
from pyvoy.testing.filters import Reply
from pyvoy.testing.gallery import forms

pytestmark = pytest.mark.parametrize("form", forms(__file__), ids=str)


def auth(call):
    """Knows one token."""
    good = call.path == "/check" and call.headers.get("authorization") == "Bearer good"
    return Reply(200, headers={"x-user": "ada"}) if good else Reply(401)


def test_a_good_token_passes_and_names_the_user(form):
    stream = form.stream(calls={"auth": auth})
    stream.request("GET", "/", {"authorization": "Bearer good", "x-user": "forged"})
    assert stream.forwarded.headers["x-user"] == "ada"


def test_a_bad_token_is_refused(form):
    stream = form.stream(calls={"auth": auth})
    stream.request("GET", "/", {"authorization": "Bearer bad"})
    assert stream.forwarded is None
    assert stream.response.status == 403


def test_no_token_asks_for_one_without_a_call(form):
    stream = form.stream(calls={"auth": auth})
    stream.request("GET", "/")
    assert stream.response.status == 401
    assert stream.response.headers["www-authenticate"] == "Bearer"
    assert stream.calls == []


def test_the_body_waits_for_the_answer(form):
    stream = form.stream(calls={"auth": lambda call: Reply(200, headers={"x-user": "ada"}, after_s=0.5)})
    stream.request("POST", "/", {"authorization": "Bearer good"}, [b"ab", b"cd"])
    assert stream.forwarded is None
    stream.advance(0.5)
    assert stream.forwarded.body == b"abcd"


def test_an_auth_service_that_does_not_answer_closes_the_door(form):
    late = form.stream(calls={"auth": Reply(after_s=30)})
    late.request("GET", "/", {"authorization": "Bearer good"})
    late.advance(5)
    assert late.response.status == 503
    gone = form.stream(calls={"auth": Reply(503, failure=Failure.CONNECT)})
    gone.request("GET", "/", {"authorization": "Bearer good"})
    assert gone.response.status in (403, 503)
    assert gone.forwarded is None
