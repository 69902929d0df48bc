"""The Lua filter as it is configured: scripts and where they come from, routes, what is counted and logged.

That scripts see what they see in Envoy is shown by tests/parity/cases/lua*.py.
"""

from __future__ import annotations

import logging

import pytest
import yaml

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.lua import Lua
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import forwarded, headers, play, reply, response, sent, whole_response
from tests.unit.extensions.lua.lua_play import lua, on_request, on_response

ADD = 'function envoy_on_request(h) h:headers():add("x-r", "%s") end'

# What both hooks do; the contract has to hold for each.
CONTRACT = {
    "headers": ('h:headers():add("a", "1")', 'h:headers():add("b", "1")'),
    "body": ("h:body()", "h:body()"),
    "body made": ('h:body(true):setBytes("x")', 'h:body(true):setBytes("y")'),
    "trailers": ("h:body() h:trailers()", "h:trailers()"),
    "reply": ('h:body() h:respond({[":status"] = "403"}, "no")', ""),
    "error": ('error("x")', 'h:body() error("y")'),
    "chunks": ("for c in h:bodyChunks() do end", "for c in h:bodyChunks() do end"),
}


@pytest.mark.parametrize("hooks", CONTRACT.values(), ids=CONTRACT.keys())
def test_contract(hooks: tuple[str, str]) -> None:
    script = f"function envoy_on_request(h) {hooks[0]} end function envoy_on_response(h) {hooks[1]} end"
    check_http_filter(Lua, yaml.safe_dump({"default_source_code": {"inline_string": script}}))


REFUSED = {
    "syntax": (
        "function x( end",
        "script load error: [string \"function x( end\"]:1: <name> or '...' expected near 'end'",
    ),
    "first line names it": (
        "local x = nil\nx.y = 1",
        "script load error: [string \"local x = nil...\"]:2: attempt to index local 'x' (a nil value)",
    ),
    "raised": ("error('x')", "script load error: [string \"error('x')\"]:1: x"),
    "raised no text": ("error({})", "script load error: unspecified lua error"),
}


@pytest.mark.parametrize(("script", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_a_script_that_does_not_load_is_refused(script: str, text: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        lua(script)
    assert text in str(caught.value)


def test_a_named_script_that_does_not_load_is_refused_at_its_place() -> None:
    with pytest.raises(ConfigErrors) as caught:
        lua("", source_codes={"other": {"inline_string": "x x"}})
    assert 'source_codes["other"]' in str(caught.value)
    assert "'=' expected near 'x'" in str(caught.value)


def test_both_kinds_of_default_are_refused() -> None:
    with pytest.raises(ConfigErrors, match="Only one of `inline_code` or `default_source_code`"):
        lua("a = 1", inline_code="b = 1")


def test_inline_code_still_works() -> None:
    p = play(Lua, yaml.safe_dump({"inline_code": ADD % "inline"}))
    p >> headers("GET") << forwarded(x_r="inline", end=True)
    p.end()


def test_a_filter_without_a_script_passes_everything() -> None:
    p = play(Lua, "{}")
    p >> headers("GET") << forwarded(end=True) >> whole_response(200, b"x") << sent(200)
    p.stage.close()


ROUTES = {
    "disabled": ({"disabled": True}, None),
    "name": ({"name": "other"}, "other"),
    "unknown name": ({"name": "nobody"}, None),
    "source": ({"source_code": {"inline_string": ADD % "route"}}, "route"),
    "context only": ({"filter_context": {"k": "v"}}, "default"),
}


@pytest.mark.parametrize(("route", "seen"), ROUTES.values(), ids=ROUTES.keys())
def test_what_a_route_says(route: dict[str, object], seen: str | None) -> None:
    p = lua(ADD % "default", route=route, source_codes={"other": {"inline_string": ADD % "other"}})
    p >> headers("GET") << forwarded(x_r=seen, end=True)
    p.end()


def test_a_route_gives_a_context() -> None:
    p = on_request('h:headers():add("x-r", h:filterContext():get("k"))', route={"filter_context": {"k": "v"}})
    p >> headers("GET") << forwarded(x_r="v", end=True)
    p.end()


def test_executions_and_errors_are_counted_and_the_text_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    script = 'function envoy_on_request(h) error("boom") end function envoy_on_response(h) end'
    p = lua(script, stat_prefix="mine")
    with caplog.at_level(logging.ERROR, "pyvoy.lua"):
        p >> headers("GET") << forwarded(end=True) >> response(200, end=True) << sent(200, end=True)
    p.end()
    assert p.counter("http.test.lua.mine.executions") == 2
    assert p.counter("http.test.lua.mine.errors") == 1
    assert [record.getMessage() for record in caplog.records] == [
        'script log: [string "function envoy_on_request(h) error("boom") en..."]:1: boom'
    ]


def test_log_methods_write_at_their_levels(caplog: pytest.LogCaptureFixture) -> None:
    p = on_request(
        'for _, l in ipairs({"Trace", "Debug", "Info", "Warn", "Err", "Critical"}) do h["log" .. l](h, l) end'
    )
    with caplog.at_level(1, "pyvoy.lua"):
        p >> headers("GET") << forwarded(end=True)
    p.end()
    assert [(record.levelno, record.getMessage()) for record in caplog.records] == [
        (5, "script log: Trace"),
        (10, "script log: Debug"),
        (20, "script log: Info"),
        (30, "script log: Warn"),
        (40, "script log: Err"),
        (50, "script log: Critical"),
    ]


def test_each_script_has_a_state_of_its_own_and_they_are_counted() -> None:
    p = lua("n = 1", source_codes={"a": {"inline_string": "assert(n == nil)"}})
    assert p.gauge("lua.lua_vm_count") == 2
    p.stage.close()


def test_a_reply_has_envoys_details() -> None:
    p = on_request('h:respond({[":status"] = 403, ["x-a"] = {"1", "2"}}, "no")')
    p >> headers("GET") << reply(403, b"no", detail="lua_response")
    p.end()


def test_bodies_that_no_script_asks_for_take_the_short_way() -> None:
    p = on_response('h:headers():add("x-r", "1")')
    p >> headers("POST") << forwarded(end=False)
    assert not p.stream.chain.request_data or p.stream.filters[0].on_demand
    assert all(slot != 0 for slot, _ in p.stream.chain.response_data)
    p.stage.close()


@pytest.mark.parametrize(
    ("script", "executions"),
    [
        ("function envoy_on_request(h) end function envoy_on_response(h) end", 2),
        ("function envoy_on_request(h) end", 1),
        ("function envoy_on_response(h) return h end", 1),
        ("local n = 0 function envoy_on_request(h) n = n + 1 end function envoy_on_response(h) end", 2),
        ("function envoy_on_request(h) end function envoy_on_response(h) h:headers():add('x', '1') end", 2),
        ("n = 0", 0),
    ],
)
def test_hooks_that_do_nothing_are_executed_too(script: str, executions: int) -> None:
    p = lua(script, stat_prefix="mine")
    p >> headers("GET") << forwarded(end=True) >> whole_response(200, b"") << sent(200, end=True)
    p.end()
    assert p.counter("http.test.lua.mine.executions") == executions
