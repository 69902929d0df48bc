"""The runtime's disk layer: a folder whose files are keys and whose contents are values; read when the bootstrap is.

A later change of the folder counts from the next reload on.
Source of behaviour: Envoy, Runtime::DiskLayer (folders are joined by dots, lines that begin with # do not count).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports

supports(
    "envoy.config.bootstrap.v3.RuntimeLayer.DiskLayer",
    "symlink_root subdirectory append_service_cluster",
)
_MAX_DEPTH = 16


def disk_values(layer: Any, service_cluster: str, context: Context) -> dict[str, Any]:
    """The values of a DiskLayer as nested dictionaries; a folder that is not there has none, as in Envoy."""
    root = Path(layer.symlink_root) / layer.subdirectory
    if layer.append_service_cluster:
        root /= service_cluster
    try:
        return _folder(root, 0) if root.is_dir() else {}
    except (OSError, ValueError) as error:
        context.error("symlink_root", f"cannot read the runtime's folder: {error}")
        return {}


def _folder(folder: Path, depth: int) -> dict[str, Any]:
    if depth > _MAX_DEPTH:
        raise ValueError(f"{folder}: folders are nested too deeply")
    found: dict[str, Any] = {}
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            path = folder / entry.name
            found[entry.name] = _folder(path, depth + 1) if entry.is_dir() else _value(path.read_text())
    return found


def _value(text: str) -> Any:
    """A number or a truth value where the text is one; else the text."""
    value = "\n".join(line for line in text.splitlines() if not line.startswith("#")).strip()
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value
