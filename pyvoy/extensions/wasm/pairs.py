"""Maps on their way through a module's memory: a count, the lengths, then names and values, each with a NUL behind it.

Source: Proxy-Wasm specification, "Serialization"; Envoy's limits and leniency (PairsUtil).
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct, error, pack, unpack_from

Pair = tuple[bytes, bytes]

MAX_BYTES = 1 << 20
MAX_PAIRS = 1024

_COUNT = Struct("<I")


def serialize(items: Iterable[Pair]) -> bytes:
    """Pairs in wire form; nothing is an empty string."""
    flat: list[bytes] = []
    for pair in items:
        flat += pair
    if not flat:
        return b""
    lengths = pack(f"<{len(flat) + 1}I", len(flat) // 2, *map(len, flat))
    flat.append(b"")
    return lengths + b"\0".join(flat)


def parse(data: bytes) -> list[Pair]:
    """Pairs out of wire form; whatever does not add up is an empty list, as in Envoy."""
    if len(data) > MAX_BYTES or len(data) < _COUNT.size:
        return []
    count = _COUNT.unpack_from(data)[0]
    if count > MAX_PAIRS:
        return []
    try:
        lengths = unpack_from(f"<{2 * count}I", data, 4)
    except error:
        return []
    at = 4 + 8 * count
    if at + sum(lengths) + 2 * count != len(data):
        return []
    parts = []
    for length in lengths:
        end = at + length
        if data[end]:
            return []
        parts.append(data[at:end])
        at = end + 1
    return list(zip(parts[::2], parts[1::2], strict=True))
