"""Basic authentication: requests need a user and password of an htpasswd list, else 401.

Only SHA-1 entries are read, as in Envoy.  Comparison takes the same time for right and wrong passwords.
Source: Envoy, HTTP filter "Basic Auth" (texts, details and refusals observed on Envoy 1.40); RFC 7617.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, STOP, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter

_PACKAGE = "envoy.extensions.filters.http.basic_auth.v3"
TYPE = f"{_PACKAGE}.BasicAuth"
ROUTE_TYPE = f"{_PACKAGE}.BasicAuthPerRoute"

supports(TYPE, "users forward_username_header authentication_header")
supports(ROUTE_TYPE, "users")

Users = Mapping[bytes, bytes]
"""Base64 of the SHA-1 of the password, by user."""

_NOBODY = b"=" * 28
_SHA = "{SHA}"

# What is wrong: text and details.
MISSING = (b"Missing username and password.", "no_credential_for_basic_auth")
SCHEME = (b"Expected 'Basic' authentication scheme.", "invalid_scheme_for_basic_auth")
FORMAT = (b"Invalid basic credential format.", "invalid_format_for_basic_auth")
WRONG = (b"Invalid username/password combination.", "invalid_credential_for_basic_auth")


@dataclass(slots=True, frozen=True, eq=False)
class BasicAuthPlan:
    """`header` carries the credentials; `forward` is the header that tells the upstream who it is, b"" for none."""

    users: Users
    header: bytes
    forward: bytes
    allowed: Counter
    denied: Counter


@http_filter(
    name="envoy.filters.http.basic_auth",
    type_url=TYPE,
    route_type_url=ROUTE_TYPE,
    posture="robust_to_untrusted_downstream",
)
class BasicAuth(HttpFilter):
    """Keeps nothing of a stream."""

    __slots__ = ("_plan",)

    @staticmethod
    def build(message: Any, context: Context) -> BasicAuthPlan:
        """The plan of a BasicAuth message."""
        scope = context.scope.scope("basic_auth")
        return BasicAuthPlan(
            read_users(context.data_source(message, "users"), context),
            message.authentication_header.lower().encode() or b"authorization",
            message.forward_username_header.lower().encode(),
            scope.counter("allowed"),
            scope.counter("denied"),
        )

    @staticmethod
    def build_route(message: Any, context: Context) -> Users:
        """The users of a BasicAuthPerRoute message."""
        return read_users(context.data_source(message, "users"), context)

    def __init__(self, plan: BasicAuthPlan) -> None:
        self._plan = plan

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Check the credentials."""
        plan = self._plan
        users = stream.route_plan(self)
        user, wrong = check(headers.map.get(plan.header), plan.users if users is None else users)
        if wrong is None:
            plan.allowed.inc()
            if plan.forward:
                headers.set(plan.forward, user)
            return CONTINUE
        plan.denied.inc()
        values = headers.map
        url = b"%s://%s%s" % (values.get(b":scheme", b""), values.get(b":authority", b""), values.get(b":path", b""))
        stream.send_local_reply(
            401,
            b"User authentication failed. " + wrong[0],
            details=wrong[1],
            headers=((b"www-authenticate", b'Basic realm="%s"' % url),),
        )
        return STOP


def check(credentials: bytes | None, users: Users) -> tuple[bytes, tuple[bytes, str] | None]:
    """The user, and what is wrong (None: nothing)."""
    if not credentials:
        return b"", MISSING
    if not credentials.startswith(b"Basic "):
        return b"", SCHEME
    try:
        user, colon, password = b64decode(credentials[6:], validate=True).partition(b":")
    except binascii.Error:
        return b"", FORMAT
    if not colon:
        return b"", FORMAT
    # Basic authentication with htpasswd's SHA entries is the protocol here, whatever one thinks of SHA-1.
    digest = b64encode(hashlib.sha1(password, usedforsecurity=False).digest())
    return user, None if hmac.compare_digest(digest, users.get(user, _NOBODY)) else WRONG


def read_users(text: bytes, context: Context) -> Users:
    """The users of an htpasswd text; reports what is wrong with it."""
    users: dict[bytes, bytes] = {}
    if not text:
        context.error("users", "DataSource cannot be empty")
    for line in text.decode("utf-8", "replace").splitlines():
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        name, colon, secret = entry.partition(":")
        problem = _entry_problem(name, colon, secret)
        if not problem and name.encode() in users:
            problem = "duplicate users"
        if problem:
            context.error("users", f"basic auth: {problem}")
        else:
            users[name.encode()] = secret.removeprefix(_SHA).encode()
    return users


def _entry_problem(name: str, colon: str, secret: str) -> str:
    if not colon:
        return "invalid htpasswd format, username:password is expected"
    if not name or not secret:
        return "empty user name or password"
    if not secret.startswith(_SHA):
        return "unsupported htpasswd format: please use {SHA}"
    if len(secret) - len(_SHA) != len(_NOBODY):
        return "invalid htpasswd format, invalid SHA hash length"
    return ""


_: type[HttpFilter] = BasicAuth
