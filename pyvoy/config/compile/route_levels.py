"""What the upper levels of a route configuration hand down to its routes while they are compiled.

Source of behaviour: Envoy's CommonConfigImpl and CommonVirtualHostImpl.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyvoy.http.routing.table import VirtualHost


@dataclass(slots=True, frozen=True)
class TableLevel:
    """Facts of the whole RouteConfiguration."""

    validate_clusters: bool = True
    ignore_path_parameters: bool = False


@dataclass(slots=True, frozen=True)
class VirtualHostLevel:
    """Facts of one VirtualHost, with those of its table."""

    table: TableLevel
    host: VirtualHost
