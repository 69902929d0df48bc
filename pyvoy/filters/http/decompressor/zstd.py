"""The zstd decompressor library.

Source: Envoy, envoy.compression.zstd.decompressor (defaults, counters and what broken data does: observed on 1.40).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyvoy.config.registry import extension, supports

if TYPE_CHECKING:
    from pyvoy.config.context import Context
    from pyvoy.stats.counters import Counter
    from pyvoy.stats.store import Scope

TYPE = "envoy.extensions.compression.zstd.decompressor.v3.Zstd"

supports(TYPE, "dictionaries", tuning="chunk_size")

_MAX_RATIO = 100
_STEP_BYTES = 256
"""How much is unpacked before its size is looked at: a block of four bytes can stand for 128 KiB."""


@dataclass(slots=True, frozen=True, eq=False)
class UnzstdPlan:
    """The library with its dictionary; data that grows by more than a hundred counts as broken."""

    library: Any

    encoding = b"zstd"
    name = "zstd"

    def counters(self, scope: Scope) -> Counter:
        """The library's counters below `decompressor_library.`; the one for broken data."""
        library = scope.scope("decompressor_library")
        for name in ("zstd_checksum_wrong_error", "zstd_dictionary_error", "zstd_memory_error"):
            library.counter(name)
        return library.counter("zstd_generic_error")

    def decompressor(self, broken: Counter) -> Unzstd:
        """A decompressor of one body."""
        return Unzstd(self, broken)


@extension("decompressor_library", name="envoy.compression.zstd.decompressor", type_url=TYPE)
class Unzstd:
    """Decompresses one body.  Of broken data there comes nothing more."""

    __slots__ = ("_broken", "_failed", "_library", "_stream")

    @staticmethod
    def build(message: Any, context: Context) -> UnzstdPlan:
        """The plan of a Zstd message."""
        import zstandard

        dictionary = None
        for index, _ in enumerate(message.dictionaries):
            if index:
                context.error(f"dictionaries[{index}]", "only one dictionary is supported")
                break
            from pyvoy.config.compile import data_source

            content = data_source.read(message.dictionaries[0], context.at("dictionaries", 0))
            dictionary = zstandard.ZstdCompressionDict(content)
        return UnzstdPlan(zstandard.ZstdDecompressor(dict_data=dictionary))

    def __init__(self, plan: UnzstdPlan, broken: Counter) -> None:
        self._stream = plan.library.decompressobj()
        self._library = plan.library
        self._broken = broken
        self._failed = False

    def decompress(self, data: bytes) -> bytes:
        """What a piece unpacks to."""
        import zstandard

        out = bytearray()
        try:
            for start in range(0, len(data), _STEP_BYTES):
                if self._failed:
                    break
                self._unpack(data[start : start + _STEP_BYTES], out)
                if len(out) > len(data) * _MAX_RATIO:
                    self._fail()
        except zstandard.ZstdError:
            self._fail()
        return bytes(out)

    def _unpack(self, rest: bytes, out: bytearray) -> None:
        """Unpack a step; where a frame has ended another one begins."""
        while rest:
            if self._stream.eof:
                self._stream = self._library.decompressobj()
            out += self._stream.decompress(rest)
            rest = self._stream.unused_data if self._stream.eof else b""

    def _fail(self) -> None:
        self._failed = True
        self._broken.inc()
