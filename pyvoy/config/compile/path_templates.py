"""path_match_policy and path_rewrite_policy: the URI template extensions.

Source of behaviour: Envoy's UriTemplateMatcher and UriTemplateRewriter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyvoy.config.compile import regex
from pyvoy.config.compile.matchers import never
from pyvoy.config.context import Context
from pyvoy.config.message_types import unpack
from pyvoy.config.registry import supports, type_name_of
from pyvoy.http.routing.match import PathTest
from pyvoy.http.routing.rewrite import TextRewrite
from pyvoy.http.routing.uri_template import TemplateError, rewrite_pieces, template_regex

MATCH_TYPE = "envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig"
REWRITE_TYPE = "envoy.extensions.path.rewrite.uri_template.v3.UriTemplateRewriteConfig"
supports(MATCH_TYPE, "path_template")
supports(REWRITE_TYPE, "path_template_rewrite")


@dataclass(slots=True, frozen=True)
class UriTemplate:
    """A template, its regular expression and the path test made of it."""

    template: str
    pattern: str
    test: PathTest


def template_match(policy: Any, context: Context) -> UriTemplate | None:
    """A path_match_policy; None after a problem."""
    if type_name_of(policy.typed_config.type_url) != MATCH_TYPE:
        context.error("typed_config", "no path match policy of this type")
        return None
    template = unpack(policy.typed_config, MATCH_TYPE).path_template
    try:
        pattern = template_regex(template)
    except TemplateError as error:
        context.error("typed_config", f"path_match_policy.path_template {template} is invalid: {error}")
        return None
    try:
        return UriTemplate(template, pattern, regex.full_match(pattern))
    except regex.RegexError as error:
        context.warning("typed_config", f"path_template {template} matches nothing: {error}")
        return UriTemplate(template, pattern, never)


def template_rewrite(policy: Any, context: Context, path: UriTemplate | None) -> TextRewrite | None:
    """The rewrite of a path_rewrite_policy for a route that matches `path`; None after a problem."""
    if type_name_of(policy.typed_config.type_url) != REWRITE_TYPE:
        context.error("typed_config", "no path rewrite policy of this type")
        return None
    template = unpack(policy.typed_config, REWRITE_TYPE).path_template_rewrite
    if path is None:
        context.error(
            "",
            "unable to use envoy.path.rewrite.uri_template.uri_template_rewriter extension without "
            "envoy.path.match.uri_template.uri_template_matcher extension",
        )
        return None
    try:
        compiled = regex.compile_re2(path.pattern)
        pieces = rewrite_pieces(template)
    except ValueError:
        context.error("typed_config", f"path_rewrite_policy.path_template_rewrite {template} is invalid")
        return None
    if any(variable and text not in compiled.groupindex for variable, text in pieces):
        context.error(
            "typed_config",
            f"mismatch between variables in path_match_policy {path.template} and path_rewrite_policy {template}",
        )
        return None
    return _rewriter(compiled, [compiled.groupindex[text] if variable else text.encode() for variable, text in pieces])


def _rewriter(compiled: Any, pieces: list[int | bytes]) -> TextRewrite:
    parts = tuple(pieces)

    def rewrite(path: bytes) -> bytes:
        found = compiled.fullmatch(path)
        if found is None:
            return path
        return b"".join([part if isinstance(part, bytes) else found[part] or b"" for part in parts])

    return rewrite
