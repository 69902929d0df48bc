"""What a request needs: the tree of JwtRequirement as functions that look at it and name what is wrong.

Source: Envoy's jwt_authn Verifier (any, all, allow_missing, allow_missing_or_failed).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pyvoy.filters.http.jwt_authn.faults import CODES, MISSING, UNKNOWN_ISSUER, JwtFault
from pyvoy.filters.http.jwt_authn.provider import METADATA, Provider, audience_set, find_tokens
from pyvoy.filters.http.jwt_authn.token import Token
from pyvoy.http.headers import HeaderMap

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.http.http_filter import Stream

Requirement = Callable[["Check"], Awaitable[str]]
"""What is wrong with a request, "" for nothing."""


class Check:
    """One request under examination; `metadata` is what good tokens leave."""

    __slots__ = ("headers", "metadata", "stream")

    def __init__(self, stream: Stream, headers: HeaderMap) -> None:
        self.stream = stream
        self.headers = headers
        self.metadata: dict[str, Any] = {}

    @property
    def now_s(self) -> int:
        """Seconds since the epoch."""
        return int(self.stream.services.wall())

    def finish(self) -> None:
        """Leave what the tokens said in the stream's metadata."""
        if self.metadata:
            self.stream.info.dynamic_metadata.setdefault(METADATA, {}).update(self.metadata)


def build(message: Any, context: Context, providers: Mapping[str, Provider]) -> Requirement:
    """The requirement of a JwtRequirement message."""
    return _build(message, context, providers, tuple(providers.values()))


def _build(
    message: Any, context: Context, providers: Mapping[str, Provider], bypassing: tuple[Provider, ...]
) -> Requirement:
    """`bypassing` are the providers whose tokens `allow_missing` and its like look for."""
    kind = message.WhichOneof("requires_type")
    if kind in ("provider_name", "provider_and_audiences"):
        inner = message.provider_and_audiences
        name = message.provider_name if kind == "provider_name" else inner.provider_name
        provider = providers.get(name)
        if provider is None:
            context.error(kind, f"Required provider ['{name}'] is not configured.")
            return _pass
        return _of_provider(provider, audience_set(inner.audiences) if inner.audiences else None)
    if kind == "requires_any":
        return _any(message.requires_any.requirements, context.at(kind), providers)
    if kind == "requires_all":
        entries = enumerate(message.requires_all.requirements)
        place = context.at(kind)
        return _all([_build(each, place.at("requirements", at), providers, bypassing) for at, each in entries])
    if kind in ("allow_missing", "allow_missing_or_failed"):
        return _optional(bypassing, failed=kind == "allow_missing_or_failed")
    return _pass


async def _pass(_check: Check) -> str:
    return ""


def _of_provider(provider: Provider, audiences: frozenset[str] | None) -> Requirement:
    """All tokens in the provider's places must be good, and there must be one."""

    async def require(check: Check) -> str:
        headers = check.headers
        for name in provider.written_headers:
            headers.remove(name)
        fault = MISSING
        try:
            for place, text in reversed(find_tokens(headers, provider.places)):
                token = await provider.check(text, audiences, check.now_s, cached=True)
                provider.use(token, place, headers, check.metadata)
                fault = ""
        except JwtFault as found:
            fault = str(found)
        if fault and provider.failure_key:
            told = {"code": CODES.get(fault, 0), "message": fault}
            check.stream.info.dynamic_metadata.setdefault(METADATA, {})[provider.failure_key] = told
        if not fault and provider.clear_route:
            check.stream.clear_route_cache()
        return fault

    return require


def _optional(providers: tuple[Provider, ...], *, failed: bool) -> Requirement:
    """Tokens need not be there; those that are must be good, unless `failed` ones may pass too."""
    places = tuple(place for provider in providers for place in provider.places)
    written = tuple(name for provider in providers for name in provider.written_headers)

    async def require(check: Check) -> str:
        for name in written:
            check.headers.remove(name)
        fault = ""
        for place, text in reversed(find_tokens(check.headers, places)):
            try:
                provider = _issuer_of(Token(text).issuer, place, providers)
                token = await provider.check(text, None, check.now_s, cached=False)
                provider.use(token, place, check.headers, check.metadata)
            except JwtFault as found:
                fault = str(found)
        return "" if failed else fault

    return require


def _issuer_of(issuer: str, place: Any, providers: Iterable[Provider]) -> Provider:
    """The provider of an issuer whose tokens may be in that place, or one that takes any issuer."""
    fitting = [provider for provider in providers if place in provider.places]
    for provider in fitting:
        if provider.issuer == issuer:
            return provider
    for provider in fitting:
        if not provider.issuer:
            return provider
    raise JwtFault(UNKNOWN_ISSUER)


def _any(messages: Any, context: Context, providers: Mapping[str, Provider]) -> Requirement:
    """The first that holds; `allow_missing` and its like are asked last, about the providers beside them."""
    used: list[Provider] = []
    regular: list[Requirement] = []
    bypass: tuple[Any, Context] | None = None
    for index, message in enumerate(messages):
        place = context.at("requirements", index)
        kind = message.WhichOneof("requires_type")
        if kind in ("allow_missing", "allow_missing_or_failed"):
            if bypass is None or bypass[0].WhichOneof("requires_type") == "allow_missing":
                bypass = message, place
            continue
        name = message.provider_name or message.provider_and_audiences.provider_name
        if name in providers:
            used.append(providers[name])
        regular.append(_build(message, place, providers, tuple(providers.values())))
    if bypass is not None:
        regular.append(_build(*bypass, providers, tuple(used)))
    requirements = tuple(regular)

    async def require(check: Check) -> str:
        worst = ""
        for requirement in requirements:
            fault = await requirement(check)
            if not fault:
                return ""
            # A token that is wrong tells more than one that is not there.
            if not worst or worst in (MISSING, UNKNOWN_ISSUER) or fault not in (MISSING, UNKNOWN_ISSUER):
                worst = fault
        return worst

    return require


def _all(requirements: list[Requirement]) -> Requirement:
    async def require(check: Check) -> str:
        for requirement in requirements:
            fault = await requirement(check)
            if fault:
                return fault
        return ""

    return require
