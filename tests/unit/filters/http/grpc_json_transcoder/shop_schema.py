"""The book shop's types for tests of this folder."""

from __future__ import annotations

from functools import cache

from pyvoy.filters.http.grpc_json_transcoder.schema import Schema
from tests.support.shop import pool


@cache
def schema() -> Schema:
    """All types of the shop."""
    return Schema(pool())
