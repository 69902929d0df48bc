"""RegexMatchAndSubstitute -> a function over bytes, with RE2 and its rewrite syntax.

A wrong substitution is only a warning: Envoy loads it, and RE2 then leaves the text alone or cuts the result off.
Source of behaviour: Envoy's Regex::Utility::parseRegex and CompiledMatcher::replaceAll.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.compile import regex
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.routing.rewrite import TextRewrite, regex_rewriter, substitution_pieces

supports("envoy.type.matcher.v3.RegexMatchAndSubstitute", "pattern substitution")


def regex_rewrite(message: Any, context: Context) -> TextRewrite:
    """The rewrite of a RegexMatchAndSubstitute; the unchanged text after a problem."""
    try:
        compiled = regex.compile_re2(message.pattern.regex)
    except regex.RegexError as error:
        context.error("pattern.regex", f"not a regular expression of RE2: {error}")
        return bytes
    pieces, valid = substitution_pieces(message.substitution.encode())
    if not valid:
        context.warning("substitution", "a backslash must be followed by a digit or a backslash; the rest is cut off")
    highest = max((piece for piece in pieces if isinstance(piece, int)), default=0)
    if highest > compiled.groups:
        text = f"group \\{highest} does not exist: the pattern has {compiled.groups}; nothing is rewritten"
        context.warning("substitution", text)
        return bytes
    return regex_rewriter(compiled, pieces)
