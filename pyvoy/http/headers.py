"""The header map: lower-case byte names, arrival order, pseudo headers first.

Nearly every message has each name once, so the map is a plain dict of values, and only a message that repeats a name
carries the full list of pairs beside it.  Readers on the hot path use `map.get` directly; writers go through the
methods, which keep both views and the generation number (mirrors in other languages compare it to know when they are
stale).  Names that Envoy keeps "inline" are joined with a comma when repeated, as Envoy does on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.http.known_heads import KnownHead

Pair = tuple[bytes, bytes]

COALESCED = frozenset(
    b":authority :path :method :scheme :status :protocol connection content-length content-type expect grpc-timeout "
    b"keep-alive proxy-connection te transfer-encoding upgrade user-agent via x-envoy-attempt-count "
    b"x-envoy-decorator-operation x-envoy-downstream-service-cluster x-envoy-downstream-service-node "
    b"x-envoy-external-address x-envoy-force-trace x-envoy-internal x-envoy-ip-tags x-envoy-max-retries "
    b"x-envoy-original-path x-envoy-original-url x-envoy-retriable-header-names x-envoy-retriable-status-codes "
    b"x-envoy-retry-grpc-on x-envoy-retry-on x-envoy-upstream-alt-stat-name x-envoy-upstream-rq-per-try-timeout-ms "
    b"x-envoy-upstream-rq-timeout-alt-response x-envoy-upstream-rq-timeout-ms x-forwarded-client-cert x-forwarded-for "
    b"x-forwarded-host x-forwarded-proto x-request-id date server grpc-message grpc-status location "
    b"x-envoy-upstream-service-time x-envoy-overloaded x-envoy-ratelimited x-envoy-immediate-health-check-fail "
    b"accept accept-encoding access-control-request-headers access-control-request-method "
    b"access-control-request-private-network authorization cache-control cdn-loop content-encoding "
    b"grpc-accept-encoding if-match if-modified-since if-none-match if-range if-unmodified-since origin pragma "
    b"proxy-status referer x-envoy-original-host x-client-trace-id x-forwarded-port access-control-allow-credentials "
    b"access-control-allow-headers access-control-allow-methods access-control-allow-origin "
    b"access-control-allow-private-network access-control-expose-headers access-control-max-age age etag expires "
    b"last-modified vary x-envoy-degraded x-envoy-upstream-canary x-envoy-upstream-healthchecked-cluster".split()
)
"""Envoy's inline headers: a repeated one is appended to the first with a comma.  The list is http/headers.h, and those
that its extensions register, as the running 1.40 joins them."""


_NAME = re.compile(rb":?[!#$%&'*+\-.^_`|~0-9a-z]+")
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def is_valid_header(name: bytes, value: bytes) -> bool:
    """Whether a codec would let this header in (RFC 9110 5.1, 5.5)."""
    return _NAME.fullmatch(name) is not None and _BAD_VALUE.search(value) is None


def header_fault(headers: HeaderMap) -> str:
    """What is wrong with the first header that no request may carry, in Envoy's words; "" if all are well."""
    for name, value in headers.items():
        if _NAME.fullmatch(name) is None:
            return f"invalid header name: {name.decode('latin-1')}"
        if _BAD_VALUE.search(value) is not None:
            return f"invalid header value for: {name.decode('latin-1')}"
    return ""


class HeaderMap:
    """Headers of one message, owned by its stream.

    `map` holds the first value of each name; `pairs` is None unless a name occurs twice, then it holds every pair in
    order.  `generation` grows with every change.
    """

    __slots__ = ("generation", "head", "map", "pairs", "value")

    head: KnownHead
    """With `value`, what a `KnownHeaders` has: it becomes a HeaderMap in place, which needs the same slots."""
    value: bytes

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        """From pairs; `header_map` makes one around a dict."""
        self.map: dict[bytes, bytes] = {}
        self.pairs: list[Pair] | None = None
        self.generation = 0
        if pairs:
            for name, value in pairs:
                self.add(name, value)

    def get(self, name: bytes) -> bytes | None:
        """The first value of `name`, or None."""
        return self.map.get(name)

    def joined(self, name: bytes) -> bytes | None:
        """All values of `name` joined with a comma (what matchers must see: CVE-2020-25017), or None."""
        if self.pairs is None or name not in self.map:
            return self.map.get(name)
        return b",".join([value for key, value in self.pairs if key == name])

    def get_all(self, name: bytes) -> list[bytes]:
        """Every value of `name` in order; empty when there is none."""
        if self.pairs is None:
            value = self.map.get(name)
            return [] if value is None else [value]
        return [value for key, value in self.pairs if key == name]

    def set(self, name: bytes, value: bytes) -> None:
        """Replace all values of `name` by one, at the place of the first, or append it."""
        self.generation += 1
        if self.pairs is not None and name in self.map:
            self._drop_pairs(name, value)
        elif self.pairs is not None:
            self.pairs.append((name, value))
        self.map[name] = value

    def add(self, name: bytes, value: bytes) -> None:
        """Append a value; a repeated inline header is joined to the first value."""
        self.generation += 1
        values = self.map
        if name not in values:
            values[name] = value
            if self.pairs is not None:
                self.pairs.append((name, value))
        elif name in COALESCED:
            self.set(name, values[name] + b"," + value)
        else:
            if self.pairs is None:
                self.pairs = list(values.items())
            self.pairs.append((name, value))

    def replace(self, name: bytes, value: bytes) -> None:
        """The same as `set`, but a header that was there moves to the end, a pseudo header to the end of its kind: what
        Envoy's scripts and modules leave that replace one."""
        values = self.map
        if name[:1] == b":":
            self._put_last_of_pseudo(name, value)
            return
        if self.pairs is None:
            values.pop(name, None)
            values[name] = value
            self.generation += 1
            return
        self.remove(name)
        self.add(name, value)

    def _put_last_of_pseudo(self, name: bytes, value: bytes) -> None:
        self.remove(name)
        values = self.map
        pseudo = {key: values[key] for key in values if key.startswith(b":")}
        pseudo[name] = value
        self.map = pseudo | values
        self.generation += 1
        if self.pairs is not None:
            self.pairs = [*pseudo.items(), *(pair for pair in self.pairs if pair[0] not in pseudo)]

    def set_default(self, name: bytes, value: bytes) -> None:
        """Add the header only when the name is absent."""
        if name not in self.map:
            self.add(name, value)

    def append_value(self, name: bytes, value: bytes, delimiter: bytes = b",") -> None:
        """Append to the first value with `delimiter`, or add the header."""
        old = self.map.get(name)
        self.set(name, old + delimiter + value if old else value)

    def remove(self, name: bytes) -> int:
        """Remove every value of `name`; returns how many there were."""
        if name not in self.map:
            return 0
        self.generation += 1
        first = self.map.pop(name)
        pairs = self.pairs
        if pairs is None:
            return 1
        before = len(pairs)
        if name in COALESCED:  # stands there once
            pairs.remove((name, first))
        else:
            pairs = self.pairs = [pair for pair in pairs if pair[0] != name]
        if len(pairs) == len(self.map):
            self.pairs = None
        return before - len(pairs)

    def remove_prefix(self, prefix: bytes) -> None:
        """Remove every header whose name starts with `prefix`."""
        for name in [name for name in self.map if name.startswith(prefix)]:
            self.remove(name)

    def items(self) -> Iterable[Pair]:
        """All pairs in order."""
        return self.map.items() if self.pairs is None else self.pairs

    def copy(self) -> HeaderMap:
        """An independent map with the same headers."""
        other = HeaderMap()
        other.map = self.map.copy()
        other.pairs = None if self.pairs is None else list(self.pairs)
        return other

    def byte_size(self) -> int:
        """Length of all names and values, as Envoy counts a header map's size."""
        return sum([len(name) + len(value) for name, value in self.items()])

    def _drop_pairs(self, name: bytes, value: bytes) -> None:
        """Keep one pair of `name`, at the first one's place, with the new value."""
        pairs = self.pairs
        assert pairs is not None
        at = pairs.index((name, self.map[name]))
        if name in COALESCED:  # stands there once
            pairs[at] = (name, value)
            return
        kept = [pair for pair in pairs if pair[0] != name]
        kept.insert(at, (name, value))
        self.pairs = kept if len(kept) > len(self.map) else None
        if self.pairs is None:
            self.map = dict(kept)

    def __contains__(self, name: bytes) -> bool:
        return name in self.map

    def __iter__(self) -> Iterator[Pair]:
        return iter(self.items())

    def __len__(self) -> int:
        return len(self.map) if self.pairs is None else len(self.pairs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, HeaderMap) and list(self.items()) == list(other.items())

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"HeaderMap({list(self.items())!r})"


_new_map = HeaderMap.__new__


def header_map(values: dict[bytes, bytes]) -> HeaderMap:
    """A map around a dict of values that it then owns (each name once), at half of the constructor's cost."""
    made = _new_map(HeaderMap)
    made.map = values
    made.pairs = None
    made.generation = 0
    return made
