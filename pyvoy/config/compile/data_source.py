"""DataSource -> bytes, read once at load.

Source: Envoy's DataSource::read: a file by name, bytes or text in place, or an environment variable that must exist.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports

supports(
    "envoy.config.core.v3.DataSource",
    "filename inline_bytes inline_string environment_variable",
    tuning="watched_directory",
)
supports("envoy.config.core.v3.AsyncDataSource", "local")


def read(message: Any, context: Context) -> bytes:
    """The bytes of a DataSource; b"" after a problem."""
    kind = message.WhichOneof("specifier")
    if kind == "inline_string":
        return bytes(message.inline_string.encode())
    if kind == "inline_bytes":
        return bytes(message.inline_bytes)
    if kind == "environment_variable":
        value = os.environb.get(message.environment_variable.encode())
        if value is None:
            context.error("environment_variable", f"the variable {message.environment_variable!r} is not set")
            return b""
        return value
    if kind == "filename":
        return _file(message.filename, context)
    return b""


def _file(name: str, context: Context) -> bytes:
    try:
        return Path(name).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        context.error("filename", f"cannot read {name!r}: {reason}")
        return b""
