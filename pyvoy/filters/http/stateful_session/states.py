"""Where a client keeps the address of its host: in a cookie, or in a header that it sends back.

Source: Envoy's cookie and header session states (forms observed on Envoy 1.40).
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import extension, supports
from pyvoy.http.routing.hash_policy import cookie_tail, cookie_value

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.http.headers import HeaderMap

_PACKAGE = "envoy.extensions.http.stateful_session."
_ADDRESS_TAG, _EXPIRES_TAG = 0x0A, 0x10
"""Fields 1 (text) and 2 (whole number) of the message in a cookie."""

supports(_PACKAGE + "cookie.v3.CookieBasedSessionState", "cookie")
supports(_PACKAGE + "header.v3.HeaderBasedSessionState", "name")
supports("envoy.type.http.v3.Cookie", "name ttl path attributes")
supports("envoy.type.http.v3.CookieAttribute", "name value")


@extension(
    "session_state",
    name="envoy.http.stateful_session.cookie",
    type_url=_PACKAGE + "cookie.v3.CookieBasedSessionState",
)
class CookieState:
    """A cookie with the address and when it ends."""

    @staticmethod
    def build(message: Any, context: Context) -> CookieState:
        """The state of a CookieBasedSessionState message."""
        cookie = message.cookie
        if not cookie.name:
            context.error("cookie.name", "Cookie key cannot be empty for cookie based stateful sessions")
        attributes = [(each.name.encode(), each.value.encode()) for each in cookie.attributes]
        return CookieState(cookie.name.encode(), cookie.ttl.seconds, cookie.path.encode(), attributes)

    def __init__(self, name: bytes, ttl_s: int, path: bytes, attributes: list[tuple[bytes, bytes]]) -> None:
        self._name = name
        self._ttl_s = ttl_s
        self._path = path
        self._tail = cookie_tail(ttl_s, path, attributes)

    def concerns(self, headers: HeaderMap) -> bool:
        """By the cookie's path, as a browser would."""
        own = self._path
        if own in (b"", b"/"):
            return True
        path = headers.map.get(b":path", b"").partition(b"?")[0].partition(b"#")[0]
        return path.startswith(own) and (own.endswith(b"/") or path[len(own) : len(own) + 1] in (b"", b"/"))

    def address(self, headers: HeaderMap, wall_s: float) -> str:
        """The address of a cookie that has not ended."""
        value = cookie_value(headers, self._name)
        return _read(_decoded(value), wall_s) if value else ""

    def tell(self, headers: HeaderMap, address: str, wall_s: float) -> None:
        """Set the cookie."""
        expires = int(wall_s) + self._ttl_s if self._ttl_s else 0
        value = base64.b64encode(_written(address.encode(), expires))
        headers.add(b"set-cookie", self._name + b'="' + value + b'"' + self._tail)


@extension(
    "session_state",
    name="envoy.http.stateful_session.header",
    type_url=_PACKAGE + "header.v3.HeaderBasedSessionState",
)
class HeaderState:
    """A header with the address."""

    @staticmethod
    def build(message: Any, context: Context) -> HeaderState:
        """The state of a HeaderBasedSessionState message."""
        if not message.name:
            context.error("name", "Header name cannot be empty for header based stateful sessions")
        return HeaderState(message.name.lower().encode())

    def __init__(self, name: bytes) -> None:
        self._name = name

    def concerns(self, _headers: HeaderMap) -> bool:
        """Every request has headers."""
        return True

    def address(self, headers: HeaderMap, _wall_s: float) -> str:
        """The header's value."""
        value = headers.map.get(self._name)
        return _decoded(value).decode("utf-8", "replace") if value else ""

    def tell(self, headers: HeaderMap, address: str, _wall_s: float) -> None:
        """Set the header."""
        headers.set(self._name, base64.b64encode(address.encode()))


def _decoded(value: bytes) -> bytes:
    """What is in base64; nothing where it is not."""
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        return b""


def _written(address: bytes, expires: int) -> bytes:
    """The message in a cookie: protobuf, as Envoy's Cookie."""
    out = bytearray((_ADDRESS_TAG, len(address))) + address
    if expires:
        out.append(_EXPIRES_TAG)
        while expires > 0x7F:
            out.append(expires & 0x7F | 0x80)
            expires >>= 7
        out.append(expires)
    return bytes(out)


def _read(data: bytes, wall_s: float) -> str:
    """The address in a cookie's message; empty when it has ended.  What is no such message is an address alone."""
    if len(data) < 2 or data[0] != _ADDRESS_TAG or data[1] > 0x7F or len(data) < 2 + data[1]:
        return data.decode("utf-8", "replace")
    address, rest = data[2 : 2 + data[1]], data[2 + data[1] :]
    if rest:
        if rest[0] != _EXPIRES_TAG or len(rest) < 2 or rest[-1] > 0x7F:
            return data.decode("utf-8", "replace")
        expires = 0
        for place, byte in enumerate(rest[1:]):
            expires |= (byte & 0x7F) << 7 * place
        if expires < wall_s:
            return ""
    return address.decode("utf-8", "replace")
