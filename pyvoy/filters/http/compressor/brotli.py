"""The brotli compressor library.

Source: Envoy, envoy.compression.brotli.compressor (defaults and ranges); RFC 7932.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import extension, supports

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.compression.brotli.compressor.v3.Brotli"

supports(
    TYPE,
    "quality encoder_mode window_bits input_block_bits",
    tuning="chunk_size disable_literal_context_modeling",
)

_MODES = (0, 0, 1, 2)
"""DEFAULT, GENERIC, TEXT and FONT in the library's numbers."""


@dataclass(slots=True, frozen=True)
class BrotliPlan:
    """The library's parameters."""

    quality: int
    mode: int
    window_bits: int
    block_bits: int

    encoding = b"br"
    name = "brotli"

    def compressor(self) -> Brotli:
        """A compressor of one body."""
        return Brotli(self)


@extension("compressor_library", name="envoy.compression.brotli.compressor", type_url=TYPE)
class Brotli:
    """Compresses one body; every piece comes out whole."""

    __slots__ = ("_stream",)

    @staticmethod
    def build(message: Any, context: Context) -> BrotliPlan:
        """The plan of a Brotli message."""
        return BrotliPlan(
            context.wrapped(message, "quality", 3),
            _MODES[message.encoder_mode] if message.encoder_mode < len(_MODES) else 0,
            context.wrapped(message, "window_bits", 18),
            context.wrapped(message, "input_block_bits", 24),
        )

    def __init__(self, plan: BrotliPlan) -> None:
        import brotli

        self._stream = brotli.Compressor(
            mode=plan.mode, quality=plan.quality, lgwin=plan.window_bits, lgblock=plan.block_bits
        )

    def compress(self, data: bytes, *, end: bool) -> bytes:
        """The compressed piece; with `end` the last bytes too."""
        out: bytes = self._stream.process(data) + (self._stream.finish() if end else self._stream.flush())
        return out
