"""URI templates: `/a/{name}/*/{rest=**}` as a regular expression, and rewrites that put the variables elsewhere.

Text to text, at load; RE2 does the matching.  `*` and a bare variable stand for one path segment, `**` for any rest; a
variable may have literal text around it within its segment.  A `*` inside a literal is not escaped and so means what it
means to RE2: that is what Envoy 1.40 was seen to do.
Source of behaviour: Envoy's uri_template_lib (path_match_policy and path_rewrite_policy); error texts are its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

_LITERAL = r"a-zA-Z0-9\-._~%!$&'()+,;:@*="
_GLOBS = {"*": "[a-zA-Z0-9-._~%!$&'()+,;:@*=]+", "**": "[a-zA-Z0-9-._~%!$&'()+,;:@*=/]*"}
_VALID_LITERAL = re.compile(f"[{_LITERAL}]+")
_VALID_REWRITE_LITERAL = re.compile(f"[{_LITERAL}/]+")
_VALID_NAME = re.compile("[a-zA-Z][a-zA-Z0-9_]*")
_PRINTABLE = re.compile("/[!-~]*")
_MAX_VARIABLES = 5
_MAX_NAME_LENGTH = 16


class TemplateError(ValueError):
    """A template that Envoy refuses; the text is Envoy's."""


def template_regex(template: str) -> str:
    """The RE2 pattern that a whole path must match.  Raises TemplateError."""
    if not _PRINTABLE.fullmatch(template):
        raise TemplateError(f'Invalid pattern: "{template}"')
    names: list[str] = []
    globs: list[str] = []
    pattern = "/"
    rest = template[1:]
    while rest:
        piece, rest = _segment(rest, names, globs)
        pattern += piece
        if rest.startswith("/"):
            pattern += "/"
            rest = rest[1:]
        elif rest:
            suffix, rest = _literal(rest)
            if rest:
                raise TemplateError("Prefix match not supported.")
            pattern += suffix
    _check_globs(globs)
    return pattern


def rewrite_pieces(template: str) -> list[tuple[bool, str]]:
    """The pieces of a rewrite: (is a variable, text).  Raises TemplateError."""
    if not template.startswith("/"):
        raise TemplateError("Invalid rewrite variable placement")
    if "//" in template:
        raise TemplateError("Invalid rewrite literal")
    return list(_rewrite_pieces(template))


def _rewrite_pieces(rest: str) -> Iterator[tuple[bool, str]]:
    while rest:
        literal, bracket, rest = rest.partition("{")
        if literal:
            if not _VALID_REWRITE_LITERAL.fullmatch(literal):
                raise TemplateError("Invalid rewrite literal pattern")
            yield False, literal
        if bracket:
            name, closing, rest = rest.partition("}")
            if not closing or not _VALID_NAME.fullmatch(name):
                raise TemplateError("Invalid variable")
            yield True, name


def _segment(rest: str, names: list[str], globs: list[str]) -> tuple[str, str]:
    """The pattern of the first segment, and what follows it."""
    if rest.startswith("*"):
        glob, rest = _glob(rest)
        globs.append(glob)
        return _GLOBS[glob], rest
    text = rest.partition("/")[0]
    before, bracket, _ = text.partition("{")
    if not bracket or (before and "}" not in text):
        return _literal(rest)
    prefix = _literal(before, "prefix literal")[0] if before else ""
    variable, rest = _variable(rest[len(before) + 1 :], names, globs)
    suffix = ""
    if rest and not rest.startswith("/"):
        suffix, rest = _literal(rest, "suffix literal")
    return prefix + variable + suffix, rest


def _glob(rest: str) -> tuple[str, str]:
    return ("**", rest[2:]) if rest.startswith("**") else ("*", rest[1:])


def _literal(rest: str, what: str = "literal") -> tuple[str, str]:
    text = rest.partition("/")[0]
    if not _VALID_LITERAL.fullmatch(text):
        raise TemplateError(f'Invalid {what}: "{text}"')
    escaped = "".join([f"\\{character}" if character in "$()+." else character for character in text])
    return escaped, rest[len(text) :]


def _variable(rest: str, names: list[str], globs: list[str]) -> tuple[str, str]:
    inner, closing, after = rest.partition("}")
    if not closing:
        raise TemplateError(f'Unmatched variable bracket in mixed pattern: "{{{rest}"')
    name, equals, parts = inner.partition("=")
    if not _VALID_NAME.fullmatch(name):
        raise TemplateError(f'Invalid variable name: "{name}"')
    if equals and not parts:
        raise TemplateError("Empty variable match")
    _check_name(name, names)
    names.append(name)
    if not equals:
        globs.append("implicit")
        return f"(?P<{name}>{_GLOBS['*']})", after
    return f"(?P<{name}>{_variable_match(parts, globs)})", after


def _check_name(name: str, names: list[str]) -> None:
    if len(names) >= _MAX_VARIABLES:
        raise TemplateError(f"Exceeded variable count limit ({_MAX_VARIABLES})")
    if len(name) > _MAX_NAME_LENGTH:
        wanted = f"should be at least 1 and no more than {_MAX_NAME_LENGTH}"
        raise TemplateError(f'Invalid variable name length (length of "{name}" {wanted})')
    if name in names:
        raise TemplateError(f'Repeated variable name: "{name}"')


def _variable_match(parts: str, globs: list[str]) -> str:
    pattern = ""
    while parts:
        if parts.startswith("*"):
            glob, parts = _glob(parts)
            globs.append(glob)
            pattern += _GLOBS[glob]
        else:
            piece, parts = _literal(parts)
            pattern += piece
        if parts:
            if not parts.startswith("/") or len(parts) == 1:
                raise TemplateError(f'Invalid variable match: "{parts}"')
            pattern += "/"
            parts = parts[1:]
    return pattern


def _check_globs(globs: list[str]) -> None:
    """Nothing that stands for text may follow `**`."""
    for before, glob in pairwise(globs):
        if before == "**":
            if glob == "implicit":
                raise TemplateError("Implicit variable path glob after text glob.")
            raise TemplateError("Glob after text glob.")
