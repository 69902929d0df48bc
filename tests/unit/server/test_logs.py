"""The application log: Envoy's lines, levels and components."""

import logging
import re

import pytest

from pyvoy.server import logs


@pytest.fixture
def log_file(tmp_path):
    path = tmp_path / "log"
    yield path
    logs.setup("info")
    logging.getLogger(logs.ROOT).handlers.clear()
    root = logging.getLogger()
    root.setLevel(logging.WARNING)
    root.handlers[:] = [handler for handler in root.handlers if not isinstance(handler, logs.Output)]
    logging.getLogger("asyncio").handlers.clear()
    logging.getLogger("asyncio").propagate = True
    logging.getLogger(logs.ROOT).propagate = True
    logging.getLogger(logs.ROOT).setLevel(logging.NOTSET)
    for component in logs.COMPONENTS:
        logging.getLogger(f"{logs.ROOT}.{component}").setLevel(logging.NOTSET)


def test_a_line_is_envoys(log_file):
    logs.setup("info", path=str(log_file))
    logging.getLogger("pyvoy.upstream").warning("no %s", "host")
    pattern = r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}\]\[\d+\]\[warning\]\[upstream\] no host\n"
    assert re.fullmatch(pattern, log_file.read_text())


def test_what_others_log_is_there_too(log_file):
    logs.setup("info", path=str(log_file))
    logs.setup("info", path=str(log_file))
    logging.basicConfig()
    logging.getLogger("my.library").info("one")
    logging.getLogger(f"{logs.FILTER_MODULE}my_guard_7f00").warning("two")
    logging.getLogger("my.library").debug("unseen")
    logs.set_all(logging.DEBUG)
    logging.getLogger("my.library").debug("three")
    lines = [line.split("]", 2)[2] for line in log_file.read_text().splitlines()]
    assert lines == ["[info][my.library] one", "[warning][my_guard] two", "[debug][my.library] three"]


def test_levels_and_components(log_file):
    logs.setup("error", "upstream:trace,http:off", path=str(log_file))
    for component in ("upstream", "http", "main"):
        logging.getLogger(f"pyvoy.{component}").log(logs.TRACE, "trace of %s", component)
        logging.getLogger(f"pyvoy.{component}").error("error of %s", component)
    said = [line.rpartition("] ")[2] for line in log_file.read_text().splitlines()]
    assert said == ["trace of upstream", "error of upstream", "error of main"]
    assert logs.current_levels()["upstream"] == "trace"
    assert logs.current_levels()["http"] == "off"


@pytest.mark.parametrize(
    ("level", "components", "text"),
    [
        ("loud", "", "error: invalid log level specified 'loud'"),
        ("info", "http", "error: component log level not correctly specified 'http'"),
        ("info", "htp:info", "error: invalid component specified 'htp'"),
        ("info", "http:loud", "error: invalid log level specified 'loud'"),
    ],
)
def test_what_cannot_be_is_said_in_envoys_words(level, components, text):
    with pytest.raises(logs.LogError, match=re.escape(text)):
        logs.setup(level, components)


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        ("%v", "a\nb"),
        ("%_", "a\\nb"),
        ('{"m":"%j"}', '{"m":"a\\nb"}'),
        ("%l/%L/%n", "info/I/main"),
        ("100%% %q %", "100% %q %"),
    ],
)
def test_patterns(pattern, line):
    record = logging.LogRecord("pyvoy.main", logging.INFO, "/x/y.py", 7, "a\n%s", ("b",), None, "f")
    assert logs.Formatter(pattern).format(record) == line


def test_a_rotated_file_is_opened_again(log_file, tmp_path):
    logs.setup("info", path=str(log_file))
    log = logging.getLogger("pyvoy.main")
    log.info("one")
    log_file.rename(tmp_path / "old")
    log.info("two")
    logs.reopen()
    log.info("three")
    assert (tmp_path / "old").read_text().count("\n") == 2
    assert log_file.read_text().endswith("three\n")


def test_a_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(logs.LogError, match="Failed to open log-file"):
        logs.setup("info", path=str(tmp_path / "no" / "log"))
