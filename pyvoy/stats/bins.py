"""Log-linear bins with two significant digits: which bin an integer falls into, and what a bin covers.

0 to 99 have a bin each, then every power of ten has ninety; together they cover 63 bits.  This is the part of
circllhist's scale that unsigned integers can reach.  Pure arithmetic, no storage.
Source: circllhist (the histogram library in Envoy); bounds and widths measured on Envoy 1.40.
"""

from __future__ import annotations

BIN_COUNT = 100 + 90 * 17
MAX_VALUE = 10**19 - 1

# Bin of each value below 1000: larger values are brought into this range by division.
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


def bounds(index: int, exponent: int = 0) -> tuple[float, float]:
    """Smallest value and width of a bin, both times 10**exponent (negative for units recorded in fractions).

    1 to 9 stand for 1.0 to 9.0 with two digits, hence a width of 0.1; 0 has no width.
    """
    if index == 0:
        return 0.0, 0.0
    if index < 10:
        digits = index * 10
    else:
        decade, digits = divmod(index - 10, 90)
        exponent += decade + 1
        digits += 10
    power = float(f"1e{exponent}")
    return digits * power / 10.0, power / 10.0
