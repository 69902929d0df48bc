"""Compressor: compress response bodies for clients that accept it, and request bodies where configured.

Bodies are compressed piece by piece; content-length goes, strong etags go, `vary` tells caches.
Source: Envoy, HTTP filter "Compressor" (headers and counters observed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pyvoy.config.registry import http_filter, supports
from pyvoy.filters.http.compressor.accept_encoding import Choice, choose
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

_PACKAGE = "envoy.extensions.filters.http.compressor.v3"
TYPE = f"{_PACKAGE}.Compressor"
ROUTE_TYPE = f"{_PACKAGE}.CompressorPerRoute"

supports(
    TYPE,
    "content_length content_type disable_on_etag_header remove_accept_encoding_header runtime_enabled "
    "compressor_library request_direction_config response_direction_config choose_first",
)
supports(f"{TYPE}.CommonDirectionConfig", "enabled min_content_length content_type")
supports(f"{TYPE}.RequestDirectionConfig", "common_config")
supports(
    f"{TYPE}.ResponseDirectionConfig",
    "common_config disable_on_etag_header remove_accept_encoding_header uncompressible_response_codes",
)
supports(ROUTE_TYPE, "disabled overrides")
supports(f"{_PACKAGE}.CompressorOverrides", "response_direction_config")
supports(f"{_PACKAGE}.ResponseDirectionOverrides", "remove_accept_encoding_header")

_ACCEPT = b"accept-encoding"
_ENCODING = b"content-encoding"
_DEFAULT_TYPES = frozenset(
    (
        b"application/ecmascript application/javascript application/json application/x-javascript application/x-json "
        b"application/xhtml+xml application/xml image/svg+xml text/css text/ecmascript text/html text/javascript "
        b"text/js text/jscript text/plain text/x-javascript text/x-js text/xml"
    ).split()
)
_MIN_LENGTH = 30
_DECISION = "pyvoy.compressor.encoding"
"""Filter state: what was decided for a response where there are several compressors."""


class Compressing(Protocol):
    """Compresses one body."""

    def compress(self, data: bytes, *, end: bool) -> bytes:
        """The compressed piece."""


class Library(Protocol):
    """A compressor library's plan; statistics have its `name`."""

    encoding: bytes
    name: str

    def compressor(self) -> Compressing:
        """A compressor of one body."""


class DirectionStats:
    """Counters of one direction."""

    __slots__ = (
        "compressed",
        "content_length_too_small",
        "not_compressed",
        "total_compressed_bytes",
        "total_uncompressed_bytes",
    )
    compressed: Counter
    content_length_too_small: Counter
    not_compressed: Counter
    total_compressed_bytes: Counter
    total_uncompressed_bytes: Counter

    def __init__(self, scope: Scope) -> None:
        for name in self.__slots__:
            setattr(self, name, scope.counter(name))


@dataclass(slots=True, frozen=True, eq=False)
class DirectionPlan:
    """What is compressed in one direction."""

    enabled: bool
    min_length: int
    types: frozenset[bytes]
    stats: DirectionStats

    def is_long_enough(self, headers: HeaderMap) -> bool:
        """By content-length; a body of unknown length is."""
        length = headers.map.get(b"content-length")
        if length is None or (length.isdigit() and int(length) >= self.min_length):
            return True
        self.stats.content_length_too_small.inc()
        return False

    def is_wanted_type(self, headers: HeaderMap) -> bool:
        """By content-type; a body without one is."""
        return _is_of(headers, self.types)


def _is_of(headers: HeaderMap, types: frozenset[bytes]) -> bool:
    kind = headers.map.get(b"content-type")
    return not kind or kind.partition(b";")[0].strip() in types


@dataclass(slots=True, frozen=True)
class Offer:
    """What one compressor of a chain can do for responses; of equals the last that `is_preferred`
    (choose_first) wins."""

    encoding: bytes
    types: frozenset[bytes]
    is_preferred: bool

    def fits(self, headers: HeaderMap) -> bool:
        """Whether it is offered for this content-type."""
        return _is_of(headers, self.types)


@dataclass(slots=True, frozen=True, eq=False)
class CompressorPlan:
    """The filter's configuration and counters (`http.<stat_prefix>.compressor.<library>.<encoding>.`)."""

    library: Library
    offers: list[Offer]
    """Those of all compressors of the chain, in its order."""
    request: DirectionPlan
    response: DirectionPlan
    etag_forbids: bool
    remove_accept: bool
    uncompressible: frozenset[bytes]
    choices: dict[Choice, Counter]
    no_accept_header: Counter
    header_compressor_overshadowed: Counter
    not_compressed_etag: Counter


@dataclass(slots=True, frozen=True)
class RoutePlan:
    """What a route says: nothing is compressed here, or whether accept-encoding goes (None: as configured)."""

    disabled: bool
    remove_accept: bool | None = None


@http_filter(
    name="envoy.filters.http.compressor",
    type_url=TYPE,
    route_type_url=ROUTE_TYPE,
    posture="robust_to_untrusted_downstream",
)
class Compressor(HttpFilter):
    """One per stream: what the client accepts, and the compressors that run."""

    __slots__ = ("_accept", "_disabled", "_plan", "_request", "_response")

    @staticmethod
    def build(message: Any, context: Context) -> CompressorPlan | None:
        """The plan of a Compressor message."""
        return _plan(message, context)

    @staticmethod
    def build_route(message: Any, context: Context) -> RoutePlan:
        """The plan of a CompressorPerRoute message."""
        if message.disabled:
            return RoutePlan(True)
        overrides = message.overrides.response_direction_config
        return RoutePlan(False, context.wrapped(overrides, "remove_accept_encoding_header", None))

    def __init__(self, plan: CompressorPlan) -> None:
        self._plan = plan
        self._accept: bytes | None = None
        self._disabled = False
        self._request: Compressing | None = None
        self._response: Compressing | None = None

    # ---- the request ----

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Note what the client accepts; compress the request where that is configured."""
        plan = self._plan
        route: RoutePlan | None = stream.route_plan(self)
        self._disabled = route is not None and route.disabled
        self._accept = headers.joined(_ACCEPT)
        remove = plan.remove_accept if route is None or route.remove_accept is None else route.remove_accept
        if remove and plan.response.enabled and not self._disabled:
            headers.remove(_ACCEPT)
        side = plan.request
        if (
            not end
            and side.enabled
            and side.is_long_enough(headers)
            and side.is_wanted_type(headers)
            and _ENCODING not in headers.map
        ):
            self._request = plan.library.compressor()
            _mark(headers, plan.library.encoding, side.stats)
        else:
            side.stats.not_compressed.inc()
        return CONTINUE

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Compress a piece."""
        if self._request is not None:
            stream.replace_request_data(self, _compress(self._request, data, self._plan.request.stats, end=end))
        return CONTINUE

    def request_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The compressed body ends before the trailers."""
        if self._request is not None:
            stream.add_request_data(self, _compress(self._request, b"", self._plan.request.stats, end=True))
        return CONTINUE

    # ---- the response ----

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Decide whether the response is compressed."""
        plan = self._plan
        side = plan.response
        big = side.enabled and not self._disabled and side.is_long_enough(headers)
        compressible = big and self._is_compressible(headers)
        if not end and big and self._is_accepted(stream, headers) and compressible:
            self._response = plan.library.compressor()
            if headers.map.get(b"etag", b"w/")[:2].lower() != b"w/":
                headers.remove(b"etag")
            _mark(headers, plan.library.encoding, side.stats)
        else:
            side.stats.not_compressed.inc()
        if compressible:
            _vary(headers)
        return CONTINUE

    def _is_compressible(self, headers: HeaderMap) -> bool:
        plan = self._plan
        values = headers.map
        if b"upgrade" in values or not plan.response.is_wanted_type(headers):
            return False
        directives = [item.strip().lower() for item in values.get(b"cache-control", b"").split(b",")]
        if b"no-transform" in directives:
            return False
        if plan.etag_forbids and b"etag" in values:
            plan.not_compressed_etag.inc()
            return False
        return _ENCODING not in values and values[b":status"] not in plan.uncompressible

    def _is_accepted(self, stream: Stream, headers: HeaderMap) -> bool:
        plan = self._plan
        if self._accept is None:
            plan.no_accept_header.inc()
            return False
        choice, encoding = self._choose(stream, self._accept, headers)
        own = encoding == plan.library.encoding
        if choice is Choice.USED and not own:
            plan.header_compressor_overshadowed.inc()
        else:
            plan.choices[choice].inc()
        return own

    def _choose(self, stream: Stream, accept: bytes, headers: HeaderMap) -> tuple[Choice, bytes]:
        """What the client gets: the first compressor that asks decides for all of the chain."""
        offers = self._plan.offers
        several = len(offers) > 1
        made: tuple[Choice, bytes] | None = stream.info.filter_state.get(_DECISION) if several else None
        if made is None:
            # An encoding that is not offered for this content type is as good as unknown.
            fitting = [offer for offer in offers if offer.fits(headers)]
            preferred = next((offer.encoding for offer in reversed(fitting) if offer.is_preferred), None)
            made = choose(accept, [offer.encoding for offer in fitting], preferred)
            if several:
                stream.info.filter_state[_DECISION] = made
        return made

    def response_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Compress a piece."""
        if self._response is not None:
            stream.replace_response_data(self, _compress(self._response, data, self._plan.response.stats, end=end))
        return CONTINUE

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """The compressed body ends before the trailers."""
        if self._response is not None:
            stream.add_response_data(self, _compress(self._response, b"", self._plan.response.stats, end=True))
        return CONTINUE


def _mark(headers: HeaderMap, encoding: bytes, stats: DirectionStats) -> None:
    headers.remove(b"content-length")
    headers.set(_ENCODING, encoding)
    stats.compressed.inc()


def _compress(compressor: Compressing, data: bytes, stats: DirectionStats, *, end: bool) -> bytes:
    if not data and not end:
        return b""
    out = compressor.compress(data, end=end)
    stats.total_uncompressed_bytes.inc(len(data))
    stats.total_compressed_bytes.inc(len(out))
    return out


def _vary(headers: HeaderMap) -> None:
    """Caches must know that the answer depends on what the client accepts."""
    vary = headers.joined(b"vary")
    if not vary:
        headers.set(b"vary", b"Accept-Encoding")
    elif b"Accept-Encoding" not in vary:
        headers.set(b"vary", vary + b", Accept-Encoding")


# ---- load ----


def _plan(message: Any, context: Context) -> CompressorPlan | None:
    library = context.extension("compressor_library", message.compressor_library, "compressor_library")
    if library is None:
        return None
    scope = context.scope.scope(f"compressor.{message.compressor_library.name}.{library.name}")
    whole = message.HasField("response_direction_config")
    response = message.response_direction_config
    answers = (
        _direction(message, "response_direction_config", context, scope.scope("response"))
        if whole
        else _legacy_direction(message, context, scope)
    )
    offers = _offers(context)
    offers.append(Offer(library.encoding, answers.types, message.choose_first))
    return CompressorPlan(
        library,
        offers,
        _direction(message, "request_direction_config", context, scope.scope("request")),
        answers,
        response.disable_on_etag_header if whole else message.disable_on_etag_header,
        response.remove_accept_encoding_header if whole else message.remove_accept_encoding_header,
        frozenset(b"%d" % code for code in response.uncompressible_response_codes),
        {choice: scope.counter(choice.value) for choice in Choice},
        scope.counter("no_accept_header"),
        scope.counter("header_compressor_overshadowed"),
        scope.counter("not_compressed_etag"),
    )


def _offers(context: Context) -> list[Offer]:
    """What the compressors of the chain that is being built offer."""
    env = context.env
    chain, offers = env.shared.get(_DECISION, (None, None))
    if offers is None or chain is not env.chain:
        offers = []
        env.shared[_DECISION] = env.chain, offers
    found: list[Offer] = offers
    return found


def _direction(message: Any, field: str, context: Context, scope: Scope) -> DirectionPlan:
    """A direction that has its own configuration; without one nothing is compressed in it."""
    from pyvoy.config.compile.token_bucket import feature_enabled

    common = getattr(message, field).common_config
    place = context.at(field).at("common_config")
    return DirectionPlan(
        message.HasField(field) and feature_enabled(common, "enabled", place),
        place.wrapped(common, "min_content_length", _MIN_LENGTH),
        _types(common.content_type),
        DirectionStats(scope),
    )


def _legacy_direction(message: Any, context: Context, scope: Scope) -> DirectionPlan:
    """Responses, by the deprecated fields of the filter itself."""
    from pyvoy.config.compile.token_bucket import feature_enabled

    return DirectionPlan(
        feature_enabled(message, "runtime_enabled", context),
        context.wrapped(message, "content_length", _MIN_LENGTH),
        _types(message.content_type),
        DirectionStats(scope),
    )


def _types(names: Any) -> frozenset[bytes]:
    return frozenset(name.encode() for name in names) or _DEFAULT_TYPES


_: type[HttpFilter] = Compressor
