"""Stateful sessions: cookies and headers that name a host."""
# ruff: noqa: E501 - a table: a case reads best on its own line

import base64
from typing import Any

from tests.parity.case import Case, ask, request

_TYPE = "type.googleapis.com/envoy.extensions.http.stateful_session."


def _cookie(fields: str) -> str:
    return f"session_state: {{name: envoy.http.stateful_session.cookie, typed_config: {{'@type': {_TYPE}cookie.v3.CookieBasedSessionState, cookie: {{name: sid{fields}}}}}}}"


_HEADER = f"session_state: {{name: envoy.http.stateful_session.header, typed_config: {{'@type': {_TYPE}header.v3.HeaderBasedSessionState, name: X-Session}}}}"


def _case(name: str, *headers: str, state: str = _HEADER, more: str = "", want: str = "200", target: str = "/", **rest: Any) -> Case:
    filters = f"- stateful_session: {{{state}{more}}}"
    return Case(f"session-{name}", want, (ask(request(target, *headers)),), filters=filters, **rest)


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


_ELSEWHERE = b"127.0.0.1:1"
_MESSAGE = b"\x0a" + bytes([len(_ELSEWHERE)]) + _ELSEWHERE
_STRICT = ", strict: true"
_COUNTED = ", stat_prefix: mine"

CASES = (
    _case("header"),
    _case("header-no-base64", "x-session: !!"),
    _case("header-elsewhere", f"x-session: {_base64(_ELSEWHERE)}"),
    _case("header-elsewhere-strict", f"x-session: {_base64(_ELSEWHERE)}", more=_STRICT, want="503"),
    _case("header-no-address", f"x-session: {_base64(b'mine')}"),
    _case("header-no-address-strict", f"x-session: {_base64(b'mine')}", more=_STRICT, want="503"),
    _case("header-dead", want="503", routes="- {match: {prefix: /}, route: {cluster: $dead}}"),
    _case("header-empty", want="503", routes="- {match: {prefix: /}, route: {cluster: $empty}}"),
    _case("direct", routes="- {match: {prefix: /}, direct_response: {status: 200}}"),
    _case("counted-none", more=_COUNTED, all_stats=True),
    _case("counted-open", f"x-session: {_base64(_ELSEWHERE)}", more=_COUNTED),
    _case("counted-closed", f"x-session: {_base64(_ELSEWHERE)}", more=_COUNTED + _STRICT, want="503"),
    _case("cookie", state=_cookie("")),
    _case("cookie-fields", state=_cookie(", path: /a, attributes: [{name: SameSite, value: Lax}, {name: Secure}]"), target="/a/b"),
    _case("cookie-other-path", state=_cookie(", path: /a"), target="/ab"),
    _case("cookie-same-path", state=_cookie(", path: /a"), target="/a?q=1"),
    _case("cookie-slash-path", state=_cookie(", path: /a/"), target="/a"),
    _case("cookie-slash-below", state=_cookie(", path: /a/"), target="/a/x"),
    _case("cookie-elsewhere", f"cookie: sid={_base64(_MESSAGE)}", state=_cookie("")),
    _case("cookie-elsewhere-strict", f"cookie: sid={_base64(_MESSAGE)}", state=_cookie(""), more=_STRICT, want="503"),
    _case("cookie-ended", f"cookie: sid={_base64(_MESSAGE + bytes([0x10, 0x05]))}", state=_cookie(""), more=_STRICT),
    _case("cookie-not-ended", f"cookie: sid={_base64(_MESSAGE + bytes([0x10, 0x80, 0x80, 0x80, 0x80, 0x20]))}", state=_cookie(""), more=_STRICT, want="503"),
    _case("cookie-plain-address", f"cookie: sid={_base64(_ELSEWHERE)}", state=_cookie(""), more=_STRICT, want="503"),
    _case("counted-other-path", state=_cookie(", path: /a"), more=_COUNTED, target="/ab"),
    _case("counted-cookie", state=_cookie(", path: /a"), more=_COUNTED, target="/a"),
    _case("counted-strict-none", more=_COUNTED + _STRICT, routes="- {match: {prefix: /}, route: {cluster: $empty}}", want="503"),
    _case("counted-strict-direct", more=_COUNTED + _STRICT, routes="- {match: {prefix: /}, direct_response: {status: 200}}"),
    _case("counted-open-none", more=_COUNTED, routes="- {match: {prefix: /}, route: {cluster: $empty}}", want="503"),
    _case("counted-dead", more=_COUNTED, routes="- {match: {prefix: /}, route: {cluster: $dead}}", want="503"),
    _case("cookie-broken-message", f"cookie: sid={_base64(_MESSAGE[:-3])}", state=_cookie(""), more=_STRICT, want="503"),
    _case("cookie-more-message", f"cookie: sid={_base64(_MESSAGE + bytes([0x18, 0x05]))}", state=_cookie(""), more=_STRICT, want="503"),
    _case("cookie-bad", "cookie: sid=!!", state=_cookie(""), more=_STRICT),
    _case("cookie-empty", "cookie: sid=", state=_cookie("")),
    _case("none", state="strict: true"),
    _case("route-off", routes="- {match: {prefix: /}, route: {cluster: $up}, per_filter: {stateful_session: {disabled: true}}}"),
    _case("route-own", routes=f"- {{match: {{prefix: /}}, route: {{cluster: $up}}, per_filter: {{stateful_session: {{stateful_session: {{{_cookie('')}}}}}}}}}"),
)
