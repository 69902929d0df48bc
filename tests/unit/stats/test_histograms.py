"""Recording puts a value into the bin that the arithmetic of bins names."""

from array import array

from pyvoy.stats.bins import BIN_COUNT, bin_of
from pyvoy.stats.histograms import Histogram


def test_record_and_bin_of_agree():
    cells = memoryview(array("q", [0] * (BIN_COUNT + 2)))
    histogram = Histogram("h", "ms", cells, 1)
    for value in [-1, *range(0, 12_000, 37), 99_999, 10**6, 10**12 + 1, 2**63, 10**19, 10**25]:
        before = cells.tolist()
        histogram.record(value)
        after = cells.tolist()
        changed = [index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
        assert changed == [1 + bin_of(value)], value
    assert histogram.count == 332
