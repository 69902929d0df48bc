"""Names of functions as their authors wrote them: `core::panicking::panic_fmt` for `_ZN4core9panicking9panic_fmt...E`.

Source: the Itanium C++ ABI, 5.1 (names that are nested or plain, constructors and destructors; no templates, and
parameters are left out), and rustc's legacy scheme, which writes a path and a hash that way.  Envoy shows such names
demangled, too.  What is not understood stays as it is.
"""

from __future__ import annotations

import re

_RUST_HASH = re.compile(r"h[0-9a-f]{16}")
_RUST_ESCAPE = re.compile(r"\$(?:u(?P<code>[0-9a-f]{1,6})|(?P<word>[A-Z]{1,2}))\$")
_RUST_WORDS = {"SP": "@", "BP": "*", "RF": "&", "LT": "<", "GT": ">", "LP": "(", "RP": ")", "C": ","}
_STRUCTORS = {"C1": "", "C2": "", "C3": "", "D0": "~", "D1": "~", "D2": "~"}


def demangled(name: str) -> str:
    """The name for people; the same when it is no mangled one, or one that is not understood."""
    if not name.startswith("_Z"):
        return name
    parts = _nested(name[3:]) if name.startswith("_ZN") else _source_names(name[2:], most=1)[0]
    if not parts:
        return name
    if len(parts) > 1 and _RUST_HASH.fullmatch(parts[-1]):
        return "::".join(map(_rust, parts[:-1]))
    return "::".join(parts)


def _nested(text: str) -> list[str]:
    """The parts of `N [qualifiers] names [constructor or destructor] E`; none when there is more to it."""
    parts, rest = _source_names(text.lstrip("rVKRO"))
    if parts and rest[:2] in _STRUCTORS:
        parts.append(_STRUCTORS[rest[:2]] + parts[-1])
        rest = rest[2:]
    return parts if rest.startswith("E") else []


def _source_names(text: str, most: int | None = None) -> tuple[list[str], str]:
    """Names, each behind its length, and what follows them."""
    parts: list[str] = []
    while (length := re.match(r"[1-9]\d*", text)) and len(parts) != most:
        start = length.end()
        size = int(length[0])
        if len(text) < start + size:
            break
        parts.append(text[start : start + size])
        text = text[start + size :]
    return parts, text


def _rust(part: str) -> str:
    """A part of a path of rustc's: `_$LT$a..B$u20$as$u20$c..D$GT$` is `<a::B as c::D>`."""
    part = part.removeprefix("_") if part.startswith("_$") else part
    return _RUST_ESCAPE.sub(_unescaped, part.replace("..", "::"))


def _unescaped(found: re.Match[str]) -> str:
    code = found["code"]
    return chr(int(code, 16)) if code and int(code, 16) < 0x110000 else _RUST_WORDS.get(found["word"] or "", found[0])
