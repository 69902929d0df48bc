"""Regular expressions of the configuration -> predicates over bytes, in linear time (RE2).

A pattern that is a plain text, a choice of texts, or a text with `.*` around it never reaches the engine: the string
tests cost a tenth.  The whole value must match.  Source: Envoy's CompiledGoogleReMatcher (RE2::FullMatch, UTF-8).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Predicate = Callable[[bytes], bool]

_SPECIAL = frozenset("\\.+*?()|[]{}^$")
_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


class RegexError(ValueError):
    """RE2 does not take the pattern; the text is RE2's."""


def compile_re2(pattern: str) -> Any:
    """The pattern compiled by RE2.  Raises RegexError."""
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        reason = error.args[0] if error.args else b"not a regular expression"
        raise RegexError(reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)) from None


def full_match(pattern: str) -> Predicate:
    """True when the whole value matches.  Raises RegexError for a pattern that RE2 refuses."""
    engine = _engine_match(compile_re2(pattern))
    return _shortcut(pattern, engine) or engine


def _engine_match(compiled: Any) -> Predicate:
    import re2

    raw = getattr(compiled, "_regexp", None)
    anchor = getattr(re2, "_Anchor", None)
    if raw is None or anchor is None:
        fullmatch = compiled.fullmatch
        return lambda value: fullmatch(value) is not None
    # The wrapper around this call builds a generator and a match object: three times the price of the match.
    match, both = raw.Match, anchor.ANCHOR_BOTH
    return lambda value: match(both, value, 0, len(value))[0][0] == 0


def _shortcut(pattern: str, engine: Predicate) -> Predicate | None:
    """A string test that decides as the engine does, or None."""
    text = pattern.removeprefix("^")
    if text.endswith("$") and not text.endswith("\\$"):
        text = text[:-1]
    choices = _choices(text)
    if choices is not None:
        return choices
    head = text.startswith(".*")
    tail = text.endswith(".*") and not text.endswith("\\.*") and len(text) > 2
    literal = _literal(text[2 if head else 0 : -2 if tail else None])
    if literal is None:
        return None
    return _around(literal, head, tail, engine)


def _choices(text: str) -> Predicate | None:
    inner = text
    if text.startswith("(") and text.endswith(")") and not text.endswith("\\)"):
        inner = text[1:-1].removeprefix("?:")
    elif "|" in text and text != text.strip("|"):
        return None
    parts = inner.split("|")
    if inner is text and len(parts) > 1:
        return None  # without a group, ^ and $ would belong to the first and last choice only: leave it to the engine
    literals = [_literal(part) for part in parts]
    if any(literal is None for literal in literals):
        return None
    known = frozenset(literal for literal in literals if literal is not None)
    if len(known) == 1:
        (only,) = known
        return lambda value: value == only
    return known.__contains__


def _around(literal: bytes, head: bool, tail: bool, engine: Predicate) -> Predicate:
    # `.` stands for a character of valid UTF-8 other than a line feed: anything else is the engine's to judge.
    if head and tail:
        return lambda value: literal in value if value.isascii() and b"\n" not in value else engine(value)
    if head:
        return lambda value: value.endswith(literal) if value.isascii() and b"\n" not in value else engine(value)
    return lambda value: value.startswith(literal) if value.isascii() and b"\n" not in value else engine(value)


def _literal(text: str) -> bytes | None:
    """The bytes that this piece of a pattern stands for, if it is a plain text."""
    out = []
    index = 0
    while index < len(text):
        char = text[index]
        if char == "\\":
            index += 1
            if index == len(text) or text[index] not in _PUNCTUATION:
                return None
            char = text[index]
        elif char in _SPECIAL:
            return None
        out.append(char)
        index += 1
    return "".join(out).encode()
