"""Rewrites of path and host on the way upstream.

Each builder gives a step `(stream, headers, keep_original)`; `keep_original` writes x-envoy-original-path and
x-envoy-original-host (off with the router's suppress_envoy_headers).
Source of behaviour: Envoy's RouteEntryImplBase::finalizeRequestHeaders and Http::Utility::updateAuthority, RE2's
GlobalReplace and Rewrite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.match import bare_path

Step = Callable[[Any, HeaderMap, bool], None]
TextRewrite = Callable[[bytes], bytes]


def combine(steps: Sequence[Step]) -> Callable[..., None] | None:
    """All steps as one `(stream, headers, keep_original=True)`; None for none."""
    wanted = tuple(steps)
    if not wanted:
        return None
    if len(wanted) == 1:
        only = wanted[0]

        def single(stream: Any, headers: HeaderMap, keep_original: bool = True) -> None:
            only(stream, headers, keep_original)

        return single

    def finalize(stream: Any, headers: HeaderMap, keep_original: bool = True) -> None:
        for step in wanted:
            step(stream, headers, keep_original)

    return finalize


# --- text


def substitution_pieces(text: bytes) -> tuple[list[bytes | int], bool]:
    """An RE2 rewrite string as literal bytes and group numbers, up to the first wrong escape; False if there is one."""
    pieces: list[bytes | int] = []
    literal = bytearray()
    position = 0
    while position < len(text):
        byte = text[position]
        if byte != 0x5C:
            literal.append(byte)
            position += 1
            continue
        follower = text[position + 1 : position + 2]
        if follower == b"\\":
            literal += b"\\"
        elif follower.isdigit():
            if literal:
                pieces.append(bytes(literal))
                literal.clear()
            pieces.append(int(follower))
        else:
            break
        position += 2
    if literal:
        pieces.append(bytes(literal))
    return pieces, position >= len(text)


def regex_rewriter(compiled: Any, pieces: Sequence[bytes | int]) -> TextRewrite:
    """Replace every match in a text, as RE2::GlobalReplace does.  `compiled` is a google-re2 pattern."""
    parts = tuple(pieces)

    def rewrite(text: bytes) -> bytes:
        out: list[bytes] = []
        position = 0
        last_end = -1
        for found in compiled.finditer(text):
            start, end = found.span()
            if start == end == last_end:
                continue  # no empty match right behind a match
            out.append(text[position:start])
            for part in parts:
                out.append(part if isinstance(part, bytes) else found[part] or b"")
            position = last_end = end
        out.append(text[position:])
        return b"".join(out)

    return rewrite


# --- path


def prefix_rewrite(matched: bytes | None, replacement: bytes) -> TextRewrite:
    """Put `replacement` in place of the matched prefix; of the whole path without query when `matched` is None."""
    if matched is None:
        return lambda path: replacement + path[len(bare_path(path)) :]
    size = len(matched)
    return lambda path: replacement + path[size:]


def whole_path_rewrite(rewrite: TextRewrite) -> TextRewrite:
    """Rewrite the path, keep query and fragment; an empty result counts as no rewrite."""

    def rewrite_path(path: bytes) -> bytes:
        bare = bare_path(path)
        new = rewrite(bare)
        return new + path[len(bare) :] if new else b""

    return rewrite_path


def path_step(rewrite: TextRewrite) -> Step:
    """Write the rewritten `:path`, and the old one to x-envoy-original-path; an empty path is not written."""

    def step(_stream: Any, headers: HeaderMap, keep_original: bool) -> None:
        path = headers.map.get(b":path", b"")
        new = rewrite(path)
        if new:
            if keep_original:
                headers.set(b"x-envoy-original-path", path)
            headers.set(b":path", new)

    return step


def path_format_step(formatter: Callable[[Any], bytes]) -> Step:
    """`path_rewrite`: the path comes from operators; an empty result leaves it alone."""

    def step(stream: Any, headers: HeaderMap, keep_original: bool) -> None:
        new = formatter(stream)
        if new:
            path = headers.map.get(b":path", b"")
            if keep_original:
                headers.set(b"x-envoy-original-path", path)
            headers.set(b":path", new + path[len(bare_path(path)) :])

    return step


# --- host


def update_authority(headers: HeaderMap, hostname: bytes, *, append_forwarded_host: bool, keep_original: bool) -> None:
    """Set `:authority`; the old one goes to x-envoy-original-host and, if wanted, is appended to x-forwarded-host
    unless it is the last entry there.  Also for `auto_host_rewrite`, which the router does."""
    host = headers.map.get(b":authority", b"")
    if host:
        if keep_original:
            headers.set(b"x-envoy-original-host", host)
        if append_forwarded_host:
            old = headers.map.get(b"x-forwarded-host", b"")
            if not old or old.rpartition(b",")[2] != host:
                headers.append_value(b"x-forwarded-host", host)
    headers.set(b":authority", hostname)


def host_step(hostname: Callable[[Any, HeaderMap], bytes], *, append_forwarded_host: bool) -> Step:
    """Rewrite the host to what `hostname(stream, headers)` gives; nothing when that is empty."""

    def step(stream: Any, headers: HeaderMap, keep_original: bool) -> None:
        new = hostname(stream, headers)
        if new:
            update_authority(headers, new, append_forwarded_host=append_forwarded_host, keep_original=keep_original)

    return step
