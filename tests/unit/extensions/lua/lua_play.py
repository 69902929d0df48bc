"""Plays with a Lua filter whose script stands in the test."""

from __future__ import annotations

from typing import Any

import yaml

from pyvoy.filters.http.lua import Lua
from pyvoy.testing.playbook import Play, play


def lua(
    script: str, *, route: dict[str, Any] | None = None, stage: dict[str, Any] | None = None, **fields: Any
) -> Play:
    """A play with the one filter of this script; `fields` are those of the Lua message."""
    message = {"default_source_code": {"inline_string": script}, **fields}
    per_route = "" if route is None else yaml.safe_dump(route)
    return play(Lua, yaml.safe_dump(message), route=per_route, **(stage or {}))


def on_request(body: str, **more: Any) -> Play:
    """A play with envoy_on_request(h)."""
    return lua(f"function envoy_on_request(h) {body} end", **more)


def on_response(body: str, **more: Any) -> Play:
    """A play with envoy_on_response(h)."""
    return lua(f"function envoy_on_response(h) {body} end", **more)
