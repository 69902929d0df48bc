"""Layout of a store file: a header, an append-only directory of names, cells for scalars, cells for histograms.

The file is sparse and has its full size from the start, so a mapping of it never moves.  A record of the directory is
complete before the header's count of used bytes covers it: a reader, or the folding of a dead process' file, sees
either nothing of a name or all of it.  Pure: bytes in, values out.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

COUNTER, GAUGE, HISTOGRAM = 1, 2, 3
HEADER_BYTES = 4096
# Header words (64 bits each): directory bytes in use; odd while a fold is under way (base file only); how often the
# file was emptied or names were taken back, upon which a reader starts from the beginning.
WORD_NAMES_USED, WORD_SEQUENCE, WORD_GENERATION = 0, 1, 2

# Detail byte of a scalar: how the values of several processes become one.  Histograms have their unit's number there.
MERGE_SUM, MERGE_MAX = 0, 1

_RETIRED = 0x80
_RECORD = struct.Struct("<BBHI")
MAX_NAME_BYTES = 0xFFFF


@dataclass(slots=True, frozen=True)
class Layout:
    """Capacities; the default holds half a million names and ten thousand histograms in sparse memory."""

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
    """One name of the directory: what kind it is, its detail byte, where its cells begin."""

    name: str
    kind: int
    detail: int
    index: int


def encode(entry: Entry) -> bytes:
    """Directory record of an entry; ValueError when the name is longer than a record can say."""
    name = entry.name.encode("utf-8", "surrogateescape")
    if len(name) > MAX_NAME_BYTES:
        raise ValueError("stat name too long")
    return _RECORD.pack(entry.kind, entry.detail, len(name), entry.index) + name


def records(directory: bytes) -> Iterator[tuple[int, int, Entry]]:
    """Where each record begins and ends, and its entry; stops where a record is not all there."""
    offset, end, fixed = 0, len(directory), _RECORD.size
    while offset + fixed <= end:
        kind, detail, length, index = _RECORD.unpack_from(directory, offset)
        after = offset + fixed + length
        if kind == 0 or after > end:
            return
        name = directory[offset + fixed : after].decode("utf-8", "surrogateescape")
        yield offset, after, Entry(name, kind, detail, index)
        offset = after


def decode(directory: bytes) -> tuple[list[Entry], int]:
    """Entries of a directory without the names taken back, and how many bytes were read."""
    entries: list[Entry] = []
    done = 0
    for _, after, entry in records(directory):
        done = after
        if not entry.kind & _RETIRED:
            entries.append(entry)
    return entries, done


def retired(kind: int) -> int:
    """Kind byte of a record whose name was taken back."""
    return kind | _RETIRED
