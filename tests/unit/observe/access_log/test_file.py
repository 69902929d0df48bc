"""Log files: what a person finds in them, also when the disk is slow, full or rotated."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from pyvoy.observe.access_log.file import LogFile, LogFiles
from pyvoy.stats.store import Store, memory_store


@pytest.fixture
def store() -> Store:
    return memory_store()


@pytest.fixture
def files():
    made = LogFiles()
    yield made
    made.close()


def count(store: Store, name: str) -> int:
    return store.root.counter(f"filesystem.{name}").value


def test_lines_are_there_after_close(files: LogFiles, store: Store, tmp_path: Path) -> None:
    file = files.open(str(tmp_path / "a.log"), store.root)
    for number in range(1000):
        file.write(b"line %d\n" % number)
    files.close()
    assert (tmp_path / "a.log").read_bytes() == b"".join(b"line %d\n" % number for number in range(1000))
    assert count(store, "write_buffered") == 1000
    assert count(store, "write_completed") >= 1
    assert count(store, "write_failed") == 0


def test_writing_goes_on_after_close(files: LogFiles, store: Store, tmp_path: Path) -> None:
    file = files.open(str(tmp_path / "a.log"), store.root)
    for text in (b"one\n", b"two\n"):
        file.write(text)
        files.close()
    assert (tmp_path / "a.log").read_bytes() == b"one\ntwo\n"


def test_a_full_buffer_is_written_at_once(files: LogFiles, store: Store, tmp_path: Path) -> None:
    files.configure(1000.0, 64 * 1024)
    written = threading.Event()
    file = files.open(str(tmp_path / "a.log"), store.root)
    counter = store.root.counter("filesystem.write_completed")
    file.write(b"x" * (64 * 1024))
    for _ in range(200):
        if counter.value:
            break
        written.wait(0.01)
    assert (tmp_path / "a.log").stat().st_size == 64 * 1024


def test_the_timer_writes_what_waits(files: LogFiles, store: Store, tmp_path: Path) -> None:
    files.configure(0.01, 64 * 1024)
    pause = threading.Event()
    files.open(str(tmp_path / "a.log"), store.root).write(b"x\n")
    for _ in range(200):
        if count(store, "flushed_by_timer"):
            break
        pause.wait(0.01)
    assert count(store, "flushed_by_timer") == 1


def test_one_path_is_one_file_and_is_appended_to(files: LogFiles, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"old\n")
    assert files.open(str(path), store.root) is files.open(str(path), store.root)
    files.open(str(path), store.root).write(b"new\n")
    files.close()
    assert path.read_bytes() == b"old\nnew\n"


def test_a_rotated_file_is_opened_anew(files: LogFiles, store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    file = files.open(str(path), store.root)
    file.write(b"before\n")
    files.flush()
    path.rename(tmp_path / "a.log.1")
    files.reopen()
    file.write(b"after\n")
    files.close()
    assert (tmp_path / "a.log.1").read_bytes() == b"before\n"
    assert path.read_bytes() == b"after\n"


def test_a_path_that_is_gone_keeps_the_old_file(files: LogFiles, store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    file = files.open(str(folder / "a.log"), store.root)
    folder.rename(tmp_path / "moved")
    files.reopen()
    file.write(b"line\n")
    files.close()
    assert (tmp_path / "moved" / "a.log").read_bytes() == b"line\n"
    assert count(store, "reopen_failed") == 1


def test_a_full_disk_loses_lines_and_says_so(files: LogFiles, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    file = files.open("/dev/full", store.root)
    file.write(b"one\n")
    files.flush()
    file.write(b"two\n")
    files.close()
    assert count(store, "write_failed") == 2
    assert [record.getMessage() for record in caplog.records] == [
        "cannot write to /dev/full: No space left on device; the lines are lost"
    ]


def test_a_stuck_disk_does_not_fill_the_memory(files: LogFiles, store: Store, tmp_path: Path) -> None:
    files.queue_limit_bytes = 100
    files.running = True  # no thread: nothing is ever taken
    file = files.open(str(tmp_path / "a.log"), store.root)
    for _ in range(10):
        file.write(b"x" * 30)
    assert count(store, "write_buffered") == 3
    assert count(store, "write_failed") == 7


def test_an_impossible_path_is_an_error(files: LogFiles, store: Store) -> None:
    with pytest.raises(OSError, match="No such file"):
        files.open("/nope/a.log", store.root)


def test_standard_output_is_not_opened(files: LogFiles, store: Store, capfd: pytest.CaptureFixture[str]) -> None:
    for path in ("/dev/stdout", "/dev/stderr"):
        files.open(path, store.root).write(path.encode())
    files.close()
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("/dev/stdout", "/dev/stderr")


def test_short_writes_are_completed(files: LogFiles, store: Store, tmp_path: Path, monkeypatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, bytes(data)[:3]))
    file: LogFile = files.open(str(tmp_path / "a.log"), store.root)
    file.write(b"0123456789\n")
    files.close()
    assert (tmp_path / "a.log").read_bytes() == b"0123456789\n"
