"""Data sources: inline, file, environment; what cannot be read is reported at the field."""

from __future__ import annotations

from tests.unit.config.building import built, reported

TYPE = "envoy.config.route.v3.DirectResponseAction"


def read(text):
    message, context = built(TYPE, f"{{status: 200, body: {text}}}")
    return context.data_source(message, "body"), reported(context)


def test_in_place():
    assert read("{inline_string: hé}") == ("hé".encode(), [])
    assert read("{inline_bytes: aGk=}") == (b"hi", [])


def test_a_file(tmp_path):
    path = tmp_path / "body"
    path.write_bytes(b"\x00hi")
    assert read(f"{{filename: {path}}}") == (b"\x00hi", [])


def test_a_file_that_is_not_there(tmp_path):
    body, problems = read(f"{{filename: {tmp_path}/none}}")
    assert body == b""
    assert problems == [f"1:32: error: body.filename: cannot read '{tmp_path}/none': No such file or directory"]


def test_the_environment(monkeypatch):
    monkeypatch.setenv("PYVOY_BODY", "hi")
    assert read("{environment_variable: PYVOY_BODY}") == (b"hi", [])
    monkeypatch.delenv("PYVOY_BODY")
    assert read("{environment_variable: PYVOY_BODY}")[1] == [
        "1:44: error: body.environment_variable: the variable 'PYVOY_BODY' is not set"
    ]
