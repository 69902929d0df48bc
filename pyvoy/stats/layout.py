"""Layout of a store file: a header, an append-only directory of names, cells for scalars, cells for histograms.

The file is sparse and has its full size from the start, so a mapping of it never moves.  A record of the directory is
complete before the header's count of used bytes covers it: a reader, or the folding of a dead process' file, sees
either nothing of a name or all of it.  Pure: bytes in, values out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

COUNTER, GAUGE, HISTOGRAM, TEXT = 1, 2, 3, 4
HEADER_BYTES = 4096
# Header words (64 bits each).
WORD_NAMES_USED, WORD_SEQUENCE, WORD_GENERATION = 0, 1, 2

_RECORD = struct.Struct("<BBHI")
MAX_NAME_BYTES = 0xFFFF


@dataclass(slots=True, frozen=True)
class Layout:
    """Capacities; the default holds half a million names and sixteen thousand histograms in sparse memory."""

    names_bytes: int = 1 << 26
    scalar_cells: int = 1 << 20
    histogram_cells: int = 1 << 24

    @property
    def cells_offset_bytes(self) -> int:
        """Where cell 0 lies in the file."""
        return HEADER_BYTES + self.names_bytes

    @property
    def size_bytes(self) -> int:
        """Size of the whole file."""
        return self.cells_offset_bytes + 8 * (self.scalar_cells + self.histogram_cells)


@dataclass(slots=True, frozen=True)
class Entry:
    """One name of the directory: what kind it is, where its cells begin, the histogram's unit number."""

    name: str
    kind: int
    unit: int
    index: int


def encode(entry: Entry) -> bytes:
    """Directory record of an entry; ValueError when the name is longer than the record can say."""
    name = entry.name.encode("utf-8", "surrogateescape")
    if len(name) > MAX_NAME_BYTES:
        raise ValueError("stat name too long")
    return _RECORD.pack(entry.kind, entry.unit, len(name), entry.index) + name


def decode(directory: bytes) -> Iterator[Entry]:
    """Entries of a directory, which must end with a whole record."""
    offset = 0
    while offset < len(directory):
        kind, unit, length, index = _RECORD.unpack_from(directory, offset)
        offset += _RECORD.size
        name = directory[offset : offset + length].decode("utf-8", "surrogateescape")
        offset += length
        yield Entry(name, kind, unit, index)
