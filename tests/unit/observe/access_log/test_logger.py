"""Loggers write the lines of what their filter takes."""

from __future__ import annotations

from pyvoy.observe.access_log.format import compile_format
from pyvoy.observe.access_log.logger import FilteredLog, LineLog
from tests.unit.observe.access_log.source import Source


def test_a_line_for_each_stream_that_the_filter_takes() -> None:
    lines: list[bytes] = []
    log = FilteredLog(
        LineLog(compile_format("%RESPONSE_CODE%\n"), lines.append), lambda source: source.info.response_code >= 400
    )
    for code in (200, 404, 503):
        source = Source()
        source.info.response_code = code
        log.log(source)
    assert lines == [b"404\n", b"503\n"]
