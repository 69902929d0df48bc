"""The cluster specifier and the string matcher, as they are configured; what they answer is in tests/parity."""

from __future__ import annotations

from typing import Any

import pytest

from pyvoy.config.context import Context, Environment
from pyvoy.config.problems import ConfigErrors, Problems
from pyvoy.extensions.lua.plugins import LuaClusterSpecifier, LuaStringMatcher
from pyvoy.http.headers import HeaderMap
from pyvoy.server.arena import local_arena
from pyvoy.stats.store import memory_store


@pytest.fixture
def context() -> Context:
    root = memory_store().root
    return Context(Environment(Problems(), root, local_arena()), root)


class FakeStream:
    """What a specifier looks at."""

    def __init__(self, **headers: str) -> None:
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        self.request_headers = HeaderMap(pairs)
        self.services: Any = None


def test_a_specifier_reads_headers_and_falls_back(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    code = b"""
        function envoy_on_route(h)
          if h:headers():get("x-bad") then error("boom") end
          return h:headers():get("x-to")
        end"""
    choose = LuaClusterSpecifier(code, "default", context, "source_code")
    assert choose(FakeStream(x_to="one")) == "one"
    assert choose(FakeStream()) == "default"
    assert choose(FakeStream(x_bad="1")) == "default"
    assert "boom" in caplog.text


def test_a_matcher_matches_true_only(context: Context, caplog: pytest.LogCaptureFixture) -> None:
    code = b'function envoy_match(s) if s == "bad" then error("boom") end return s == "yes" or s == "one" and 1 end'
    matches = LuaStringMatcher(code, context, "source_code")
    assert [matches(value) for value in (b"yes", b"no", b"one", b"bad")] == [True, False, False, False]
    assert "boom" in caplog.text


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda context: LuaClusterSpecifier(b"x = 1", "", context, "f"), "envoy_on_route() function not found"),
        (lambda context: LuaClusterSpecifier(b"x x", "", context, "f"), "script load error"),
        (lambda context: LuaStringMatcher(b"x = 1", context, "f"), "envoy_match"),
        (lambda context: LuaStringMatcher(b"x x", context, "f"), "script load error"),
    ],
)
def test_what_is_refused(context: Context, make: Any, text: str) -> None:
    make(context)
    with pytest.raises(ConfigErrors) as caught:
        context.env.problems.raise_errors()
    assert text in str(caught.value)
