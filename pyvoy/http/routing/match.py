"""Which route of a virtual host answers a request: tests of the path, then the other conditions; first match wins.

`route_finder` picks the cheapest strategy at load: one catch-all route, a table of plain prefixes and paths, or a list
of entries.  Path tests see the path without query and fragment, as Envoy's path matchers do.
Source of behaviour: Envoy's RouteEntryImplBase::matchRoute and its path classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pyvoy.http.routing.hosts import Finder
from pyvoy.http.routing.table import Route

PathTest = Callable[[bytes], bool]
Condition = Callable[[Any, dict[bytes, bytes]], bool]
Picker = Callable[[Any, dict[bytes, bytes]], Route | None]
Kind = Literal["prefix", "path", "other", "connect"]


@dataclass(slots=True, frozen=True)
class Entry:
    """One route to try.  `literal` is the text of a case-sensitive prefix or path (`kind`); `test` always works.

    `pick` chooses the final route (weighted clusters); without it `route` is final.  A "connect" entry also takes
    requests without a path."""

    kind: Kind
    test: PathTest
    route: Route
    literal: bytes = b""
    condition: Condition | None = None
    pick: Picker | None = None

    @property
    def settled(self) -> bool:
        """Decided by the path alone."""
        return self.condition is None and self.pick is None

    @property
    def plain(self) -> bool:
        """Decided by comparing the path with the literal, nothing else."""
        return self.kind in ("prefix", "path") and self.settled


def bare_path(path: bytes) -> bytes:
    """The path without query and fragment."""
    if b"?" in path:
        path = path[: path.index(b"?")]
    if b"#" in path:
        path = path[: path.index(b"#")]
    return path


def stream_random(stream: Any) -> int:
    """The stream's random number for fractions and weights: drawn once, so that a second look-up decides alike."""
    info = stream.info
    value: int | None = info.route_random
    if value is None:
        value = info.route_random = stream.services.random.getrandbits(64)
    return value


# --- path tests


def prefix_test(prefix: bytes, *, case_sensitive: bool = True) -> PathTest:
    """The path begins with `prefix`."""
    if case_sensitive:
        return lambda path: path.startswith(prefix)
    lower = prefix.lower()
    return lambda path: path.lower().startswith(lower)


def exact_test(wanted: bytes, *, case_sensitive: bool = True) -> PathTest:
    """The path is `wanted`."""
    if case_sensitive:
        return lambda path: path == wanted
    lower = wanted.lower()
    return lambda path: path.lower() == lower


def separated_prefix_test(prefix: bytes, *, case_sensitive: bool = True) -> PathTest:
    """`prefix` itself, or followed by a slash."""
    size = len(prefix)
    begins = prefix_test(prefix, case_sensitive=case_sensitive)
    return lambda path: begins(path) and (len(path) == size or path[size] == 0x2F)


def without_parameters(test: PathTest) -> PathTest:
    """The test on what stands before the first ";" (`ignore_path_parameters_in_path_matching`)."""
    return lambda path: test(path[: path.index(b";")] if b";" in path else path)


def any_path(_path: bytes) -> bool:
    """Every path will do (connect_matcher)."""
    return True


# --- conditions


def all_of(conditions: Sequence[Condition]) -> Condition | None:
    """All conditions in order; None for none."""
    if not conditions:
        return None
    if len(conditions) == 1:
        return conditions[0]
    wanted = tuple(conditions)

    def check(stream: Any, values: dict[bytes, bytes]) -> bool:
        for condition in wanted:  # noqa: SIM110  (cheaper than all() over a generator)
            if not condition(stream, values):
                return False
        return True

    return check


def is_connect(_stream: Any, values: dict[bytes, bytes]) -> bool:
    """CONNECT, or a CONNECT-UDP upgrade."""
    return values.get(b":method") == b"CONNECT" or (
        values.get(b":method") == b"GET" and values.get(b"upgrade", b"").lower() == b"connect-udp"
    )


def is_grpc(_stream: Any, values: dict[bytes, bytes]) -> bool:
    """content-type is application/grpc or begins with application/grpc+ (Envoy's hasGrpcContentType)."""
    content_type = values.get(b"content-type")
    return content_type is not None and (
        content_type == b"application/grpc" or content_type.startswith(b"application/grpc+")
    )


def shows_certificate(stream: Any, *, validated: bool) -> bool:
    """The client has a certificate, or one that was verified; on plain text it has none."""
    tls = stream.connection.tls
    return tls is not None and bool(tls.peer_validated if validated else tls.peer_presented)


def fraction_condition(numerator: int, denominator: int) -> Condition:
    """True for a share of all streams, by the stream's random number."""
    if numerator >= denominator:
        return lambda _stream, _values: True
    return lambda stream, _values: stream_random(stream) % denominator < numerator


# --- finders


def route_finder(entries: Sequence[Entry]) -> Finder:
    """The cheapest finder for these routes, in order."""
    sole = sole_prefix(entries)
    if sole is not None:
        return _one_prefix(*sole)
    if all(entry.plain for entry in entries):
        return _literals(entries)
    return _general(entries)


def require_tls(finder: Finder, redirect: Route, *, external_only: bool) -> Finder:
    """Answer `redirect` to requests that did not come by https; with `external_only` internal ones pass."""

    def find(stream: Any, values: dict[bytes, bytes]) -> Route | None:
        scheme = values.get(b"x-forwarded-proto")
        if scheme is None:
            return None
        if scheme != b"https" and not (external_only and values.get(b"x-envoy-internal") == b"true"):
            return redirect
        return finder(stream, values)

    return find


def sole_prefix(entries: Sequence[Entry]) -> tuple[bytes, Route] | None:
    """Prefix and route of a list that is nothing but one plain prefix; None for any other list."""
    if len(entries) != 1 or not entries[0].plain or entries[0].kind != "prefix" or not _is_bare(entries[0].literal):
        return None
    return entries[0].literal, entries[0].route


def _is_bare(prefix: bytes) -> bool:
    """False for a prefix that no path without query and fragment begins with."""
    return b"?" not in prefix and b"#" not in prefix


def _one_prefix(prefix: bytes, route: Route) -> Finder:
    def find(_stream: Any, values: dict[bytes, bytes]) -> Route | None:
        path = values.get(b":path")
        return route if path is not None and path.startswith(prefix) else None

    return find


def _literals(entries: Sequence[Entry]) -> Finder:
    """Plain prefixes and paths: a dict of paths, and the prefixes in front of the one that was hit."""
    exact: dict[bytes, tuple[int, Route]] = {}
    prefixes: list[tuple[bytes, int, Route]] = []
    for index, entry in enumerate(entries):
        if entry.kind == "path":
            exact.setdefault(entry.literal, (index, entry.route))
        elif _is_bare(entry.literal):
            prefixes.append((entry.literal, index, entry.route))
    if len(prefixes) > 2 * len({len(prefix) for prefix, _, _ in prefixes}) + 2:
        return _by_length(exact, prefixes)
    ordered = tuple(prefixes)

    def find(_stream: Any, values: dict[bytes, bytes]) -> Route | None:
        path = values.get(b":path")
        if path is None:
            return None
        limit, found = exact.get(bare_path(path), _NO_HIT)
        for prefix, index, route in ordered:
            if index > limit:
                break
            if path.startswith(prefix):
                return route
        return found

    return find


_NO_HIT: tuple[int, Route | None] = (1 << 62, None)


def _by_length(exact: dict[bytes, tuple[int, Route]], prefixes: Sequence[tuple[bytes, int, Route]]) -> Finder:
    """Many prefixes of few lengths: one dict look-up per length; the smallest index is the first route."""
    tables: dict[int, dict[bytes, tuple[int, Route]]] = {}
    for prefix, index, route in prefixes:
        tables.setdefault(len(prefix), {}).setdefault(prefix, (index, route))
    lengths = tuple(sorted(tables.items()))

    def find(_stream: Any, values: dict[bytes, bytes]) -> Route | None:
        path = values.get(b":path")
        if path is None:
            return None
        best, found = exact.get(bare_path(path), _NO_HIT)
        for length, table in lengths:
            hit = table.get(path[:length])
            if hit is not None and hit[0] < best:
                best, found = hit
        return found

    return find


def _general(entries: Sequence[Entry]) -> Finder:
    def rows(chosen: Sequence[Entry]) -> tuple[tuple[PathTest, Condition | None, Route, Picker | None], ...]:
        return tuple((entry.test, entry.condition, entry.route, entry.pick) for entry in chosen)

    table = rows(entries)
    pathless = rows([entry for entry in entries if entry.kind == "connect"])

    def find(stream: Any, values: dict[bytes, bytes]) -> Route | None:
        path = values.get(b":path")
        if path is None:
            tried, path = pathless, b""
        else:
            tried, path = table, bare_path(path)
        for test, condition, route, pick in tried:
            if test(path) and (condition is None or condition(stream, values)):
                return route if pick is None else pick(stream, values)
        return None

    return find
