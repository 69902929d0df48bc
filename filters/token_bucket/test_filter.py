"""token_bucket: how many requests pass, and when more do.

One test for all languages: see pyvoy.testing.gallery.
"""

import pytest

from pyvoy.testing.gallery import forms

pytestmark = pytest.mark.parametrize("form", forms(__file__), ids=str)


def statuses(stream, count, client="a"):
    """What so many requests of a client are answered (200: they pass)."""
    found = []
    for _ in range(count):
        stream.request("GET", "/", {"x-client": client})
        found.append(200 if stream.forwarded is not None else stream.response.status)
        stream.respond(200)
    return found


def test_a_burst_passes_and_then_no_more(form):
    assert statuses(form.stream(), 7) == [200] * 5 + [429] * 2


def test_time_brings_new_tokens_up_to_the_burst(form):
    stream = form.stream()
    statuses(stream, 6)
    stream.advance(2)
    assert statuses(stream, 3) == [200, 200, 429]
    stream.advance(100)
    assert statuses(stream, 6) == [200] * 5 + [429]


def test_clients_have_buckets_of_their_own(form):
    stream = form.stream()
    assert statuses(stream, 6, "a")[-1] == 429
    assert statuses(stream, 1, "b") == [200]


def test_a_client_hears_when_to_come_back(form):
    stream = form.stream()
    statuses(stream, 5)
    stream.request("GET", "/", {"x-client": "a"})
    assert stream.response.status == 429
    assert int(stream.response.headers["retry-after"]) >= 1
