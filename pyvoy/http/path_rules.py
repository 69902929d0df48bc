"""Path normalisation: escaped slashes, canonical paths, merged slashes.  Pure.

The query is never touched.  Source: Envoy's PathUtil with Chromium's path canonicaliser, and the running Envoy 1.40
for what they do together (escapes of unreserved characters are decoded, others stay as written; `..;x` counts as `..`;
`%00` is refused).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import Enum

from pyvoy.http.headers import HeaderMap
from pyvoy.http.rejection import Rejection
from pyvoy.observe import details

PathRule = Callable[[HeaderMap], Rejection | None]


class EscapedSlashes(Enum):
    """What to do with %2F and %5C in a path (Envoy: PathWithEscapedSlashesAction)."""

    KEEP = 0
    REJECT = 1
    REDIRECT = 2
    FORWARD = 3


FAILED = Rejection(400, details.PATH_NORMALIZATION_FAILED, counter="downstream_rq_failed_path_normalization")

_ESCAPED_SLASH = re.compile(rb"%(?:2[Ff]|5[Cc])")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_ODD = re.compile(rb"%([0-9A-Fa-f]{2})|[\x00-\x20\"<>^`{|}\x7f-\xff]")
_NEEDS_WORK = re.compile(rb"/\.|[\\%\x00-\x20\"<>^`{|}\x7f-\xff]")
_SLASH_ESCAPES = {b"%2f": b"/", b"%5c": b"\\"}


def compile_path_rules(normalize: bool, merge_slashes: bool, escaped_slashes: EscapedSlashes) -> PathRule | None:
    """The rule for this configuration; None when paths stay as they are."""
    if not normalize and not merge_slashes and escaped_slashes is EscapedSlashes.KEEP:
        return None
    reject = escaped_slashes is EscapedSlashes.REJECT
    redirect = escaped_slashes is EscapedSlashes.REDIRECT
    unescape = redirect or escaped_slashes is EscapedSlashes.FORWARD

    def path_rule(headers: HeaderMap) -> Rejection | None:
        whole = headers.map.get(b":path")
        if whole is None:
            return None
        path, mark, query = whole.partition(b"?")
        redirecting = False
        if (reject or unescape) and b"%" in path:
            if reject and _ESCAPED_SLASH.search(path):
                headers.set(b":path", unescape_slashes(path) + mark + query)
                return FAILED
            if unescape:
                unescaped = unescape_slashes(path)
                redirecting = redirect and unescaped != path
                path = unescaped
        if normalize:
            canonical = canonical_path(path)
            if canonical is None:
                return FAILED
            path = canonical
        if merge_slashes:
            path = merged_slashes(path)
        changed = path + mark + query
        if changed != whole:
            headers.set(b":path", changed)
        return _redirect(changed) if redirecting else None

    return path_rule


def _redirect(path: bytes) -> Rejection:
    return Rejection(
        307,
        details.PATH_NORMALIZATION_FAILED,
        headers=((b"location", path),),
        close=False,
        counter="downstream_rq_redirected_with_normalized_path",
    )


def unescape_slashes(path: bytes) -> bytes:
    """`%2F` becomes `/`, `%5C` becomes a backslash."""
    return _ESCAPED_SLASH.sub(lambda match: _SLASH_ESCAPES[match[0].lower()], path)


def merged_slashes(path: bytes) -> bytes:
    """Runs of slashes become one; a path of slashes only becomes `//`, as in Envoy."""
    if b"//" not in path:
        return path
    start = b"/" if path.startswith(b"/") else b""
    end = b"/" if path.endswith(b"/") else b""
    return start + b"/".join([part for part in path.split(b"/") if part]) + end


def canonical_path(path: bytes) -> bytes | None:
    """The canonical form of a path that begins with a slash; None when it must be refused (`%00`)."""
    if _NEEDS_WORK.search(path) is None:
        return path
    if b"%00" in path:
        return None
    segments: list[bytes] = []
    parts = path.replace(b"\\", b"/").split(b"/")[1:]
    last = len(parts) - 1
    for place, part in enumerate(parts):
        dots = _dots(part)
        if dots == 2 and segments:
            segments.pop()
        if dots == 0:
            segments.append(_ODD.sub(_canonical_octet, part))
        elif place == last:
            segments.append(b"")
    return b"/" + b"/".join(segments)


def _dots(part: bytes) -> int:
    """1 for a `.` segment, 2 for `..` (escaped or not; unescaped dots may carry parameters), else 0."""
    if part[:1] not in (b".", b"%"):
        return 0
    plain = part.replace(b"%2e", b".").replace(b"%2E", b".")
    if plain == b".":
        return 1
    if plain == b"..":
        return 2
    if b";" in part:
        name = part.partition(b";")[0]
        return len(name) if name in (b".", b"..") else 0
    return 0


def _canonical_octet(match: re.Match[bytes]) -> bytes:
    digits = match[1]
    if digits is None:
        return b"%%%02X" % match[0][0]
    octet = int(digits, 16)
    return bytes((octet,)) if octet in _UNRESERVED else match[0]
