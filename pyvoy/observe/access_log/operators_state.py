"""Operators about what filters and the configuration leave on a stream: metadata, filter state, environment.

Source: Envoy's MetadataFormatter, FilterStateFormatter and EnvironmentFormatter; texts from the running 1.40.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from pyvoy.observe.access_log.operator import (
    Builder,
    Command,
    FormatError,
    Kind,
    Operator,
    no_length,
    required,
    to_text,
    truncated,
)

Metadata = Callable[[Any], Any]


def _dynamic(source: Any) -> Any:
    return source.info.dynamic_metadata


def _cluster(source: Any) -> Any:
    cluster = source.services.clusters.get(source.info.upstream_cluster)
    return None if cluster is None else cluster.plan.metadata


def _route(source: Any) -> Any:
    return source.info.route_metadata


def _upstream_host(source: Any) -> Any:
    host = source.info.upstream_host
    return None if host is None else host.metadata


def _virtual_host(source: Any) -> Any:
    route = source.route
    return None if route is None else route.virtual_host.metadata


METADATA_KINDS: dict[str, Metadata] = {
    "DYNAMIC": _dynamic,
    "CLUSTER": _cluster,
    "ROUTE": _route,
    "UPSTREAM_HOST": _upstream_host,
    "VIRTUAL_HOST": _virtual_host,
}
_UNSUPPORTED_KINDS = ("LISTENER", "LISTENER_FILTER_CHAIN")


def _lookup(metadata: Metadata, path: list[str], length: int | None) -> Operator:
    """The value at namespace and keys; structures as JSON."""
    keys = tuple(path)

    def get(source: Any) -> Any:
        value = metadata(source)
        for key in keys:
            if not isinstance(value, dict) and not hasattr(value, "get"):
                return None
            value = value.get(key)
            if value is None:
                return None
        return value

    return truncated(Operator(get, Kind.JSON, breaks_lines=True), length)


def _metadata_of(metadata: Metadata, *, length_allowed: bool) -> Builder:
    def build(command: Command) -> Operator:
        if not length_allowed:
            no_length(command)
        return _lookup(metadata, required(command).split(":"), command.length)

    return build


def _metadata(command: Command) -> Operator:
    kind, _, path = (command.arguments or "").partition(":")
    if kind in _UNSUPPORTED_KINDS:
        raise FormatError(f"METADATA({kind}) is not supported by pyvoy")
    if kind not in METADATA_KINDS:
        raise FormatError(f"{kind} is not supported type of metadata")
    return _lookup(METADATA_KINDS[kind], path.split(":"), command.length)


def _filter_state(command: Command) -> Operator:
    parts = (command.arguments or "").split(":")
    key = parts[0]
    how = parts[1] if len(parts) > 1 else "TYPED"
    if not key:
        raise FormatError("Invalid filter state configuration, key cannot be empty.")
    if how not in ("PLAIN", "TYPED", "FIELD"):
        raise FormatError("Invalid filter state serialize type, only support PLAIN/TYPED/FIELD.")
    if (how == "FIELD") != (len(parts) == 3 and bool(parts[2])):
        raise FormatError("Invalid filter state serialize type, FIELD should be used with the field name.")
    field = parts[2] if how == "FIELD" else ""

    def get(source: Any) -> Any:
        value = source.info.filter_state.get(key)
        if value is None:
            value = source.connection.filter_state.get(key)
        if value is None:
            return None
        if how == "TYPED" and hasattr(value, "as_json"):
            value = value.as_json()
        if field:
            return value.get(field) if isinstance(value, dict) else None
        return to_text(value).decode("utf-8", "surrogateescape") if how == "PLAIN" else value

    return truncated(Operator(get, Kind.JSON, breaks_lines=True), command.length)


def _environment(command: Command) -> Operator:
    """An environment variable, read when the format is compiled; a missing one is `-` even in JSON."""
    value = os.environ.get(required(command), "-")
    text = value if command.length is None else value[: command.length]
    return Operator(lambda source: text, Kind.TEXT, breaks_lines=True)


OPERATORS: dict[str, Builder] = {
    "DYNAMIC_METADATA": _metadata_of(_dynamic, length_allowed=True),
    "CLUSTER_METADATA": _metadata_of(_cluster, length_allowed=False),
    "UPSTREAM_METADATA": _metadata_of(_upstream_host, length_allowed=False),
    "METADATA": _metadata,
    "FILTER_STATE": _filter_state,
    "ENVIRONMENT": _environment,
}
