"""Set metadata: write fixed dynamic metadata on every request, for access logs, RBAC and load balancing.

A namespace that is there already is left alone (and counted) unless overwriting is allowed; then structures are merged
and lists joined.  Source: Envoy, HTTP filter "Set Metadata" (merging observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import http_filter, supports
from pyvoy.filters.common.metadata import plain_struct
from pyvoy.http.headers import HeaderMap
from pyvoy.http.http_filter import CONTINUE, HttpFilter, Stream, Verdict

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter

_PACKAGE = "envoy.extensions.filters.http.set_metadata.v3"
TYPE = f"{_PACKAGE}.Config"

supports(TYPE, "metadata_namespace value metadata")
supports(f"{_PACKAGE}.Metadata", "metadata_namespace allow_overwrite value")


@dataclass(slots=True, frozen=True)
class Entry:
    """What is written into one namespace."""

    namespace: str
    overwrites: bool
    value: Mapping[str, Any]


@dataclass(slots=True, frozen=True)
class SetMetadataPlan:
    """The entries in order."""

    entries: tuple[Entry, ...]
    denied: Counter


@http_filter(
    name="envoy.filters.http.set_metadata", type_url=TYPE, posture="robust_to_untrusted_downstream_and_upstream"
)
class SetMetadata(HttpFilter):
    """Keeps nothing of a stream."""

    __slots__ = ("_plan",)

    @staticmethod
    def build(message: Any, context: Context) -> SetMetadataPlan:
        """The plan of a Config message; its old single value comes first."""
        entries = []
        if message.HasField("value"):
            entries.append(Entry(message.metadata_namespace, True, plain_struct(message.value)))
        for item in message.metadata:
            value = plain_struct(item.value)
            entries.append(Entry(item.metadata_namespace, item.allow_overwrite, value))
        return SetMetadataPlan(tuple(entries), context.scope.counter("set_metadata.overwrite_denied"))

    def __init__(self, plan: SetMetadataPlan) -> None:
        self._plan = plan

    def request_headers(self, stream: Stream, headers: HeaderMap, end: bool) -> Verdict:
        """Write the metadata."""
        metadata = stream.info.dynamic_metadata
        for entry in self._plan.entries:
            there = metadata.get(entry.namespace)
            if there is None:
                metadata[entry.namespace] = deepcopy(dict(entry.value))
            elif entry.overwrites:
                merge(there, entry.value)
            else:
                self._plan.denied.inc()
        return CONTINUE


def merge(into: dict[str, Any], value: Mapping[str, Any]) -> None:
    """Lay one structure over another: structures are merged, lists joined, everything else replaced."""
    for key, new in value.items():
        old = into.get(key)
        if isinstance(old, dict) and isinstance(new, Mapping):
            merge(old, new)
        elif isinstance(old, list) and isinstance(new, list):
            old.extend(deepcopy(new))
        else:
            into[key] = deepcopy(new)


_: type[HttpFilter] = SetMetadata
