"""Headers as text."""

import pytest

from pyvoy.extensions.native.headers import Headers, checked, pairs
from pyvoy.http.headers import HeaderMap


@pytest.fixture
def headers():
    return Headers(HeaderMap([(b":path", b"/"), (b"a", b"1"), (b"b", b"2"), (b"b", b"3")]))


def test_reading(headers):
    assert headers["A"] == "1"
    assert headers["b"] == "2,3"
    assert headers[":path"] == "/"
    assert headers.get_all("B") == ["2", "3"]
    assert headers.get("c") is None
    assert headers.get("c", "d") == "d"
    assert "a" in headers
    assert "c" not in headers
    assert 1 not in headers
    assert (list(headers), len(headers), dict(headers)) == (["a", "b"], 2, {"a": "1", "b": "2,3"})
    assert repr(headers) == "Headers({'a': '1', 'b': '2,3'})"
    with pytest.raises(KeyError):
        headers["c"]


def test_writing(headers):
    headers["X-New"] = "é"
    assert headers.raw.get(b"x-new") == b"\xe9"
    headers["b"] = "4"
    assert headers.get_all("b") == ["4"]
    headers.add("b", "5")
    assert headers.get_all("b") == ["4", "5"]
    del headers["a"]
    headers.remove("a")
    headers.setdefault("d", "1")
    headers.update({"d": "2", "e": "3"})
    assert dict(headers) == {"b": "4,5", "x-new": "é", "d": "2", "e": "3"}
    with pytest.raises(KeyError):
        del headers["a"]


@pytest.mark.parametrize(
    ("name", "value"), [("", "x"), ("a b", "x"), ("a\n", "x"), ("a", "x\r\ny: z"), ("a", "x\0"), ("ä", "x"), ("a", "€")]
)
def test_what_cannot_stand_in_a_message(headers, name, value):
    with pytest.raises(ValueError):  # noqa: PT011  # the texts differ
        headers[name] = value


def test_texts_only():
    with pytest.raises(TypeError, match="a header is two texts"):
        checked(b"a", "b")
    with pytest.raises(TypeError, match="a header is two texts"):
        checked("a", 1)


def test_headers_that_a_filter_gives():
    assert pairs(None) == []
    assert pairs({"A": "1", "b": ["2", "3"]}) == [(b"a", b"1"), (b"b", b"2"), (b"b", b"3")]
    assert pairs([("a", "1"), ("A", "2")]) == [(b"a", b"1"), (b"a", b"2")]
