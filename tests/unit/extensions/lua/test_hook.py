"""A hook's way through a stream: waiting, going on, ending, and what is left when the stream ends first."""

from __future__ import annotations

from pyvoy.testing.playbook import (
    data,
    forwarded,
    forwarded_data,
    headers,
    held,
    reply,
    reset,
    response,
    response_data,
    sent,
    sent_data,
    trailers,
    whole_response,
)
from tests.unit.extensions.lua.lua_play import on_request, on_response


def test_the_head_waits_for_the_body() -> None:
    p = on_request('local b = h:body() h:headers():add("x-r", b:getBytes(0, b:length()))')
    p >> headers("POST") << held() >> data(b"ab") << held()
    p >> data(b"c", end=True) << forwarded(x_r="abc", end=False) << forwarded_data(b"abc", end=True)
    p.end()


def test_a_body_is_replaced_and_its_length_told() -> None:
    p = on_request('h:body():setBytes("other")')
    p >> headers("POST", content_length="2") << held()
    p >> data(b"ab", end=True) << forwarded(content_length="5", end=False) << forwarded_data(b"other", end=True)
    p.end()


def test_the_end_of_the_body_may_be_its_trailers() -> None:
    p = on_request('local b = h:body() h:headers():add("x-r", b:length() .. h:trailers():get("t"))')
    p >> headers("POST") << held() >> data(b"abc") << held() >> trailers(t="1")
    (fact,) = p.stage.record.of("forwarded")
    assert (b"x-r", b"31") in fact.headers
    p.stage.close()


def test_chunks_go_on_as_they_come() -> None:
    p = on_request(
        "for c in h:bodyChunks() do if c:length() > 0 then c:setBytes(c:getBytes(0, c:length()):upper()) end end"
    )
    p >> headers("POST") << forwarded(end=False) >> data(b"ab") << forwarded_data(b"AB", end=False)
    p >> data(b"c", end=True) << forwarded_data(b"C", end=True)
    p.end()


def test_a_response_in_one_piece_is_seen_in_chunks_too() -> None:
    p = on_response("""
        for c in h:bodyChunks() do
          if c:length() > 0 then c:setBytes("<" .. c:getBytes(0, c:length()) .. ">") end
        end""")
    p >> headers("GET") << forwarded(end=True)
    p >> whole_response(200, b"body") << sent(200, end=False) << sent_data(b"<body>", end=True)
    p.end()


def test_an_error_leaves_the_request_as_it_is_and_ends_both_hooks() -> None:
    p = on_request('h:headers():add("x-before", "1") h:body() error("late")')
    (
        p
        >> headers("POST")
        << held()
        >> data(b"ab", end=True)
        << forwarded(x_before="1", end=False)
        << forwarded_data(b"ab", end=True)
    )
    p.end()


def test_a_client_that_leaves_while_a_hook_waits() -> None:
    p = on_request("h:body()")
    p >> headers("POST") << held() >> reset()
    assert p.stream.finished
    p.stage.close()


def test_a_response_body_that_is_too_large_is_a_500() -> None:
    p = on_response("h:body()", stage={"buffer_limit_bytes": 4})
    p >> headers("GET") << forwarded(end=True) >> response(200) << held()
    p >> response_data(b"0123456789") << reply(500, b"Internal Server Error", detail="response_payload_too_large")
    p.stage.close()


def test_coroutines_are_used_again_and_hooks_may_nest_in_time() -> None:
    p = on_request('if h:headers():get(":path") == "/wait" then h:body() end h:headers():add("x-r", "1")')
    for _ in range(3):
        p >> headers("GET", "/now") << forwarded(x_r="1", end=True) >> response(200, end=True) << sent(200, end=True)
    p >> headers("POST", "/wait") << held() >> data(b"", end=True) << forwarded(x_r="1", end=True)
    p.end()
