"""What the log methods of scripts write.  Source: Envoy's Filter::scriptLog."""

from __future__ import annotations

import logging

log = logging.getLogger("pyvoy.lua")

LEVEL_NAMES = ("", "trace", "debug", "info", "warning", "error", "critical")
LEVELS = (0, 5, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
"""By the number that prelude/core.lua gives: trace, debug, info, warn, err, critical."""


def log_line(level: int, text: bytes) -> None:
    """One line at one of the levels."""
    log.log(LEVELS[level], "script log: %s", text.decode("utf-8", "replace"))
