"""Files of resources: when a reload is asked for, and what is counted."""

from __future__ import annotations

from pathlib import Path

from pyvoy.server.resource_files import LOOK_S, ResourceFiles
from pyvoy.testing.clock import FakeClock, FakeLoop
from pyvoy.testing.fakes import FakeServices


class Scene:
    def __init__(self, folder: Path) -> None:
        self.loop = FakeLoop(FakeClock())
        self.fakes = FakeServices()
        self.told = 0
        self.file = folder / "cds.yaml"
        self.file.write_text("1")
        self.files = ResourceFiles(self.fakes.scope, self.loop.as_loop, self._changed)
        self.adopt()

    def _changed(self) -> None:
        self.told += 1

    def adopt(self) -> None:
        self.files.adopted([("cluster_manager.cds", str(self.file))])

    def look(self, times: int = 1) -> None:
        self.loop.advance(LOOK_S * times * 1.01)

    def counts(self) -> tuple[int, int, int]:
        names = ("update_attempt", "update_success", "update_failure")
        attempts, successes, failures = (self.fakes.counter(f"cluster_manager.cds.{name}") for name in names)
        return attempts, successes, failures


def test_a_changed_file_is_a_reload_and_is_counted(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    assert scene.counts() == (1, 1, 0)
    scene.file.write_text("12")
    scene.look(3)
    assert scene.told == 1
    scene.adopt()
    assert scene.counts() == (2, 2, 0)
    scene.adopt()
    assert scene.counts() == (2, 2, 0)


def test_a_file_that_cannot_be_used_is_counted_once(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.files.failed()
    assert scene.counts() == (1, 1, 0)
    scene.file.write_text("broken")
    scene.files.failed()
    scene.files.failed()
    assert scene.counts() == (2, 1, 1)


def test_nobody_looks_when_there_are_no_files(tmp_path: Path) -> None:
    scene = Scene(tmp_path)
    scene.files.adopted([])
    scene.file.write_text("12")
    scene.look(4)
    assert scene.told == 0
