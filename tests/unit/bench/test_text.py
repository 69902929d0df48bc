"""Figures and experiments in words."""

from dataclasses import replace

import pytest

from pyvoy.bench import intervals, text
from pyvoy.bench.peers import why_refused
from pyvoy.bench.process import StartError
from pyvoy.bench.results import Incident

CALM = Incident("pyvoy", "lua", True, "loop", "500", 200, 0, 0, 5.0, "unharmed", 0.0, True)


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("none", "no filter"),
        ("wasm-cpp", "Wasm (C++)"),
        ("wasm-new", "Wasm (new)"),
        ("ext_proc", "gRPC server (ext_proc)"),
    ],
)
def test_forms(form, name):
    assert text.form_name(form) == name


def test_figures():
    assert text.shown(intervals.mean([1000.0, 1002.0, 1004.0]), "saturated") == "1,002 ±5"
    assert text.shown(intervals.mean([2.345]), "p99_ms") == "2.35"
    assert text.shown(None, "p99_ms") == "–"
    assert text.number(-0.04, 1) == "0.0"
    assert [text.size(size) for size in (12, 2048, 3 << 20)] == ["12 B", "2.0 KiB", "3.0 MiB"]


@pytest.mark.parametrize(
    ("more", "told", "verdict"),
    [
        ({}, "none failed, longest wait 5 ms", "good"),
        ({"slow": 4}, "2% slow, longest wait 5 ms", "fair"),
        ({"failed": 1}, "under 1% failed, longest wait 5 ms", "fair"),
        ({"longest_ms": 5500.0}, "none failed, longest wait 5.5 s", "bad"),
        ({"failed": 200, "recovered": False}, "100% failed, longest wait 5 ms, did not recover", "bad"),
    ],
)
def test_experiments(more, told, verdict):
    incident = replace(CALM, **more)
    assert text.others(incident) == told
    assert text.verdict(incident) == verdict


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("x ended with status 1\nboot.json:3:1: error: no such field", "boot.json:3:1: error: no such field"),
        ("refused\n[1][w] lds: listener 'http' config rejected: script load error: no module:\n\tmore",
         "script load error: no module"),
        ("it ended", "it ended"),
        ("an error: " + "x" * 300, "an error: " + "x" * 189 + "…"),
    ],
)  # fmt: skip
def test_why_a_proxy_refuses(said, why):
    assert why_refused(StartError(said)) == why
