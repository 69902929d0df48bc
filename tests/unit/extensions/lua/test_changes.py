"""What a script does to its headers crosses in one piece; nobody may be able to tell."""

from __future__ import annotations

import pytest

from pyvoy.extensions.lua.bridge import unflatten
from pyvoy.extensions.lua.changes import read_changes
from pyvoy.http.headers import HeaderMap
from pyvoy.testing.playbook import data, forwarded, headers, held, sent, whole_response
from tests.unit.extensions.lua.lua_play import on_request, on_response


def changed(text: bytes, *, on_request: bool = True) -> list[tuple[bytes, bytes]]:
    found = HeaderMap([(b":authority", b"a.test"), (b"a", b"1"), (b"b", b"2")])
    read_changes(text, on_request=on_request).apply(found)
    return list(found.items())


def test_changes_are_made_in_their_order() -> None:
    assert changed(b"a\0A\x002\0r\0a\x003\0d\0B\0\0a\0b\x004") == [
        (b":authority", b"a.test"),
        (b"a", b"3"),
        (b"b", b"4"),
    ]


def test_what_is_replaced_moves_to_the_end_as_in_envoy() -> None:
    assert changed(b"r\0a\x003\0r\0:authority\0b.test") == [(b":authority", b"b.test"), (b"b", b"2"), (b"a", b"3")]
    p = on_response('for _, n in ipairs({"server", "x-a", ":status"}) do h:headers():replace(n, "201") end')
    p >> headers("GET") << forwarded(end=True) >> whole_response(200, b"", server="s", x_a="1", x_b="2")
    assert [name for name, _ in p.stage.stream.response_headers][:1] == [b":status"]
    assert [name for name, _ in p.stage.stream.response_headers if name in (b"server", b"x-a", b"x-b")] == [
        b"x-b",
        b"server",
        b"x-a",
    ]


def test_the_host_of_a_call_is_its_authority() -> None:
    flat = b"Host\0b.test\0:authority\0a.test\0X-A\x001\0"
    assert list(unflatten(flat, of_request=True)) == [(b":authority", b"b.test,a.test"), (b"x-a", b"1")]
    assert next(iter(unflatten(flat))) == (b"host", b"b.test")


def test_the_host_of_a_request_is_its_authority() -> None:
    assert changed(b"r\0Host\0b.test")[0] == (b":authority", b"b.test")
    assert changed(b"r\0Host\0b.test", on_request=False)[-1] == (b"host", b"b.test")


@pytest.mark.parametrize(
    ("text", "suspect"), [(b"a\0a\x001", False), (b"a\0a b\x001", True), (b"r\0a\0\n", True), (b"d\0a b\0", False)]
)
def test_a_header_that_no_request_may_carry_is_noticed(text: bytes, suspect: bool) -> None:
    assert read_changes(text, on_request=True).suspect is suspect


def test_a_script_sees_its_own_changes_at_once() -> None:
    p = on_request("""
        local m = h:headers()
        m:add("x-a", "1") m:add("x-a", 2) m:replace("x-b", "3") m:add("x-c", "4") m:remove("x-c")
        m:add("x-seen", tostring(m:get("x-a")) .. m:getNumValues("x-a") .. m:get("x-b") .. tostring((m:get("x-c"))))
        for name, value in pairs(m) do if name == "x-b" then m2 = value end end
        m:add("x-listed", m2)""")
    p >> headers("GET") << forwarded(x_seen="1,223nil", x_listed="3", x_b="3", end=True)
    p.end()


def test_what_was_changed_before_an_error_stays_changed() -> None:
    p = on_response('h:headers():add("x-a", "1") error("no")')
    p >> headers("GET") << forwarded(end=True) >> whole_response(200, b"") << sent(200, x_a="1", end=True)


def test_what_was_changed_before_a_wait_is_changed_and_more_can_follow() -> None:
    p = on_request(
        'h:headers():add("x-a", "1") local b = h:body() h:headers():add("x-b", h:headers():get("x-a") .. "2")'
    )
    p >> headers("POST") << held() >> data(b"a", end=True) << forwarded(x_a="1", x_b="12", end=False)


def test_the_reply_of_a_script_does_not_lose_changes_of_the_response() -> None:
    p = on_response("""
        h:headers():replace("x-status", h:headers():get(":status"))
        h:headers():replace(":status", "418")""")
    p >> headers("GET") << forwarded(end=True) >> whole_response(200, b"") << sent(418, x_status="200", end=True)


def test_a_nul_ends_a_value_wherever_the_change_is_made() -> None:
    p = on_response("""
        h:headers():add("x-a", "1") h:headers():add("x-b", "2\\0three") h:headers():replace("x-a\\0b", "4")""")
    p >> headers("GET") << forwarded(end=True) >> whole_response(200, b"") << sent(200, x_a="4", x_b="2", end=True)
