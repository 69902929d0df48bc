"""The pages of the admin, one file for each subject."""

from __future__ import annotations

from collections.abc import Iterator

from pyvoy.server.pages import (
    clusters,
    config_dump,
    filter_timing,
    index,
    listeners,
    logging,
    process,
    runtime,
    stats,
    trace,
)
from pyvoy.server.pages.page import Page


def all_pages() -> Iterator[Page]:
    """Every page there is."""
    for module in (index, clusters, config_dump, filter_timing, listeners, logging, process, runtime, stats, trace):
        yield from module.PAGES
