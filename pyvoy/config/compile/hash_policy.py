"""RouteAction.HashPolicy list -> one hash function.

Source of behaviour: Envoy's HashPolicyImpl.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from pyvoy.config.compile.regex_rewrite import regex_rewrite
from pyvoy.config.context import Context
from pyvoy.config.registry import supports
from pyvoy.http.routing import hash_policy as methods
from pyvoy.http.routing.hash_policy import Method

_PREFIX = "envoy.config.route.v3.RouteAction.HashPolicy"
supports(_PREFIX, "header cookie connection_properties query_parameter filter_state terminal")
supports(f"{_PREFIX}.Header", "header_name regex_rewrite")
supports(f"{_PREFIX}.Cookie", "name ttl path attributes")
supports(f"{_PREFIX}.CookieAttribute", "name value")
supports(f"{_PREFIX}.ConnectionProperties", "source_ip")
supports(f"{_PREFIX}.QueryParameter", "name")
supports(f"{_PREFIX}.FilterState", "key")


def hash_policy(policies: Sequence[Any], context: Context, field: str) -> Callable[..., int | None] | None:
    """`(stream, cookies=None)` over all policies; None when there are none."""
    found = []
    for index, policy in enumerate(policies):
        method = _method(policy, context.at(field, index))
        if method is not None:
            found.append((method, policy.terminal))
    return methods.hash_policy(found) if found else None


def _method(policy: Any, context: Context) -> Method | None:
    which = policy.WhichOneof("policy_specifier")
    if which == "header":
        header = policy.header
        rewrite = None
        if header.HasField("regex_rewrite"):
            rewrite = regex_rewrite(header.regex_rewrite, context.at("header").at("regex_rewrite"))
        return methods.header_method(header.header_name.lower().encode(), rewrite)
    if which == "cookie":
        cookie = policy.cookie
        attributes = [(item.name.encode(), item.value.encode()) for item in cookie.attributes]
        ttl_s = cookie.ttl.seconds if cookie.HasField("ttl") else None
        return methods.cookie_method(cookie.name.encode(), ttl_s, cookie.path.encode(), attributes)
    if which == "connection_properties":
        return methods.source_ip_method if policy.connection_properties.source_ip else None
    if which == "query_parameter":
        return methods.query_method(policy.query_parameter.name.encode())
    if which == "filter_state":
        return methods.filter_state_method(policy.filter_state.key)
    return None
