"""Counters that a filter keeps for the cluster of a request's route: `cluster.<name>.<filter>.[<prefix>.]<counter>`.

They are made when a cluster first needs them, as Envoy's are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pyvoy.http.http_filter import Stream
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope


class ClusterCounters:
    """The counters of one configured filter, by cluster."""

    __slots__ = ("_known", "_path")

    def __init__(self, name: str, prefix: str) -> None:
        self._path = f"{name}.{prefix}" if prefix else name
        self._known: dict[str, dict[str, Counter]] = {}
        """By the prefix of the cluster's scope."""

    def count(self, stream: Stream, name: str, *, charge: int = 0) -> None:
        """Count for the cluster of the stream's route; `charge` is a status that counts as an answer of the cluster."""
        route = stream.route
        cluster: Any = None if route is None else stream.services.clusters.get(route.cluster)
        scope: Scope | None = getattr(cluster, "scope", None)
        if scope is None:
            return
        counters = self._known.get(scope.prefix)
        if counters is None:
            counters = self._known[scope.prefix] = {}
        counter = counters.get(name)
        if counter is None:
            counter = counters[name] = scope.scope(self._path).counter(name)
        counter.inc()
        if charge:
            cluster.stats.charge_response(charge, True, False)
