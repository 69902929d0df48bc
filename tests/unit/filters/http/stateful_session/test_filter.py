"""Stateful sessions, for what the parity run cannot see: times, and the host that was named."""

from __future__ import annotations

import base64

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.stateful_session.filter import StatefulSession
from pyvoy.filters.http.stateful_session.states import CookieState
from pyvoy.http.headers import HeaderMap
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import play

_TYPE = "type.googleapis.com/envoy.extensions.http.stateful_session."
HEADER = f"session_state: {{name: s, typed_config: {{'@type': {_TYPE}header.v3.HeaderBasedSessionState, name: x-s}}}}"
COOKIE = f"session_state: {{name: s, typed_config: {{'@type': {_TYPE}cookie.v3.CookieBasedSessionState, cookie: "
NOW_S = 1_700_000_000.5


def told(state: CookieState, address: str = "10.0.0.1:80") -> bytes:
    headers = HeaderMap()
    state.tell(headers, address, NOW_S)
    return headers.map[b"set-cookie"]


def test_a_cookie_is_understood_until_it_ends() -> None:
    state = CookieState(b"sid", 120, b"/shop", [(b"Secure", b"")])
    cookie = told(state)
    assert cookie.endswith(b"; Max-Age=120; Path=/shop; Secure; HttpOnly")
    request = HeaderMap([(b":path", b"/shop"), (b"cookie", cookie.partition(b";")[0])])
    assert state.concerns(request)
    assert state.address(request, NOW_S + 119) == "10.0.0.1:80"
    assert state.address(request, NOW_S + 121) == ""


def test_a_cookie_of_a_session_has_no_end() -> None:
    state = CookieState(b"sid", 0, b"", [])
    value = told(state).partition(b";")[0]
    assert base64.b64decode(value.partition(b'"')[2]) == b"\x0a\x0b10.0.0.1:80"
    assert state.address(HeaderMap([(b"cookie", value)]), NOW_S * 2) == "10.0.0.1:80"


@pytest.mark.parametrize("value", [b"!!", b"", b"YQ"])
def test_other_cookies_name_nothing(value: bytes) -> None:
    assert CookieState(b"sid", 0, b"", []).address(HeaderMap([(b"cookie", b"sid=" + value)]), NOW_S) == ""


@pytest.mark.parametrize("config", [HEADER.replace("name: x-s", "name: ''"), COOKIE + "{path: /}}}"])
def test_a_state_needs_a_name(config: str) -> None:
    with pytest.raises(ConfigErrors):
        play(StatefulSession, config)


def test_contract() -> None:
    check_http_filter(StatefulSession, HEADER, request_headers={"x-s": base64.b64encode(b"10.0.0.1:80").decode()})
    check_http_filter(StatefulSession, COOKIE + "{name: sid}}}")
