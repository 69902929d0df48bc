"""What a script logs stands in the trace of a request, with the line of the script that said it."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from pyvoy.cli.trace import table
from pyvoy.filters.http.lua import Lua
from pyvoy.http.chain import ChainPlan, FilterSpec
from pyvoy.http.traced_chain import traced
from pyvoy.server.pages.trace import trace as page
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.playbook import Play, data, forwarded, headers, held, response, sent
from pyvoy.testing.stage import Stage

SCRIPT = """function envoy_on_request(h)
  h:logInfo("a " .. h:headers():get(":path"))
  local body = h:body()
  h:headers():logDebug("<b>")
end
function envoy_on_response(h)
  h:logWarn("c")
  error("broken")
end"""
CHUNK = '[string "function envoy_on_request(h)..."]'


def traced_play(script: str, traces: list[Any]) -> Play:
    fakes = FakeServices()
    configuration = Configuration(fakes.scope, fakes.arena, services=fakes.services)
    configuration.environment.trace_sink = traces.append
    plan = configuration.http_filter(Lua, yaml.safe_dump({"default_source_code": {"inline_string": script}}))
    stage = Stage(fakes, [FilterSpec("lua", plan.filter_class, plan)])
    stage.plan.chain = ChainPlan(traced(stage.plan.chain.specs, traces.append))
    stage.connect()
    return Play(stage)


def test_lines_of_the_script_with_their_places(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="pyvoy.lua")
    traces: list[Any] = []
    p = traced_play(SCRIPT, traces)
    p >> headers("POST", "/p", x_pyvoy_trace="one") << held() >> data(b"x", end=True)
    p >> response(200, end=True) << sent(200)
    (found,) = traces
    assert [(line["side"], line["level"], line["place"], line["text"]) for line in found["lines"]] == [
        ("request", "info", f"{CHUNK}:2", "a /p"),
        ("request", "debug", f"{CHUNK}:4", "<b>"),
        ("response", "warning", f"{CHUNK}:7", "c"),
        ("response", "error", "", f"{CHUNK}:8: broken"),
    ]
    assert {line["filter"] for line in found["lines"]} == {0}
    assert "script log: a /p" in caplog.messages
    assert "script log: <b>" not in caplog.messages
    shown = table(found, coloured=False)
    assert f"info      {CHUNK}:2: a /p" in shown
    assert shown.index("warning") > shown.index("\nresponse")
    options = SimpleNamespace(trace=True)
    asked: Any = SimpleNamespace(query={"id": "one"})
    picture = page(SimpleNamespace(options=options, traces=traces), asked).body  # type: ignore[arg-type]
    assert "&lt;b&gt;" in str(picture)


def test_a_request_that_asks_for_no_trace_has_none() -> None:
    traces: list[Any] = []
    p = traced_play('function envoy_on_request(h) h:logInfo("a") end', traces)
    p >> headers("GET") << forwarded(end=True) >> response(200, end=True) << sent(200)
    assert traces == []
