"""The zstd compressor library.

Source: Envoy, envoy.compression.zstd.compressor (defaults and ranges); RFC 8878.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import extension, supports

if TYPE_CHECKING:
    from pyvoy.config.context import Context

TYPE = "envoy.extensions.compression.zstd.compressor.v3.Zstd"

supports(TYPE, "compression_level enable_checksum strategy dictionary", tuning="chunk_size")


@dataclass(slots=True, frozen=True, eq=False)
class ZstdPlan:
    """`compressor_of` makes streams with the library's parameters."""

    library: Any

    encoding = b"zstd"
    name = "zstd"

    def compressor(self) -> Zstd:
        """A compressor of one body."""
        return Zstd(self)


@extension("compressor_library", name="envoy.compression.zstd.compressor", type_url=TYPE)
class Zstd:
    """Compresses one body; every piece comes out whole."""

    __slots__ = ("_end", "_flush", "_stream")

    @staticmethod
    def build(message: Any, context: Context) -> ZstdPlan:
        """The plan of a Zstd message."""
        import zstandard

        dictionary = None
        if message.HasField("dictionary"):
            dictionary = zstandard.ZstdCompressionDict(context.data_source(message, "dictionary"))
        level = context.wrapped(message, "compression_level", 3) or 3
        parameters = zstandard.ZstdCompressionParameters.from_level(
            level,
            write_checksum=message.enable_checksum,
            write_content_size=False,
            **({"strategy": message.strategy} if message.strategy else {}),
        )
        return ZstdPlan(zstandard.ZstdCompressor(dict_data=dictionary, compression_params=parameters))

    def __init__(self, plan: ZstdPlan) -> None:
        import zstandard

        self._stream = plan.library.compressobj()
        self._flush, self._end = zstandard.COMPRESSOBJ_FLUSH_BLOCK, zstandard.COMPRESSOBJ_FLUSH_FINISH

    def compress(self, data: bytes, *, end: bool) -> bytes:
        """The compressed piece; with `end` the last bytes too."""
        out: bytes = self._stream.compress(data) + self._stream.flush(self._end if end else self._flush)
        return out
