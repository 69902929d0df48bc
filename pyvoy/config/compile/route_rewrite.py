"""Rewrites of a RouteAction -> steps of the request finalizer: the host first, then the path.

Source of behaviour: Envoy's RouteEntryImplBase::finalizeRequestHeaders.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyvoy.config.compile import path_templates
from pyvoy.config.compile.header_rules import value_or_formatter
from pyvoy.config.compile.regex_rewrite import regex_rewrite
from pyvoy.config.compile.route_match import PathMatch
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing import rewrite as rewrites
from pyvoy.http.routing.header_rules import HeaderRules
from pyvoy.http.routing.match import bare_path
from pyvoy.http.routing.rewrite import Step

supports(
    "envoy.config.route.v3.RouteAction",
    "prefix_rewrite regex_rewrite path_rewrite path_rewrite_policy host_rewrite_literal auto_host_rewrite "
    "host_rewrite_header host_rewrite_path_regex host_rewrite append_x_forwarded_host",
)

HostSource = Callable[[Any, HeaderMap], bytes]


def steps(action: Any, context: Context, path: PathMatch) -> list[Step]:
    """The rewriting steps of a RouteAction in Envoy's order."""
    found = []
    hostname = _host_source(action, context)
    if hostname is not None:
        found.append(rewrites.host_step(hostname, append_forwarded_host=action.append_x_forwarded_host))
    step = _path_step(action, context, path)
    if step is not None:
        found.append(step)
    return found


def rules_step(rules: HeaderRules) -> Step:
    """Header rules as a step."""
    apply = rules.apply
    return lambda stream, headers, _keep: apply(stream, headers)


def set_host(hostname: bytes) -> Step:
    """A weighted cluster's own host: set without a trace of the old one."""
    return lambda _stream, headers, _keep: headers.set(b":authority", hostname)


def _host_source(action: Any, context: Context) -> HostSource | None:
    which = action.WhichOneof("host_rewrite_specifier")
    if which == "host_rewrite_literal" and action.host_rewrite_literal:
        literal = action.host_rewrite_literal.encode()
        return lambda _stream, _headers: literal
    if which == "host_rewrite_header" and action.host_rewrite_header:
        name = action.host_rewrite_header.lower().encode()
        return lambda _stream, headers: headers.map.get(name, b"")
    if which == "host_rewrite_path_regex":
        rewrite = regex_rewrite(action.host_rewrite_path_regex, context.at("host_rewrite_path_regex"))
        return lambda _stream, headers: rewrite(bare_path(headers.map.get(b":path", b"")))
    if which == "host_rewrite":
        value, formatter = value_or_formatter(action.host_rewrite, context, "host_rewrite", missing=b"-")
        if formatter is not None:
            compute = formatter
            return lambda stream, _headers: compute(stream)
        return lambda _stream, _headers: value
    return None


def _path_step(action: Any, context: Context, path: PathMatch) -> Step | None:
    wanted = [
        field
        for field in ("prefix_rewrite", "regex_rewrite", "path_rewrite_policy", "path_rewrite")
        if (action.HasField(field) if field in ("regex_rewrite", "path_rewrite_policy") else getattr(action, field))
    ]
    if not wanted:
        return None
    if len(wanted) > 1:
        context.error(wanted[1], "Specify only one of prefix_rewrite, regex_rewrite or path_rewrite_policy")
    if wanted[0] == "prefix_rewrite":
        if path.template:
            context.error("prefix_rewrite", "Cannot use prefix_rewrite with matcher extension")
        return rewrites.path_step(rewrites.prefix_rewrite(path.matched, action.prefix_rewrite.encode()))
    if wanted[0] == "regex_rewrite":
        rewrite = regex_rewrite(action.regex_rewrite, context.at("regex_rewrite"))
        return rewrites.path_step(rewrites.whole_path_rewrite(rewrite))
    if wanted[0] == "path_rewrite":
        value, formatter = value_or_formatter(action.path_rewrite, context, "path_rewrite")
        return rewrites.path_format_step(formatter or (lambda _stream: value))
    policy = action.path_rewrite_policy
    replace = path_templates.template_rewrite(policy, context.at("path_rewrite_policy"), path.template)
    return None if replace is None else rewrites.path_step(rewrites.whole_path_rewrite(replace))
