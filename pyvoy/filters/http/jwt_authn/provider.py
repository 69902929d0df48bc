"""A provider: where its tokens are in a request, what they must say, and what becomes of a good one.

Source: Envoy's jwt_authn Extractor, Authenticator and JwksCache (observed on Envoy 1.40).
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from pyvoy.filters.http.jwt_authn.faults import AUDIENCE, UNKNOWN_ISSUER, UNVERIFIED, JwtFault
from pyvoy.filters.http.jwt_authn.jwks import Jwks
from pyvoy.filters.http.jwt_authn.token import Token
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.stats.counters import Counter

METADATA = "envoy.filters.http.jwt_authn"
_TOKEN_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


@dataclass(slots=True, frozen=True)
class Place:
    """Where a token may be: a header with a prefix before it, a query parameter, or a cookie."""

    kind: str
    name: bytes
    prefix: bytes = b""


DEFAULT_PLACES = (Place("header", b"authorization", b"Bearer "), Place("parameter", b"access_token"))


@dataclass(slots=True)
class TokenCache:
    """The tokens that were found good, the most recently used last; tokens over `max_bytes` are not kept."""

    size: int = 0
    max_bytes: int = 4096
    tokens: OrderedDict[bytes, Token] = field(default_factory=OrderedDict)

    def get(self, text: bytes) -> Token | None:
        """A token that is known to be good but for its time."""
        token = self.tokens.get(text)
        if token is not None:
            self.tokens.move_to_end(text)
        return token

    def put(self, text: bytes, token: Token) -> None:
        """Keep a good token."""
        if self.size and len(text) <= self.max_bytes:
            self.tokens[text] = token
            if len(self.tokens) > self.size:
                self.tokens.popitem(last=False)

    def clear(self) -> None:
        """The keys have changed."""
        self.tokens.clear()


@dataclass(slots=True, frozen=True, eq=False)
class Provider:
    """A JwtProvider.  `max_lifetime_s` None is no limit; `payload_key`, `header_key` and `failure_key` are "" where
    nothing is left in the metadata."""

    name: str
    issuer: str
    audiences: frozenset[str]
    subject: Callable[[bytes], bool] | None
    jwks: Jwks
    places: tuple[Place, ...]
    needs_expiration: bool
    max_lifetime_s: float | None
    skew_s: int
    forward: bool
    payload_header: bytes
    pad_payload: bool
    payload_key: str
    spaced_claims: tuple[str, ...]
    header_key: str
    failure_key: str
    claims: tuple[tuple[bytes, tuple[str, ...]], ...]
    clear_route: bool
    cache: TokenCache
    hits: Counter
    misses: Counter

    @property
    def written_headers(self) -> tuple[bytes, ...]:
        """Headers that a client must not bring along."""
        own = (self.payload_header,) if self.payload_header else ()
        return (*own, *(name for name, _ in self.claims))

    async def check(self, text: bytes, audiences: frozenset[str] | None, now_s: int, *, cached: bool) -> Token:
        """The token, if it is good.  Raises JwtFault."""
        known = self.cache.get(text) if cached else None
        if cached:
            (self.misses if known is None else self.hits).inc()
        token = known or Token(text)
        if self.issuer and token.issuer != self.issuer:
            raise JwtFault(UNKNOWN_ISSUER)
        if self.subject is not None and not self.subject(token.subject.encode()):
            raise JwtFault(UNVERIFIED)
        self._check_lifetime(token, now_s)
        token.check_time(now_s, self.skew_s)
        allowed = self.audiences if audiences is None else audiences
        if allowed and allowed.isdisjoint(map(_plain_audience, token.audiences)):
            raise JwtFault(AUDIENCE)
        if known is None:
            keys = self.jwks.keys()
            if keys is None:
                keys = await self.jwks.fetch()
            keys.check(token)
            if cached:
                self.cache.put(text, token)
        return token

    def _check_lifetime(self, token: Token, now_s: int) -> None:
        if self.needs_expiration and not token.expires_s:
            raise JwtFault(UNVERIFIED)
        limit_s = self.max_lifetime_s
        if limit_s is not None and (not token.expires_s or token.expires_s > now_s + limit_s + self.skew_s):
            raise JwtFault(UNVERIFIED)

    def use(self, token: Token, place: Place, headers: HeaderMap, metadata: dict[str, Any]) -> None:
        """Write what a good token says where it is wanted."""
        if self.payload_header:
            padding = b"=" * (-len(token.payload_text) % 4) if self.pad_payload else b""
            headers.add(self.payload_header, token.payload_text + padding)
        for name, path in self.claims:
            value = claim_text(token.claim(path))
            if value:
                headers.add(name, value)
        if not self.forward:
            remove_token(headers, place)
        if self.header_key:
            metadata[self.header_key] = token.header
        if self.payload_key:
            metadata[self.payload_key] = {**token.payload, **self._split_claims(token)}

    def _split_claims(self, token: Token) -> dict[str, Any]:
        found = {name: token.payload.get(name) for name in self.spaced_claims}
        return {name: value.split(" ") for name, value in found.items() if isinstance(value, str)}


def _plain_audience(text: str) -> str:
    """An audience without scheme and trailing slash, as Envoy compares them."""
    for scheme in ("https://", "http://"):
        if text.startswith(scheme):
            text = text[len(scheme) :]
            break
    return text.removesuffix("/")


def audience_set(audiences: Iterable[str]) -> frozenset[str]:
    """Audiences that are accepted."""
    return frozenset(map(_plain_audience, audiences))


def claim_text(value: Any) -> bytes:
    """A claim as a header's value; lists and objects as base64 of their JSON."""
    if isinstance(value, bool):
        return b"true" if value else b"false"
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, int):
        return b"%d" % value
    if isinstance(value, float):
        return b"%d" % int(value) if value >= 0 and value.is_integer() else f"{value:f}".encode()
    if isinstance(value, dict | list):
        return urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode())
    return b""


def find_tokens(headers: HeaderMap, places: Iterable[Place]) -> list[tuple[Place, bytes]]:
    """All tokens in these places, those that count first at the end."""
    found: list[tuple[Place, bytes]] = []
    ordered = sorted(dict.fromkeys(places), key=lambda place: place.name + place.prefix)
    for place in ordered:
        if place.kind == "header":
            found += [
                (place, token) for value in headers.get_all(place.name) if (token := _behind(value, place.prefix))
            ]
    query = headers.map.get(b":path", b"").partition(b"?")[2]
    parameters = [item.partition(b"=") for item in query.split(b"&")]
    cookies = [part.strip().partition(b"=") for line in headers.get_all(b"cookie") for part in line.split(b";")]
    for place in ordered:
        if place.kind != "header":
            pairs = parameters if place.kind == "parameter" else cookies
            value = next((value for name, _, value in pairs if unquote_to_bytes(name) == place.name), None)
            if value is not None:
                found.append((place, unquote_to_bytes(value) if place.kind == "parameter" else value.strip(b'"')))
    return found


def _behind(value: bytes, prefix: bytes) -> bytes:
    """What stands behind a prefix, b"" without it; anything before the token's own alphabet is skipped."""
    if not prefix:
        return value
    start = value.find(prefix)
    if start < 0:
        return b""
    rest = value[start + len(prefix) :]
    at = next((at for at, byte in enumerate(rest) if byte in _TOKEN_BYTES), None)
    return value if at is None else rest[at:]


def remove_token(headers: HeaderMap, place: Place) -> None:
    """Take a token out of the request; cookies stay, as in Envoy."""
    if place.kind == "header":
        headers.remove(place.name)
    elif place.kind == "parameter":
        path, _, query = headers.map.get(b":path", b"").partition(b"?")
        kept = [item for item in query.split(b"&") if unquote_to_bytes(item.partition(b"=")[0]) != place.name]
        headers.set(b":path", path + b"?" + b"&".join(kept) if kept else path)
