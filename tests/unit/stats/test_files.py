"""A store file is sparse, read without being mapped, and can be emptied under its readers."""

import os

from pyvoy.stats.files import StoreFile
from pyvoy.stats.layout import WORD_GENERATION, Layout

LAYOUT = Layout(1 << 20, 1 << 16, 1 << 16)


def test_what_is_mapped_is_read():
    for file in (StoreFile.create("test", LAYOUT), StoreFile.in_memory(LAYOUT)):
        cells, header, names = file.map_for_writing()
        cells[5], header[0], names[:2] = 42, 7, b"ab"
        assert file.words() == (7, 0, 0)
        assert memoryview(file.read_cells(4, 3)).cast("q").tolist() == [0, 42, 0]


def test_an_untouched_file_takes_no_memory():
    file = StoreFile.create("test")
    assert file.fd is not None
    file.read_cells(0, 1 << 16)
    assert os.fstat(file.fd).st_blocks == 0


def test_an_emptied_file_says_so():
    file = StoreFile.create("test", LAYOUT)
    cells, header, _ = file.map_for_writing()
    cells[5], header[0] = 42, 7
    file.clear()
    assert file.words()[0] == 0
    assert file.words()[WORD_GENERATION] == 1
    assert file.read_cells(5, 1) == bytes(8)
    assert cells[5] == 0
