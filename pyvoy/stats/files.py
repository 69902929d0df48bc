"""Store files: made by the supervisor before it forks, inherited by every process, mapped by the one that writes.

Readers use pread and never map: reading a hole of a mapped file would allocate the page, and emptying a dead
process' file must not pull pages away under a reader.
"""

from __future__ import annotations

import mmap
import os
import struct
import weakref

from pyvoy.stats.layout import HEADER_BYTES, WORD_GENERATION, Layout

_WORDS = struct.Struct("<3q")
DEFAULT_LAYOUT = Layout()


class StoreFile:
    """A sparse file in memory; `fd` is None for the plain memory variant, which one process only can use."""

    __slots__ = ("__weakref__", "_memory", "fd", "layout")

    def __init__(self, layout: Layout, fd: int | None) -> None:
        self.layout = layout
        self.fd = fd
        self._memory = mmap.mmap(-1, layout.size_bytes) if fd is None else None

    @classmethod
    def create(cls, name: str, layout: Layout = DEFAULT_LAYOUT) -> StoreFile:
        """A file that lives as long as a process holds it; `name` is seen in /proc only."""
        fd = os.memfd_create(name, os.MFD_CLOEXEC)
        os.ftruncate(fd, layout.size_bytes)
        file = cls(layout, fd)
        weakref.finalize(file, os.close, fd)
        return file

    @classmethod
    def in_memory(cls, layout: Layout) -> StoreFile:
        """No file: for one process."""
        return cls(layout, None)

    def map_for_writing(self) -> tuple[memoryview, memoryview, memoryview]:
        """Cells, header words and name area of the whole file, for its one writer."""
        memory = self._memory if self.fd is None else mmap.mmap(self.fd, self.layout.size_bytes)
        assert memory is not None
        view = memoryview(memory)
        cells = view[self.layout.cells_offset_bytes :].cast("q")
        return cells, view[:HEADER_BYTES].cast("q"), view[HEADER_BYTES : self.layout.cells_offset_bytes]

    def read(self, offset_bytes: int, length_bytes: int) -> bytes:
        """Bytes as they are now; fewer when the file is being emptied at this moment."""
        if self.fd is None:
            assert self._memory is not None
            return self._memory[offset_bytes : offset_bytes + length_bytes]
        return os.pread(self.fd, length_bytes, offset_bytes)

    def words(self) -> tuple[int, int, int]:
        """The three header words."""
        names_used, sequence, generation = _WORDS.unpack(self.read(0, _WORDS.size).ljust(_WORDS.size, b"\0"))
        return names_used, sequence, generation

    def read_cells(self, first: int, count: int) -> bytes:
        """Cells as bytes, zero where there are none."""
        return self.read(self.layout.cells_offset_bytes + 8 * first, 8 * count).ljust(8 * count, b"\0")

    def clear(self) -> None:
        """Empty the file for the next writer; its former writer must be dead."""
        assert self.fd is not None
        generation = self.words()[WORD_GENERATION] + 1
        os.ftruncate(self.fd, 0)
        os.ftruncate(self.fd, self.layout.size_bytes)
        os.pwrite(self.fd, generation.to_bytes(8, "little"), 8 * WORD_GENERATION)
