"""Which changes of files are told, and when."""

import os

import pytest

from pyvoy.server.file_watch import LOOK_S, FileWatch, state_of
from pyvoy.testing.clock import FakeClock, FakeLoop


class Scene:
    def __init__(self, folder):
        self.loop = FakeLoop(FakeClock())
        self.told = 0
        self.file = folder / "f.py"
        self.file.write_text("1")
        self.watch = FileWatch(self.loop.as_loop, self._changed)
        self.watch.watch([str(self.file), ""])

    def _changed(self):
        self.told += 1

    def look(self, times=1):
        self.loop.advance(LOOK_S * times * 1.01)


@pytest.fixture
def scene(tmp_path):
    return Scene(tmp_path)


def test_a_change_is_told_once_when_it_rests(scene):
    scene.look(3)
    assert scene.told == 0
    scene.file.write_text("12")
    scene.look()
    assert scene.told == 0
    scene.look()
    assert scene.told == 1
    scene.look(5)
    assert scene.told == 1


def test_a_file_that_is_still_being_written_is_not_told(scene):
    for text in ("12", "123", "1234"):
        scene.file.write_text(text)
        scene.look()
    assert scene.told == 0
    scene.look()
    assert scene.told == 1


def test_a_file_that_is_replaced_is_told_when_the_new_one_is_there(scene):
    os.unlink(scene.file)
    scene.look(3)
    assert scene.told == 0
    scene.file.write_text("new")
    scene.look(2)
    assert scene.told == 1


def test_new_files_are_watched_and_old_ones_left(scene, tmp_path):
    other = tmp_path / "other.py"
    other.write_text("1")
    scene.watch.watch([str(other)])
    scene.file.write_text("12")
    scene.look(3)
    assert scene.told == 0
    other.write_text("12")
    scene.look(3)
    assert scene.told == 1


def test_what_a_changed_file_needs_is_watched_from_then_on(tmp_path):
    scene = Scene(tmp_path)
    helper = tmp_path / "helper.py"
    helper.write_text("1")
    scene.watch._related = lambda name: [str(helper)]
    helper.write_text("12")
    scene.look(3)
    assert scene.told == 0
    scene.file.write_text("import helper")
    scene.look(3)
    assert scene.told == 1
    helper.write_text("123")
    scene.look(3)
    assert scene.told == 2


def test_stopping(scene):
    scene.watch.stop()
    scene.watch.stop()
    scene.file.write_text("12")
    scene.look(5)
    assert scene.told == 0
    assert state_of("/nothing") is None
