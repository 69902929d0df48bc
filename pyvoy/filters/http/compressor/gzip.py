"""The gzip compressor library.

Source: Envoy, envoy.compression.gzip.compressor (defaults and ranges); RFC 1952.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import extension, supports

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.compression.gzip.compressor.v3.Gzip"

supports(TYPE, "memory_level compression_level compression_strategy window_bits", tuning="chunk_size")

_GZIP_FORMAT = 16
_STRATEGIES = (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE, zlib.Z_FIXED)


@dataclass(slots=True, frozen=True)
class GzipPlan:
    """zlib's parameters."""

    level: int
    memory_level: int
    window_bits: int
    strategy: int

    encoding = b"gzip"
    name = "gzip"

    def compressor(self) -> Gzip:
        """A compressor of one body."""
        return Gzip(self)


@extension("compressor_library", name="envoy.compression.gzip.compressor", type_url=TYPE)
class Gzip:
    """Compresses one body; every piece comes out whole, as a proxy cannot keep a client waiting."""

    __slots__ = ("_stream",)

    @staticmethod
    def build(message: Any, context: Context) -> GzipPlan:
        """The plan of a Gzip message."""
        return GzipPlan(
            message.compression_level or zlib.Z_DEFAULT_COMPRESSION,
            context.wrapped(message, "memory_level", 5),
            context.wrapped(message, "window_bits", 12),
            _STRATEGIES[message.compression_strategy] if message.compression_strategy < len(_STRATEGIES) else 0,
        )

    def __init__(self, plan: GzipPlan) -> None:
        self._stream = zlib.compressobj(
            plan.level, zlib.DEFLATED, plan.window_bits + _GZIP_FORMAT, plan.memory_level, plan.strategy
        )

    def compress(self, data: bytes, *, end: bool) -> bytes:
        """The compressed piece; with `end` the trailer too."""
        return self._stream.compress(data) + self._stream.flush(zlib.Z_FINISH if end else zlib.Z_SYNC_FLUSH)
