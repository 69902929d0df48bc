"""The two small places for scripts beside the filter: a cluster specifier and a string matcher.

Source: Envoy, router/cluster_specifiers/lua and string_matcher/lua (observed on Envoy 1.40).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.lua.script import try_load
from pyvoy.extensions.lua.vm import MATCHER_PARTS, ROUTE_PARTS, LuaVm

if TYPE_CHECKING:
    from pyvoy.config.context import Context

log = logging.getLogger("pyvoy.lua")

LEVELS = (0, 5, logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR, logging.CRITICAL)
"""By the number that prelude/core.lua gives: trace, debug, info, warn, err, critical."""


def log_line(level: int, text: bytes) -> None:
    """What the log methods write."""
    log.log(LEVELS[level], "script log: %s", text.decode("utf-8", "replace"))


class LuaClusterSpecifier:
    """Names the cluster of a request: what `envoy_on_route` returns last, or the default cluster."""

    __slots__ = ("_choose", "_default", "_function", "_stream")

    _stream: Any

    def __init__(self, code: bytes, default: str, context: Context, field: str) -> None:
        functions: dict[bytes, Callable[..., Any]] = {
            b"log": log_line,
            b"header_get": self._header,
            b"has_cluster": self._has_cluster,
            b"cluster_level": self._level,
        }
        vm = LuaVm(functions, ROUTE_PARTS)
        if try_load(vm, code, context, field) and vm.function(b"envoy_on_route") is None:
            context.error(field, "envoy_on_route() function not found. Lua will not hook cluster specifier.")
        self._function = vm.function(b"envoy_on_route")
        self._choose = vm.core(b"choose")
        self._default = default

    def __call__(self, stream: Any) -> str:
        """The name of the cluster, which need not exist."""
        self._stream = stream
        found = self._choose(self._function)
        self._stream = None
        if not found[0]:
            log.error("script log: %s", found[1].decode("utf-8", "replace"))
            return self._default
        name = found[1]
        if isinstance(name, bytes):
            return name.decode("utf-8", "replace")
        if isinstance(name, int | float) and not isinstance(name, bool):
            return f"{name:.14g}"
        return self._default

    def _header(self, name: bytes) -> bytes | None:
        value: bytes | None = self._stream.request_headers.joined(name.lower())
        return value

    def _has_cluster(self, name: bytes) -> bool:
        return self._stream.services.clusters.get(name.decode("utf-8", "replace")) is not None

    def _level(self, name: bytes, what: bytes) -> int:
        resources = self._stream.services.clusters.get(name.decode("utf-8", "replace")).resources()
        if what == b"cx":
            return int(resources.connections.count)
        return int((resources.requests if what == b"rq" else resources.pending_requests).count)


class LuaStringMatcher:
    """Asks `envoy_match`: only `true` is a match."""

    __slots__ = ("_call", "_function")

    def __init__(self, code: bytes, context: Context, field: str) -> None:
        vm = LuaVm({b"log": log_line}, MATCHER_PARTS)
        if try_load(vm, code, context, field) and vm.function(b"envoy_match") is None:
            context.error(field, "Lua script did not contain a global function named 'envoy_match'")
        self._function = vm.function(b"envoy_match")
        self._call = vm.call

    def __call__(self, value: bytes) -> bool:
        found = self._call(self._function, value)
        if not found[0]:
            log.error("Lua StringMatcher error: %s", found[1].decode("utf-8", "replace"))
            return False
        return found[1] is True
