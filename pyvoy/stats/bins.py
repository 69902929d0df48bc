"""Log-linear bins for integers with two significant digits: which bin a value falls into and what a bin covers.

0 to 99 have a bin each, then every power of ten has ninety.  This is the part of circllhist's scale that unsigned
integers can reach; values of 10**12 and more share the last bin.  Pure arithmetic, no storage.
Source: circllhist (the histogram library in Envoy), "hist_bucket".
"""

from __future__ import annotations

DECADES = 10
BIN_COUNT = 100 + 90 * DECADES
MAX_VALUE = 10 ** (DECADES + 2) - 1

# Bin of each value below 1000: larger values are brought into this range by one division.
SMALL: tuple[int, ...] = tuple(range(100)) + tuple(90 + value // 10 for value in range(100, 1000))


def bin_of(value: int) -> int:
    """Bin of a value; negative ones count as 0, too large ones go into the last bin."""
    if value < 1000:
        return SMALL[value] if value > 0 else 0
    if value > MAX_VALUE:
        return BIN_COUNT - 1
    shift = 0
    while value >= 1000:
        value //= 10
        shift += 90
    return SMALL[value] + shift


def lower_bound(index: int) -> int:
    """Smallest value of a bin."""
    if index < 100:
        return index
    decade, digits = divmod(index - 10, 90)
    return int((digits + 10) * 10**decade)


def width(index: int) -> int:
    """Difference between a bin's smallest value and the next bin's, as circllhist has it.

    circllhist keeps 1 to 9 as 1.0 to 9.0 with two digits, so that those bins are a tenth wide there; see
    `distribution.py`, which works on the exact figures.
    """
    if index < 100:
        return 1
    return int(10 ** ((index - 10) // 90))
