"""AccessLog messages: the lines that come out, and what is reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pyvoy.config.compile.access_log import build_access_logs
from pyvoy.config.message_types import message_class
from pyvoy.config.registry import load_builtin, type_name_of
from pyvoy.observe.access_log.file import LOG_FILES
from tests.support.building import Place, message
from tests.unit.observe.access_log.source import Source

FILE = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
STREAM = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3."


@pytest.fixture(autouse=True)
def _registered() -> None:
    load_builtin()
    for name in (FILE, STREAM + "StdoutAccessLog"):
        message_class(type_name_of(name))


def build(place: Place, *entries: str) -> tuple[Any, ...]:
    logs = [message("envoy.config.accesslog.v3.AccessLog", entry) for entry in entries]
    return build_access_logs(logs, place.context(), "access_log")


def lines(tmp_path: Path, config: str, *sources: Source) -> bytes:
    """What a file logger with this configuration writes for the sources."""
    place = Place()
    path = tmp_path / "access.log"
    logs = build(place, config.replace("PATH", f'"@type": {FILE}, path: {path}'))
    assert place.errors == []
    for source in sources or (Source(),):
        for log in logs:
            log.log(source)
    LOG_FILES.flush()
    return path.read_bytes()


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ('{PATH, log_format: {text_format_source: {inline_string: "%PROTOCOL% %REQ(nope)%\\n"}}}', b"HTTP/1.1 -\n"),
        ('{PATH, log_format: {text_format: "%PROTOCOL%|"}}', b"HTTP/1.1|"),
        (
            '{PATH, log_format: {omit_empty_values: true, text_format: "[%REQ(nope)%]"}}',
            b"[]",
        ),
        ("{PATH, format: '%RESPONSE_CODE% '}", b"200 "),
        ("{PATH, json_format: {b: '%RESPONSE_CODE%', a: '%REQ(nope)%'}}", b'{"a":null,"b":200}\n'),
        ("{PATH, typed_json_format: {b: '%RESPONSE_CODE%'}}", b'{"b":200}\n'),
        ("{PATH, log_format: {json_format: {b: [1, '%PROTOCOL%']}}}", b'{"b":[1,"HTTP/1.1"]}\n'),
    ],
)
def test_file_logger(tmp_path: Path, config: str, expected: bytes) -> None:
    assert lines(tmp_path, f"{{name: f, typed_config: {config}}}") == expected


def test_the_default_format(tmp_path: Path) -> None:
    assert lines(tmp_path, "{name: f, typed_config: {PATH}}").startswith(
        b'[2026-11-23T18:28:42.212Z] "GET /p/q?a=1&b=xyz&e= HTTP/1.1" 200 - 0 316 5 - "-" "ua"'
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("{status_code_filter: {comparison: {op: GE, value: {default_value: 400, runtime_key: k}}}}", b"404 503 "),
        ("{duration_filter: {comparison: {op: LE, value: {default_value: 1, runtime_key: k}}}}", b""),
        ("{not_health_check_filter: {}}", b"200 404 503 "),
        ("{traceable_filter: {}}", b""),
        ("{runtime_filter: {runtime_key: k, percent_sampled: {numerator: 100}}}", b"200 404 503 "),
        ("{runtime_filter: {runtime_key: k}}", b""),
        (
            "{and_filter: {filters: [{not_health_check_filter: {}}, "
            "{status_code_filter: {comparison: {value: {default_value: 404}}}}]}}",
            b"404 ",
        ),
        (
            "{or_filter: {filters: [{traceable_filter: {}}, "
            "{status_code_filter: {comparison: {op: NE, value: {default_value: 404}}}}]}}",
            b"200 503 ",
        ),
        ("{header_filter: {header: {name: x-a, string_match: {exact: valA}}}}", b"200 404 503 "),
        ("{response_flag_filter: {flags: [UH]}}", b"503 "),
        ("{grpc_status_filter: {statuses: [NOT_FOUND], exclude: true}}", b"200 404 503 "),
        ("{metadata_filter: {matcher: {filter: a, path: [{key: b}], value: {bool_match: true}}}}", b"200 404 503 "),
        (
            "{metadata_filter: {match_if_key_not_found: false, "
            "matcher: {filter: a, path: [{key: b}], value: {bool_match: true}}}}",
            b"",
        ),
        ("{log_type_filter: {types: [DownstreamEnd]}}", b"200 404 503 "),
    ],
)
def test_filters(tmp_path: Path, rule: str, expected: bytes) -> None:
    sources = []
    for code, flags in ((200, 0), (404, 0), (503, 2)):
        source = Source()
        source.info.response_code, source.info.response_flags = code, flags
        sources.append(source)
    config = f"{{name: f, filter: {rule}, typed_config: {{PATH, format: '%RESPONSE_CODE% '}}}}"
    assert lines(tmp_path, config, *sources) == expected


def test_standard_output(capfd: pytest.CaptureFixture[str]) -> None:
    place = Place()
    (log,) = build(
        place, f'{{name: f, typed_config: {{"@type": {STREAM}StdoutAccessLog, log_format: {{text_format: "a%%\\n"}}}}}}'
    )
    log.log(Source())
    LOG_FILES.flush()
    assert capfd.readouterr().out == "a%\n"


@pytest.mark.parametrize(
    ("config", "error"),
    [
        (
            f'{{name: f, typed_config: {{"@type": {FILE}, path: /nope/x.log}}}}',
            "here.access_log[0].typed_config.path: unable to open file '/nope/x.log': No such file or directory",
        ),
        (
            f'{{name: f, typed_config: {{"@type": {FILE}, path: /dev/null, format: "%NOPE%"}}}}',
            "here.access_log[0].typed_config.format: Not supported field in StreamInfo: NOPE",
        ),
        (
            f'{{name: f, typed_config: {{"@type": {FILE}, path: /dev/null, '
            'log_format: {json_format: {a: "%X%"}}}}',
            "here.access_log[0].typed_config.log_format.json_format: Not supported field in StreamInfo: X",
        ),
        (
            f'{{name: f, filter: {{}}, typed_config: {{"@type": {FILE}, path: /dev/null}}}}',
            "here.access_log[0].filter: needs one kind of filter",
        ),
        (
            "{name: f, filter: {extension_filter: {name: cel}}, "
            f'typed_config: {{"@type": {FILE}, path: /dev/null}}}}',
            "here.access_log[0].filter.extension_filter: this kind of filter is not supported",
        ),
    ],
)
def test_problems(config: str, error: str) -> None:
    place = Place()
    build(place, config)
    assert place.errors == [error]
