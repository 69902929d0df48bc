"""From a message that names an extension to the plan its factory builds.

Resolves by type URL as Envoy does (a name alone is not enough), unpacks the Any or TypedStruct and hands the inner
message with the context of its place to the factory.  What it does not do: decide what is done with the plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pyvoy.config import registry
from pyvoy.config.context import Built, Chained, Context
from pyvoy.config.coverage import nearest_type
from pyvoy.config.message_types import TypeNotFoundError, unpack

FILTER_CONFIG = "envoy.config.route.v3.FilterConfig"
DELEGATE = "envoy.extensions.common.matching.v3.ExtensionWithMatcher"
"""Takes what routes say of the filter inside."""
TYPED_STRUCTS = ("xds.type.v3.TypedStruct", "udpa.type.v1.TypedStruct")


@dataclass(slots=True, frozen=True)
class RouteConfig:
    """What a route says of one filter: its per-route plan, or (with `built` None) just that it is off here, or on.

    Any entry that does not disable the filter turns on one that the chain has disabled."""

    built: Built | None
    disabled: bool = False


def build(context: Context, category: str, message: Any) -> Built | None:
    """The plan for a message with `typed_config`; None after a problem or when it is optional and unknown."""
    optional = bool(getattr(message, "is_optional", False))
    config = message.typed_config
    if not config.type_url:
        if not optional:
            context.error("", f"{message.name!r} needs a typed_config that names its type")
        return None
    name = _type_of(config)
    found = registry.lookup(category, name)
    if found is None:
        if not optional:
            context.error("typed_config", f"no {_words(category)} of type {name!r}", _nearest(category, name))
        return None
    inner = _unpack(config, found.type_url, context)
    if inner is None:
        return None
    return Built(found, found.factory.build(inner, context.at("typed_config")))


def chained(entries: Iterable[Any]) -> dict[str, Chained]:
    """The filters of a chain by name, as far as their types are known."""
    found: dict[str, Chained] = {}
    for entry in entries:
        extension = registry.lookup("http_filter", _innermost_type(entry.typed_config))
        if extension is not None:
            before = found.get(entry.name, Chained((), disabled=False))
            found[entry.name] = Chained((*before.extensions, extension), before.disabled or entry.disabled)
    return found


def _innermost_type(config: Any) -> str:
    try:
        while _type_of(config) == DELEGATE:
            config = unpack(config, DELEGATE).extension_config.typed_config
        return _type_of(config)
    except (TypeNotFoundError, ValueError):  # is reported where the chain is built
        return ""


def build_route_map(context: Context, category: str, configs: Mapping[str, Any], field: str) -> dict[str, RouteConfig]:
    """A `typed_per_filter_config` map as per-route plans by filter name."""
    plans = {}
    for name, config in sorted(configs.items()):
        there = context.env.chain.get(name)
        plan = build_route(context.at(field, name), category, config, () if there is None else there.extensions)
        if plan is not None:
            plans[name] = plan
            if plan.built is not None:
                context.env.route_plans.append((name, plan.built.plan))
    return plans


def build_route(
    context: Context, category: str, config: Any, takers: tuple[registry.Extension, ...] = ()
) -> RouteConfig | None:
    """One value of a `typed_per_filter_config` map: a filter's own type, or a FilterConfig around it.

    `takers` are the extensions in the chain that it is meant for; like Envoy's, one of another type does not see it."""
    optional = False
    if registry.type_name_of(config.type_url) == FILTER_CONFIG:
        wrapper = _unpack(config, FILTER_CONFIG, context)
        if wrapper is None:
            return None
        if wrapper.disabled:
            return RouteConfig(None, disabled=True)
        if not wrapper.HasField("config"):
            context.error("", "is empty: needs config or disabled")
            return None
        optional = wrapper.is_optional
        context = context.at("config")
        config = wrapper.config
    name = _type_of(config)
    found = registry.lookup_route(category, name)
    if found is None:
        if not optional:
            nearest = _nearest(category, name, route=True)
            context.error("", f"no {_words(category)} takes per-route configuration of type {name!r}", nearest)
        return None
    if takers and found not in takers:
        context.warning("", f"has no effect: it is for {found.name}, and the filter of that name is {takers[0].name}")
        return RouteConfig(None)
    if len(set(takers)) > 1:
        names = " and ".join(sorted({taker.name for taker in takers}))
        context.error("", f"stands for filters of different types that have one name: {names}")
        return None
    inner = _unpack(config, name, context)
    if inner is None:
        return None
    return RouteConfig(Built(found, found.factory.build_route(inner, context)))


def _nearest(category: str, type_name: str, *, route: bool = False) -> str:
    items = registry.REGISTRY.extensions(category)
    known = [url for item in items for url in item.route_type_urls] if route else [item.type_url for item in items]
    return nearest_type(type_name, known)


def _words(category: str) -> str:
    return category.replace("_", " ")


def _type_of(config: Any) -> str:
    """The type inside an Any.  The loader turns a TypedStruct into the type it names; one that is left names a type
    that nobody knows."""
    name = registry.type_name_of(config.type_url)
    if name in TYPED_STRUCTS:
        name = registry.type_name_of(unpack(config, name).type_url)
    return name


def _unpack(config: Any, type_name: str, context: Context) -> Any:
    try:
        return unpack(config, type_name)
    except (TypeNotFoundError, ValueError) as error:
        context.error("typed_config", str(error))
        return None
