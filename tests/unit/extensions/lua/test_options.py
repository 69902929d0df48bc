"""What scripts can be held to beyond Envoy: failure policies, limits, the sandbox, errors that explain themselves."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.lua import Lua
from pyvoy.testing.playbook import Play, data, forwarded, forwarded_data, headers, held, play, reply, response, sent
from tests.unit.extensions.lua.lua_play import lua, on_request, on_response

HELLO = 'h:headers():add("x-r", "1")'


def with_options(make: Any, script: str, *, route: dict[str, Any] | None = None, **options: Any) -> Play:
    play: Play = make(script, route=route, stage={"listener_metadata": {"pyvoy.lua": options}})
    return play


def answer(body: str, **options: Any) -> bytes:
    """What a request script says with `out` under these options."""
    p = with_options(
        on_request, f'local function out(t) h:respond({{[":status"] = "200"}}, tostring(t)) end {body}', **options
    )
    p >> headers("GET")
    body_of: bytes = p.stage.record.of("sent_data")[0].data
    p.stage.close()
    return body_of


# ---- failure policy


def test_by_default_a_failure_leaves_the_request_alone() -> None:
    p = on_request(f'{HELLO} error("x")')
    p >> headers("GET") << forwarded(x_r="1", end=True)
    p.end()


def test_fail_closed_answers_500_and_counts() -> None:
    p = with_options(on_request, 'error("x")', failure_policy="FAIL_CLOSED")
    p >> headers("GET") << reply(500, detail="extension_failed{lua}")
    assert p.counter("http.test.lua.errors") == 1
    p.end()


def test_fail_closed_while_the_body_is_awaited_and_in_the_response() -> None:
    p = with_options(on_request, 'h:body() error("x")', failure_policy="FAIL_CLOSED")
    p >> headers("POST") << held() >> data(b"ab", end=True) << reply(500, detail="extension_failed{lua}")
    p.end()
    p = with_options(on_response, 'error("x")', failure_policy="FAIL_CLOSED")
    p >> headers("GET") << forwarded(end=True) >> response(200, end=True) << reply(500, detail="extension_failed{lua}")
    p.end()


def test_fail_reload_begins_with_a_new_state() -> None:
    script = 'n = 0 function envoy_on_request(h) n = n + 1 if n == 2 then error("x") end h:headers():add("x-n", n) end'
    p = with_options(lua, script, failure_policy="FAIL_RELOAD")
    p >> headers("GET") << forwarded(x_n="1", end=True) >> response(200, end=True) << sent(200, end=True)
    p >> headers("GET") << reply(500, detail="extension_failed{lua}")
    p >> headers("GET") << forwarded(x_n="1", end=True)
    assert p.counter("http.test.lua.reloads") == 1
    p.stage.close()


def test_fail_reload_loads_the_script_of_a_route_too() -> None:
    script = 'n = 0 function envoy_on_request(h) n = n + 1 if n == 2 then error("x") end h:headers():add("x-n", n) end'
    route = {"source_code": {"inline_string": script}}
    p = with_options(lua, "", route=route, failure_policy="FAIL_RELOAD")
    p >> headers("GET") << forwarded(x_n="1", end=True) >> response(200, end=True) << sent(200, end=True)
    p >> headers("GET") << reply(500, detail="extension_failed{lua}")
    p >> headers("GET") << forwarded(x_n="1", end=True)
    p.stage.close()


def test_the_script_of_a_route_has_the_limit_too() -> None:
    route = {"source_code": {"inline_string": "function envoy_on_request(h) while true do end end"}}
    p = with_options(lua, "", route=route, failure_policy="FAIL_CLOSED", max_instructions=10_000)
    p >> headers("GET") << reply(500, detail="extension_failed{lua}")
    p.end()


def test_a_stat_prefix_can_have_options_of_its_own() -> None:
    metadata = {"pyvoy.lua": {}, "pyvoy.lua.auth": {"failure_policy": "FAIL_CLOSED"}}
    script = 'function envoy_on_request(h) error("x") end'
    p = lua(script, stat_prefix="auth", stage={"listener_metadata": metadata})
    p >> headers("GET") << reply(500, detail="extension_failed{auth}")
    p.end()
    p = lua(script, stat_prefix="other", stage={"listener_metadata": metadata})
    p >> headers("GET") << forwarded(end=True)
    p.end()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"failure_policy": "FAIL_SOMEHOW"}, "failure_policy"),
        ({"no_such_option": True}, "no_such_option"),
        ({"max_memory_bytes": 1000}, "max_memory_bytes must be at least"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        with_options(on_request, "", **options)
    assert text in str(caught.value)


# ---- limits

ENDLESS = {
    "loop": "while true do end",
    "caught": "while true do pcall(function() while true do end end) end",
    "recursion": "local function f() return f() end f()",
    "iterator": "for _ in function() return 1 end do end",
}


@pytest.mark.parametrize("body", ENDLESS.values(), ids=ENDLESS.keys())
def test_an_endless_script_ends_as_an_error(body: str, caplog: pytest.LogCaptureFixture) -> None:
    p = with_options(on_request, f"{HELLO} {body}", max_instructions=100_000)
    with caplog.at_level(logging.ERROR, "pyvoy.lua"):
        p >> headers("GET") << forwarded(x_r="1", end=True)
    assert "script exceeded its limit of 100000 instructions" in caplog.text
    p.end()


def test_each_wait_begins_a_new_count() -> None:
    work = "for i = 1, 20000 do end"
    p = with_options(on_request, f"{work} h:body() {work} {HELLO}", max_instructions=60_000)
    (
        p
        >> headers("POST")
        << held()
        >> data(b"a", end=True)
        << forwarded(x_r="1", end=False)
        << forwarded_data(b"a", end=True)
    )
    p.end()


def test_an_endless_main_chunk_is_refused_at_load() -> None:
    with pytest.raises(ConfigErrors, match="exceeded its limit"):
        with_options(lua, "while true do end", max_instructions=100_000)


def test_string_functions_are_bounded_under_a_limit() -> None:
    assert b"too long" in answer('out(select(2, pcall(string.rep, "x", 1e8)))', max_instructions=1_000_000)
    assert b"too long" in answer(
        'out(select(2, pcall(string.find, "x", ("a?"):rep(2000))))', max_instructions=1_000_000
    )
    assert answer('out(("a,b"):gsub(",", ";"))', max_instructions=1_000_000) == b"a;b"


def test_memory_is_limited(caplog: pytest.LogCaptureFixture) -> None:
    body = 'local t = {} if h:headers():get("x-hog") then for i = 1, 1e9 do t[i] = ("x"):rep(1000) .. i end end '
    p = with_options(on_request, body + HELLO, max_memory_bytes=4 << 20)
    with caplog.at_level(logging.ERROR, "pyvoy.lua"):
        p >> headers("GET", x_hog="1") << forwarded(x_r=None, end=True)
    assert "not enough memory" in caplog.text
    p >> response(200, end=True) << sent(200, end=True) >> headers("GET") << forwarded(x_r="1", end=True)
    p.stage.close()


# ---- sandbox


def test_a_sandbox_has_no_way_out() -> None:
    closed = ("io", "debug", "package", "module", "dofile", "loadfile")
    names = ", ".join(map(repr, closed))
    look = (
        f"local t = {{}} for _, n in ipairs({{{names}}}) do t[#t + 1] = tostring(_G[n]) end out(table.concat(t, ' '))"
    )
    found = answer(look, sandbox=True)
    assert found == b" ".join([b"nil"] * len(closed))
    assert answer("out(os.execute or os.getenv or os.remove or os.exit or 'none')", sandbox=True) == b"none"
    assert answer("out(type(os.time()) .. type(os.date()))", sandbox=True) == b"numberstring"
    assert b"cannot be loaded in a sandbox" in answer('out(select(2, pcall(require, "ffi")))', sandbox=True)
    dumped = "string.dump(function() end)"
    assert answer(f"out(pcall(loadstring, {dumped}))", sandbox=True) == b"false"
    assert answer(f"out(pcall(load, {dumped}))", sandbox=True) == b"false"
    assert answer("out(loadstring('return 1')() + load('return 2')())", sandbox=True) == b"3"


def test_python_objects_give_nothing_away() -> None:
    reach = 'out(select(2, pcall(function() return debug.getupvalue(require("pyvoy").base64.encode, 1).__class__ end)))'
    assert b"class" not in answer(reach).replace(b"__class__", b"")


# ---- explanations

EXPLAINED = {
    "dead object": ('local m = h:headers() h:body() out(select(2, pcall(m.get, m, "a")))', b"(since body() at ", True),
    "headers gone": ("", b"", False),
}


def test_an_error_names_the_call_that_made_this_one_illegal() -> None:
    p = with_options(
        on_request,
        'local m = h:headers()\nh:body()\nh:respond({[":status"] = "200"}, select(2, pcall(m.get, m, "a")))',
        explain_errors=True,
    )
    p >> headers("POST") << held() >> data(b"a", end=True)
    text = p.stage.record.of("sent_data")[0].data.decode()
    assert text.startswith("object used outside of proper scope (since body() at [string ")
    assert text.endswith(":2)")
    p.stage.close()


def test_an_open_iteration_is_named() -> None:
    body = 'for k in pairs(h:headers()) do break end out(select(2, pcall(function() h:headers():add("a", "b") end)))'
    assert b"header map cannot be modified while iterating (since pairs() at " in answer(body, explain_errors=True)
    assert b"since" not in answer(body)


def test_tracebacks_are_logged_where_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    script = 'function inner() error("x") end function envoy_on_request(h) inner() end'
    p = with_options(lua, script, log_tracebacks=True)
    with caplog.at_level(logging.ERROR, "pyvoy.lua"):
        p >> headers("GET") << forwarded(end=True)
    assert "in function 'inner'" in caplog.text
    p.end()


def test_tracebacks_name_the_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    script = tmp_path / "mine.lua"
    script.write_text('function envoy_on_request(h)\n  error("x")\nend\n')
    metadata = {"pyvoy.lua": {"log_tracebacks": True}}
    p = play(Lua, f"default_source_code: {{filename: {script}}}", listener_metadata=metadata)
    with caplog.at_level(logging.ERROR, "pyvoy.lua"):
        p >> headers("GET") << forwarded(end=True)
    assert "mine.lua:2: x" in caplog.text
    p.end()
