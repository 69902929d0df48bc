"""RedirectAction and DirectResponseAction -> answers.

Source of behaviour: Envoy's createRedirectConfig and RouteEntryImplBase; the body's limit is the table's
max_direct_response_body_size_bytes.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.compile.regex_rewrite import regex_rewrite
from pyvoy.config.compile.route_match import PathMatch
from pyvoy.config.compile.substitution_format import substitution_format
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.routing import direct_response as answers
from pyvoy.http.routing.direct_response import Answerer, RedirectPlan
from pyvoy.http.routing.rewrite import TextRewrite, prefix_rewrite, whole_path_rewrite

supports(
    "envoy.config.route.v3.RedirectAction",
    "https_redirect scheme_redirect host_redirect port_redirect path_redirect prefix_rewrite regex_rewrite "
    "response_code strip_query",
)
supports("envoy.config.route.v3.DirectResponseAction", "status body body_format")

_REDIRECT_CODES = (301, 302, 303, 307, 308)


def redirect(message: Any, context: Context, path: PathMatch) -> Answerer:
    """A RedirectAction; `path` is how the route matches, for prefix_rewrite."""
    rewrite: TextRewrite | None = None
    which = message.WhichOneof("path_rewrite_specifier")
    if which == "prefix_rewrite" and message.prefix_rewrite:
        rewrite = prefix_rewrite(path.matched, message.prefix_rewrite.encode())
    elif which == "regex_rewrite":
        rewrite = whole_path_rewrite(regex_rewrite(message.regex_rewrite, context.at("regex_rewrite")))
    return answers.redirect(
        RedirectPlan(
            status=_REDIRECT_CODES[message.response_code],
            scheme=b"https" if message.https_redirect else message.scheme_redirect.encode(),
            host=message.host_redirect.encode(),
            port=b":%d" % message.port_redirect if message.port_redirect else b"",
            path=message.path_redirect.encode(),
            rewrite=rewrite,
            strip_query=message.strip_query,
        )
    )


def direct_response(message: Any, context: Context, max_body_bytes: int) -> Answerer:
    """A DirectResponseAction; `body_format` finds the constant body under %LOCAL_REPLY_BODY%."""
    body = context.data_source(message, "body") if message.HasField("body") else b""
    if len(body) > max_body_bytes:
        context.error("body", f"response body size is {len(body)} bytes; maximum is {max_body_bytes}")
    if not message.HasField("body_format"):
        return answers.direct_response(message.status, lambda _stream: body)
    formatter = substitution_format(message.body_format, context.at("body_format"), one_line=False)

    def formatted(stream: Any) -> bytes:
        stream.local_reply_body = body
        return formatter(stream)

    content_type = message.body_format.content_type.encode()
    if not content_type and message.body_format.WhichOneof("format") == "json_format":
        content_type = b"application/json"
    headers = ((b"content-type", content_type),) if content_type else ()
    return answers.direct_response(message.status, formatted, headers)
