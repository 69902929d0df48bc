"""The brotli decompressor library.

Source: Envoy, envoy.compression.brotli.decompressor (defaults, counters and what broken data does: observed on 1.40).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pyvoy.config.registry import extension, supports

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

TYPE = "envoy.extensions.compression.brotli.decompressor.v3.Brotli"

supports(TYPE, "", tuning="disable_ring_buffer_reallocation chunk_size")

_MAX_RATIO = 100
_STEP_BYTES = 64 * 1024


class BrotliCounters(NamedTuple):
    """Below `decompressor_library.brotli_`: whatever is wrong is an error, too much output and data behind the end are
    counted besides."""

    error: Counter
    output_overflow: Counter
    redundant_input: Counter


class UnbrotliPlan:
    """Nothing to configure; data that grows by more than a hundred counts as broken."""

    encoding = b"br"
    name = "brotli"

    def counters(self, scope: Scope) -> BrotliCounters:
        """The library's counters."""
        library = scope.scope("decompressor_library")
        return BrotliCounters(*(library.counter(f"brotli_{name}") for name in BrotliCounters._fields))

    def decompressor(self, counters: BrotliCounters) -> Unbrotli:
        """A decompressor of one body."""
        return Unbrotli(counters)


@extension("decompressor_library", name="envoy.compression.brotli.decompressor", type_url=TYPE)
class Unbrotli:
    """Decompresses one body.  Of broken data there comes nothing more."""

    __slots__ = ("_counters", "_failed", "_stream")

    @staticmethod
    def build(_message: Any, _context: Context) -> UnbrotliPlan:
        """The plan of a Brotli message."""
        return UnbrotliPlan()

    def __init__(self, counters: BrotliCounters) -> None:
        import brotli

        self._stream = brotli.Decompressor()
        self._counters = counters
        self._failed = False

    def decompress(self, data: bytes) -> bytes:
        """What a piece unpacks to."""
        import brotli

        if self._failed:
            return b""
        if self._stream.is_finished():
            if data:
                self._counters.redundant_input.inc()
                self._fail()
            return b""
        out = bytearray()
        try:
            out += self._stream.process(data, output_buffer_limit=_STEP_BYTES)
            while not self._stream.can_accept_more_data() and len(out) <= len(data) * _MAX_RATIO:
                out += self._stream.process(b"", output_buffer_limit=_STEP_BYTES)
        except brotli.error:
            self._fail()
        if len(out) > len(data) * _MAX_RATIO:
            self._counters.output_overflow.inc()
            self._fail()
        return bytes(out)

    def _fail(self) -> None:
        self._failed = True
        self._counters.error.inc()
