"""`pyvoy bench load`: each option reaches the plan, what is wrong is told in a line, and the result is printed."""

import json

import pytest

from pyvoy.bench.load import LoadPlan
from pyvoy.cli.bench_load import parser_of, plan_of
from pyvoy.cli.main import Parser, main
from tests.support.ports import free_port
from tests.unit.bench.load.serving import serving

URL = "http://127.0.0.1:1/x"


def plan(*words: str) -> LoadPlan:
    return plan_of(parser_of(Parser).parse_args([URL, *words]))


def test_the_defaults():
    assert plan() == LoadPlan(URL, warm_up_s=1.0)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("-c 4 --threads 2", {"connections": 4, "threads": 2}),
        ("-c 4 --processes 2", {"connections": 4, "threads": 2}),
        ("--rate 1000.5", {"rate": 1000.5}),
        ("-d 2m --warm-up 500ms --timeout 3", {"duration_s": 120.0, "warm_up_s": 0.5, "timeout_s": 3.0}),
        ("-n 100", {"requests": 100}),
        ("-b hello", {"body": b"hello", "method": "POST"}),
        ("-b hello -X PUT", {"body": b"hello", "method": "PUT"}),
        ("-H a:b --header c:d:e", {"headers": (("a", "b"), ("c", "d:e"))}),
        ("--http2 --streams 8", {"http2": True, "streams": 8}),
        ("--close --unique-paths", {"close": True, "unique_paths": True}),
        ("--engine embedded", {"engine": "embedded"}),
    ],
)
def test_each_option(words, expected):
    assert plan(*words.split()) == LoadPlan(URL, **{"warm_up_s": 1.0, **expected})


def test_a_body_from_a_file(tmp_path):
    (tmp_path / "body").write_bytes(b"\x00\x01")
    assert plan("-b", f"@{tmp_path}/body").body == b"\x00\x01"


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--rate", "0"], "--rate must be above 0"),
        (["-n", "0"], "--requests must be at least 1"),
        (["-c", "0"], "--connections must be at least 1"),
        (["-d", "soon"], "--duration: 'soon' is no duration"),
        (["-H", "nocolon"], "--header: 'nocolon' is no header: write NAME: VALUE"),
        (["-b", "@/nowhere/body"], "No such file or directory: '/nowhere/body'"),
        (["--engine", "wrk", "--rate", "5"], "--engine wrk: wrk has no fixed rate"),
    ],
)
def test_what_is_wrong_is_told(words, text, capsys):
    assert main(["bench", "load", URL, *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("pyvoy bench load: ")
    assert text in error
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize("words", [["-c", "many"], ["--engine", "ab"], ["--what"]])
def test_what_is_no_option_is_told(words, capsys):
    with pytest.raises(SystemExit):
        main(["bench", "load", URL, *words])
    assert capsys.readouterr().err.startswith("pyvoy bench load: ")


def test_a_target_that_is_not_there(capsys):
    port = free_port()
    assert main(["bench", "load", f"http://127.0.0.1:{port}/"]) == 1
    assert capsys.readouterr().err == f"pyvoy bench load: cannot connect to 127.0.0.1:{port}: Connection refused\n"


def test_a_result_as_text_and_as_json(capsys):
    words = ["-c", "2", "-r", "100", "-n", "10", "--warm-up", "0"]
    with serving() as url:
        assert main(["bench", "load", url, *words, "--histogram"]) == 0
        text = capsys.readouterr().out
        assert main(["bench", "load", url, *words, "--json"]) == 0
    assert "10 answers (2xx 10)" in text
    assert "1/(1-Percentile)" in text
    found = json.loads(capsys.readouterr().out)
    assert (found["answered"], found["asked_rate"], found["latency"]["count"]) == (10, 100.0, 10)


def test_nothing_answered_is_a_failure(capsys):
    with serving(closing=True) as url:
        assert main(["bench", "load", url, "-n", "1", "-c", "1", "--warm-up", "0", "--engine", "embedded"]) == 1
    assert "no answer: reset 1" in capsys.readouterr().out
