"""The decompressor filter: which bodies are unpacked, and what the headers say then.

Source: Envoy, HTTP filter "Decompressor" (headers, trailers and counters observed on Envoy 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from pyvoy.config.registry import http_filter, supports
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

_PACKAGE = "envoy.extensions.filters.http.decompressor.v3"
TYPE = f"{_PACKAGE}.Decompressor"

supports(TYPE, "decompressor_library request_direction_config response_direction_config")
supports(f"{TYPE}.CommonDirectionConfig", "enabled ignore_no_transform_header")
supports(f"{TYPE}.RequestDirectionConfig", "common_config advertise_accept_encoding")
supports(f"{TYPE}.ResponseDirectionConfig", "common_config")

_ENCODING = b"content-encoding"
_ACCEPT = b"accept-encoding"


class Decompressing(Protocol):
    """Unpacks one body."""

    def decompress(self, data: bytes) -> bytes:
        """What a piece unpacks to."""


class Library(Protocol):
    """A decompressor library's plan; statistics have its `name`."""

    encoding: bytes
    name: str

    def counters(self, scope: Scope) -> Any:
        """The library's counters: what its decompressors count in."""

    def decompressor(self, counters: Any) -> Decompressing:
        """A decompressor of one body."""


@dataclass(slots=True, frozen=True, eq=False)
class Direction:
    """One direction and its counters."""

    enabled: bool
    ignores_no_transform: bool
    decompressed: Counter
    not_decompressed: Counter
    total_compressed_bytes: Counter
    total_uncompressed_bytes: Counter


@dataclass(slots=True, frozen=True, eq=False)
class DecompressorPlan:
    """A Decompressor message; `trailers` are the names of those that tell the sizes."""

    library: Library
    counters: Any
    request: Direction
    response: Direction
    advertises: bool
    trailers: tuple[bytes, bytes]


class _Body:
    """A body that is being unpacked."""

    __slots__ = ("compressed", "plan", "side", "stream", "uncompressed")

    def __init__(self, plan: DecompressorPlan, side: Direction) -> None:
        self.plan = plan
        self.side = side
        self.stream = plan.library.decompressor(plan.counters)
        self.compressed = self.uncompressed = 0

    def take(self, data: bytes) -> bytes:
        """A piece."""
        out = self.stream.decompress(data)
        self.compressed += len(data)
        self.uncompressed += len(out)
        self.side.total_compressed_bytes.inc(len(data))
        self.side.total_uncompressed_bytes.inc(len(out))
        return out

    def tell(self, trailers: HeaderMap) -> None:
        """Write the sizes."""
        compressed, uncompressed = self.plan.trailers
        trailers.add(compressed, b"%d" % self.compressed)
        trailers.add(uncompressed, b"%d" % self.uncompressed)


@http_filter(name="envoy.filters.http.decompressor", type_url=TYPE, posture="robust_to_untrusted_downstream")
class Decompressor(HttpFilter):
    """One per stream: the bodies that are unpacked."""

    __slots__ = ("_plan", "_request", "_response")

    @staticmethod
    def build(message: Any, context: Context) -> DecompressorPlan | None:
        """The plan of a Decompressor message."""
        library = context.extension("decompressor_library", message.decompressor_library, "decompressor_library")
        if library is None:
            return None
        name = message.decompressor_library.name
        scope = context.scope.scope(f"decompressor.{name}.{library.name}")
        prefix = f"x-envoy-decompressor-{name}-".lower().encode()
        return DecompressorPlan(
            library,
            library.counters(scope),
            _direction(message, "request_direction_config", context, scope.scope("request")),
            _direction(message, "response_direction_config", context, scope.scope("response")),
            context.at("request_direction_config").wrapped(
                message.request_direction_config, "advertise_accept_encoding", True
            ),
            (prefix + b"compressed-bytes", prefix + b"uncompressed-bytes"),
        )

    def __init__(self, plan: DecompressorPlan) -> None:
        self._plan = plan
        self._request: _Body | None = None
        self._response: _Body | None = None

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Say what can be unpacked here, and unpack the request's body."""
        plan = self._plan
        if plan.response.enabled and plan.advertises:
            _advertise(headers, plan.library.encoding)
        if not end:
            self._request = self._begin(plan.request, headers)
        return CONTINUE

    def request_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Unpack a piece."""
        body = self._request
        if body is not None:
            stream.replace_request_data(self, body.take(data))
            if end:
                body.tell(stream.add_request_trailers())
        return CONTINUE

    def request_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """Tell the sizes."""
        if self._request is not None:
            self._request.tell(trailers)
        return CONTINUE

    def response_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Unpack the response's body."""
        if not end:
            self._response = self._begin(self._plan.response, headers)
        return CONTINUE

    def response_data(self, stream: Stream, data: bytes, end: bool) -> Verdict:
        """Unpack a piece."""
        body = self._response
        if body is not None:
            stream.replace_response_data(self, body.take(data))
            if end:
                body.tell(stream.add_response_trailers())
        return CONTINUE

    def response_trailers(self, stream: Stream, trailers: HeaderMap) -> Verdict:
        """Tell the sizes."""
        if self._response is not None:
            self._response.tell(trailers)
        return CONTINUE

    def _begin(self, side: Direction, headers: HeaderMap) -> _Body | None:
        """Decide on a body; the headers are those of what it unpacks to."""
        codings = (headers.joined(_ENCODING) or b"").split(b",")
        fits = codings[0].strip().lower() == self._plan.library.encoding
        if not side.enabled or not fits or (not side.ignores_no_transform and _is_fixed(headers)):
            side.not_decompressed.inc()
            return None
        side.decompressed.inc()
        headers.remove(b"content-length")
        rest = b",".join(codings[1:]).strip()
        if rest:
            headers.set(_ENCODING, rest)
        else:
            headers.remove(_ENCODING)
        return _Body(self._plan, side)


def _is_fixed(headers: HeaderMap) -> bool:
    """cache-control: no-transform."""
    directives = (headers.joined(b"cache-control") or b"").split(b",")
    return any(each.strip().lower() == b"no-transform" for each in directives)


def _advertise(headers: HeaderMap, encoding: bytes) -> None:
    """Put an encoding into accept-encoding, once."""
    accepted = headers.joined(_ACCEPT)
    if not accepted:
        headers.set(_ACCEPT, encoding)
        return
    others = [each for each in accepted.split(b",") if each.partition(b";")[0].strip().lower() != encoding]
    headers.set(_ACCEPT, b",".join([*others, encoding]))


def _direction(message: Any, field: str, context: Context, scope: Scope) -> Direction:
    from pyvoy.config.compile.token_bucket import feature_enabled

    common = getattr(message, field).common_config
    place = context.at(field).at("common_config")
    return Direction(
        feature_enabled(common, "enabled", place),
        common.ignore_no_transform_header,
        scope.counter("decompressed"),
        scope.counter("not_decompressed"),
        scope.counter("total_compressed_bytes"),
        scope.counter("total_uncompressed_bytes"),
    )


_: type[HttpFilter] = Decompressor
