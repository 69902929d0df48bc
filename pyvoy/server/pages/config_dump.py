"""/config_dump: the configuration in force, as Envoy's ConfigDump messages, with secrets blacked out.

Masks and resources work on the JSON form, so that a mask reaches into an Any as Envoy's does.
Source: Envoy 1.40, ConfigDumpHandler (shapes, errors), udpa.annotations.sensitive (what is secret).
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

from pyvoy.server.admin_http import Request, Response
from pyvoy.server.pages.page import Page, Proxy, json_response, message_json, name_filter
from pyvoy.server.pages.process import node

_TYPE = "type.googleapis.com/"
_REDACTED = "[redacted]"
_HCM = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"


def config_dump(proxy: Proxy, request: Request) -> Response:
    """All of it, one resource of it, or what a mask leaves."""
    try:
        wanted = name_filter(request, "name_regex")
    except ValueError as error:
        return Response(
            f"INVALID_ARGUMENT: Error while parsing name_regex from {request.query['name_regex']}: {error}\n", 400
        )
    dumps = [message_json(dump) for dump in _dumps(proxy, wanted)]
    dumps[0]["bootstrap"]["node"] = node(proxy)
    for dump, name in zip(dumps, _NAMES, strict=True):
        dump_type = {"@type": f"{_TYPE}envoy.admin.v3.{name}"}
        dump_type.update(dump)
        dump.clear()
        dump.update(dump_type)
    mask = [path.split(".") for path in request.query.get("mask", "").split(",") if path]
    resource = request.query.get("resource", "")
    if resource:
        return _resource(dumps, resource, mask)
    if mask:
        dumps = [masked for dump in dumps if len(masked := masked_dump(dump, mask)) > 1]
    return json_response({"configs": dumps})


_NAMES = (
    "BootstrapConfigDump",
    "ClustersConfigDump",
    "ListenersConfigDump",
    "ScopedRoutesConfigDump",
    "RoutesConfigDump",
    "SecretsConfigDump",
)


def _dumps(proxy: Proxy, wanted: Any) -> Iterator[Any]:
    from envoy.admin.v3 import config_dump_pb2, config_dump_shared_pb2

    bootstrap = type(proxy.bootstrap)()
    bootstrap.CopyFrom(proxy.bootstrap)
    redact(bootstrap)
    updated = int(proxy.updated_wall_s * 1000)
    stamp: dict[str, Any] = {"seconds": updated // 1000, "nanos": updated % 1000 * 1_000_000}

    dump = config_dump_pb2.BootstrapConfigDump(bootstrap=bootstrap, last_updated=stamp)
    yield dump
    static = bootstrap.static_resources
    clusters = config_dump_shared_pb2.ClustersConfigDump()
    for cluster in static.clusters:
        if wanted(cluster.name):
            clusters.static_clusters.add(last_updated=stamp).cluster.Pack(cluster)
    yield clusters
    listeners = config_dump_shared_pb2.ListenersConfigDump()
    for listener in static.listeners:
        if wanted(listener.name):
            listeners.static_listeners.add(last_updated=stamp).listener.Pack(listener)
    yield listeners
    yield config_dump_shared_pb2.ScopedRoutesConfigDump()
    routes = config_dump_shared_pb2.RoutesConfigDump()
    for route in _routes(static.listeners):
        if wanted(route.name):
            routes.static_route_configs.add(last_updated=stamp).route_config.Pack(route)
    yield routes
    secrets = config_dump_pb2.SecretsConfigDump()
    for secret in static.secrets:
        if wanted(secret.name):
            secrets.static_secrets.add(name=secret.name, last_updated=stamp).secret.Pack(secret)
    yield secrets


def _routes(listeners: Any) -> Iterator[Any]:
    from pyvoy.config.message_types import unpack

    for listener in listeners:
        chains = [*listener.filter_chains]
        if listener.HasField("default_filter_chain"):
            chains.append(listener.default_filter_chain)
        for chain in chains:
            for network_filter in chain.filters:
                if network_filter.typed_config.type_url.rpartition("/")[2] == _HCM:
                    manager = unpack(network_filter.typed_config, _HCM)
                    if manager.HasField("route_config"):
                        yield manager.route_config


def redact(message: Any) -> None:
    """Black out every field that is marked sensitive, also inside Any."""
    from google.protobuf.any_pb2 import Any as AnyMessage
    from udpa.annotations import sensitive_pb2

    from pyvoy.config.message_types import TypeNotFoundError, message_class

    if isinstance(message, AnyMessage):
        try:
            inner = message_class(message.type_url.rpartition("/")[2])()
        except TypeNotFoundError:
            return
        inner.ParseFromString(message.value)
        redact(inner)
        message.value = inner.SerializeToString(deterministic=True)
        return
    for field, value in message.ListFields():
        if field.GetOptions().Extensions[sensitive_pb2.sensitive]:
            _blacken(message, field, value)
        elif field.message_type is not None:
            for inner in _messages(field, value):
                redact(inner)


def _messages(field: Any, value: Any) -> list[Any]:
    if field.message_type.GetOptions().map_entry:
        is_message = field.message_type.fields_by_name["value"].message_type is not None
        return list(value.values()) if is_message else []
    return list(value) if field.is_repeated else [value]


def _blacken(message: Any, field: Any, value: Any) -> None:
    """Strings and bytes become a word, what is below a sensitive message as well; anything else vanishes."""
    if field.message_type is not None:
        for inner in _messages(field, value):
            for below, content in inner.ListFields():
                _blacken(inner, below, content)
    elif field.type in (field.TYPE_STRING, field.TYPE_BYTES):
        word: str | bytes = _REDACTED if field.type == field.TYPE_STRING else _REDACTED.encode()
        if field.is_repeated:
            value[:] = [word] * len(value)
        else:
            setattr(message, field.name, word)
    else:
        message.ClearField(field.name)


REDACTED_BYTES = base64.b64encode(_REDACTED.encode()).decode()
"""How blacked-out bytes look in JSON."""


def masked_dump(value: Any, paths: list[list[str]]) -> Any:
    """What a field mask leaves of a JSON object; `@type` always stays.  Lists are masked element by element."""
    if isinstance(value, list):
        return [masked_dump(item, paths) for item in value]
    if not isinstance(value, dict):
        return value
    kept = {"@type": value["@type"]} if "@type" in value else {}
    for key, inner in value.items():
        below = [path[1:] for path in paths if path[0] == key]
        if [] in below:
            kept[key] = inner
        elif below:
            kept[key] = masked_dump(inner, below)
    return kept


_ELEMENTS = {
    "static_clusters": "ClustersConfigDump.StaticCluster",
    "dynamic_active_clusters": "ClustersConfigDump.DynamicCluster",
    "dynamic_warming_clusters": "ClustersConfigDump.DynamicCluster",
    "static_listeners": "ListenersConfigDump.StaticListener",
    "dynamic_listeners": "ListenersConfigDump.DynamicListener",
    "static_route_configs": "RoutesConfigDump.StaticRouteConfig",
    "dynamic_route_configs": "RoutesConfigDump.DynamicRouteConfig",
    "static_secrets": "SecretsConfigDump.StaticSecret",
    "dynamic_active_secrets": "SecretsConfigDump.DynamicSecret",
    "dynamic_warming_secrets": "SecretsConfigDump.DynamicSecret",
    "inline_scoped_route_configs": "ScopedRoutesConfigDump.InlineScopedRouteConfigs",
    "dynamic_scoped_route_configs": "ScopedRoutesConfigDump.DynamicScopedRouteConfigs",
}


def _resource(dumps: list[Any], resource: str, mask: list[list[str]]) -> Response:
    if resource in ("bootstrap", "last_updated", "version_info"):
        return Response(f"{resource} is not a repeated field. Use ?mask={resource} to get only this field\n", 400)
    if resource not in _ELEMENTS:
        return Response(f"{resource} not found in config dump\n", 404)
    element = {"@type": f"{_TYPE}envoy.admin.v3.{_ELEMENTS[resource]}"}
    elements = [element | item for dump in dumps for item in dump.get(resource, ())]
    if mask:
        elements = [masked_dump(item, mask) for item in elements]
        if any(len(item) == 1 for item in elements):
            paths = "".join(f'paths: "{".".join(path)}"\n' for path in mask)
            return Response(f"FieldMask {paths} could not be successfully used.\n", 400)
    return json_response({"configs": elements})


PAGES = (
    Page(
        "/config_dump",
        config_dump,
        "dump current Envoy configs",
        parameters=(
            ("resource", "The resource to dump"),
            (
                "mask",
                "The mask to apply. When both resource and mask are specified, the mask is applied to every element in "
                "the desired repeated field so that only a subset of fields are returned. "
                "The mask is parsed as a Protobuf::FieldMask",
            ),
            (
                "name_regex",
                "Dump only the currently loaded configurations whose names match the specified regex. "
                "Can be used with both resource and mask query parameters.",
            ),
            (
                "include_eds",
                "Dump currently loaded configuration including EDS. See the response definition for more information",
            ),
        ),
    ),
)
