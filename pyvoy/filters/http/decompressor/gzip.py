"""The gzip decompressor library.

Source: Envoy, envoy.compression.gzip.decompressor (defaults, counters and what broken data does: observed on 1.40).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import extension, supports

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

TYPE = "envoy.extensions.compression.gzip.decompressor.v3.Gzip"

supports(TYPE, "window_bits chunk_size max_inflate_ratio")

_GZIP_FORMAT = 16
_CHUNK_BYTES = 4096


@dataclass(slots=True, frozen=True)
class GunzipPlan:
    """zlib's parameters; data that grows by more than `max_ratio` counts as broken, which is looked at every
    `chunk_bytes`."""

    window_bits: int
    chunk_bytes: int
    max_ratio: int

    encoding = b"gzip"
    name = "gzip"

    def counters(self, scope: Scope) -> Counter:
        """The library's counters below `decompressor_library.`; the one for broken data."""
        library = scope.scope("decompressor_library")
        for name in ("zlib_buf_error", "zlib_errno", "zlib_mem_error", "zlib_stream_error", "zlib_version_error"):
            library.counter(name)
        return library.counter("zlib_data_error")

    def decompressor(self, broken: Counter) -> Gunzip:
        """A decompressor of one body."""
        return Gunzip(self, broken)


@extension("decompressor_library", name="envoy.compression.gzip.decompressor", type_url=TYPE)
class Gunzip:
    """Decompresses one body.  Of broken data there comes nothing more."""

    __slots__ = ("_broken", "_chunk_bytes", "_failed", "_max_ratio", "_stream")

    @staticmethod
    def build(message: Any, context: Context) -> GunzipPlan:
        """The plan of a Gzip message."""
        return GunzipPlan(
            context.wrapped(message, "window_bits", 15),
            context.wrapped(message, "chunk_size", _CHUNK_BYTES),
            context.wrapped(message, "max_inflate_ratio", 100),
        )

    def __init__(self, plan: GunzipPlan, broken: Counter) -> None:
        self._stream = zlib.decompressobj(plan.window_bits + _GZIP_FORMAT)
        self._chunk_bytes = plan.chunk_bytes
        self._max_ratio = plan.max_ratio
        self._broken = broken
        self._failed = False

    def decompress(self, data: bytes) -> bytes:
        """What a piece unpacks to."""
        if self._failed or self._stream.eof:
            return b""
        out = bytearray()
        rest = data
        while rest and not self._failed:
            try:
                out += self._stream.decompress(rest, self._chunk_bytes)
            except zlib.error:
                self._fail()
            rest = self._stream.unconsumed_tail
            if len(out) // len(data) > self._max_ratio:
                self._fail()
        return bytes(out)

    def _fail(self) -> None:
        self._failed = True
        self._broken.inc()
