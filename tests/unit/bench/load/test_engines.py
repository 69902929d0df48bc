"""Who puts a load on, and why not."""

import pytest

from pyvoy.bench.load import LoadPlan, PlanError, embedded, engines, h2load, tool, wrk

URL = "http://127.0.0.1:1/"


@pytest.fixture
def tools(monkeypatch):
    """What is installed, as the engines see it."""
    found = {"wrk", "h2load"}
    monkeypatch.setattr(tool, "missing", lambda name: "" if name in found else f"{name} is not installed")
    return found


@pytest.mark.parametrize(
    ("options", "chosen"),
    [
        ({}, wrk),
        ({"close": True, "unique_paths": True, "body": b"x", "method": "PUT"}, wrk),
        ({"requests": 100}, h2load),
        ({"duration_s": 1.5}, h2load),
        ({"headers": (("a", "1"), ("A", "2"))}, h2load),
        ({"http2": True, "streams": 10}, h2load),
        ({"rate": 10.0}, embedded),
        ({"requests": 5}, embedded),
        ({"requests": 100, "close": True}, embedded),
        ({"requests": 100, "unique_paths": True}, embedded),
        ({"requests": 100, "body": b"x"}, embedded),
        ({"engine": "embedded"}, embedded),
    ],
)
def test_the_fastest_engine_that_can(tools, options, chosen):
    assert engines.choose(LoadPlan(URL, **options)) is chosen


def test_what_is_not_installed_is_not_chosen(tools):
    tools.remove("wrk")
    assert engines.choose(LoadPlan(URL)) is h2load
    tools.clear()
    assert engines.choose(LoadPlan(URL)) is embedded
    with pytest.raises(PlanError, match="--engine wrk: wrk is not installed"):
        engines.choose(LoadPlan(URL, engine="wrk"))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"engine": "wrk", "rate": 5.0}, "--engine wrk: wrk has no fixed rate"),
        ({"engine": "wrk", "http2": True}, "--engine wrk: wrk speaks no HTTP/2"),
        ({"engine": "wrk", "requests": 5}, "--engine wrk: wrk loads for a time"),
        ({"engine": "wrk", "warm_up_s": 0.5}, "--engine wrk: wrk knows whole seconds only"),
        ({"engine": "h2load", "rate": 5.0}, "--engine h2load: h2load has no fixed rate"),
        ({"engine": "h2load", "close": True}, "--engine h2load: h2load keeps its connections"),
    ],
)
def test_an_engine_that_cannot_is_refused(tools, options, text):
    with pytest.raises(PlanError, match=text):
        engines.choose(LoadPlan(URL, **options))
