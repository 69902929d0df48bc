"""InternalRedirectPolicy -> InternalRedirectPlan, and its predicates.

Source of behaviour: Envoy, InternalRedirectPolicyImpl (codes it knows, defaults) and extensions/internal_redirect.
"""

from __future__ import annotations

from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import extension, supports
from pyvoy.http.routing.internal_redirect import (
    InternalRedirectPlan,
    Predicate,
    allow_listed,
    previous_routes,
    safe_cross_scheme,
)

PREDICATE = "internal_redirect_predicate"
_EXTENSIONS = "envoy.extensions.internal_redirect."
_CODES = (301, 302, 303, 307, 308)

supports(
    "envoy.config.route.v3.InternalRedirectPolicy",
    "max_internal_redirects redirect_response_codes predicates allow_cross_scheme_redirect response_headers_to_copy",
)
supports(_EXTENSIONS + "allow_listed_routes.v3.AllowListedRoutesConfig", "allowed_route_names")


@extension(
    PREDICATE,
    name="envoy.internal_redirect_predicates.allow_listed_routes",
    type_url=_EXTENSIONS + "allow_listed_routes.v3.AllowListedRoutesConfig",
)
class AllowListedRoutes:
    """Only to routes of these names."""

    @staticmethod
    def build(message: Any, context: Context) -> Predicate:
        return allow_listed(frozenset(message.allowed_route_names))


@extension(
    PREDICATE,
    name="envoy.internal_redirect_predicates.previous_routes",
    type_url=_EXTENSIONS + "previous_routes.v3.PreviousRoutesConfig",
)
class PreviousRoutes:
    """Never twice from one route to the same."""

    @staticmethod
    def build(message: Any, context: Context) -> Predicate:
        return previous_routes


@extension(
    PREDICATE,
    name="envoy.internal_redirect_predicates.safe_cross_scheme",
    type_url=_EXTENSIONS + "safe_cross_scheme.v3.SafeCrossSchemeConfig",
)
class SafeCrossScheme:
    """Never from http to https."""

    @staticmethod
    def build(message: Any, context: Context) -> Predicate:
        return safe_cross_scheme


def internal_redirects(action: Any, context: Context) -> InternalRedirectPlan | None:
    """The plan of a RouteAction, None when redirects go to the client; `context` stands at the action."""
    if not action.HasField("internal_redirect_policy"):
        return None
    message = action.internal_redirect_policy
    place = context.at("internal_redirect_policy")
    for code in message.redirect_response_codes:
        if code not in _CODES:
            place.warning("redirect_response_codes", f"{code} is no redirect and has no effect")
    codes = frozenset(code for code in message.redirect_response_codes if code in _CODES)
    copied = []
    for index, name in enumerate(message.response_headers_to_copy):
        if name.startswith(":") or name.lower() == "host":
            place.error(f"response_headers_to_copy[{index}]", ":-prefixed headers or Hosts may not be specified here.")
        copied.append(name.lower().encode())
    found = [
        place.extension(PREDICATE, predicate, f"predicates[{index}]")
        for index, predicate in enumerate(message.predicates)
    ]
    return InternalRedirectPlan(
        place.wrapped(message, "max_internal_redirects", 1),
        codes or frozenset((302,)),
        tuple(predicate for predicate in found if predicate is not None),
        message.allow_cross_scheme_redirect,
        tuple(copied),
    )
