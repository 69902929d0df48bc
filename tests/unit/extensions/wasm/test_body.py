"""Bodies as modules see them: which callbacks come, with what, and what reaches the other side."""

from __future__ import annotations

import base64
import logging

import pytest

from pyvoy.testing.filters import WASM, FakeStream
from tests.support.guest import OUT, Guest, P, Raw, Saved, answer, call, keep, note, show_log

SHOWN = (note("b", P(1), "/", P(2)), show_log())
KEEP = f"(if (i32.eqz (local.get 2)) (then {answer(1)}))"


@pytest.fixture
def said(caplog):
    """The lines of the module so far."""
    caplog.set_level(logging.INFO, "pyvoy.wasm")

    def lines():
        found = [str(record.args[1]).strip() for record in caplog.records if str(record.msg).startswith("wasm log")]
        caplog.clear()
        return found

    return lines


def stream_of(guest, **more):
    vm = {"code": {"local": {"inline_bytes": base64.b64encode(guest.build()).decode()}}}
    return FakeStream({"@type": WASM, "config": {"name": "p", "vm_config": vm}}, **more)


def test_the_end_is_told_apart_from_the_last_piece(said):
    stream = stream_of(Guest().on("request_body", *SHOWN).on("response_body", *SHOWN))
    stream.request("POST", "/", {}, [b"ab", b"cde"]).respond(200, {}, [b"fg"])
    assert said() == ["b2/0", "b3/0", "b0/1", "b2/0", "b0/1"]
    assert (stream.forwarded.body, stream.response.body) == (b"abcde", b"fg")


def test_what_was_held_with_the_headers_comes_whole_with_its_end(said):
    guest = Guest().on("configure", call("set_tick_period_milliseconds", 1000, quiet=True), returns=1)
    guest.on("request_headers", keep(0), returns=1).on("request_body", *SHOWN)
    guest.on("tick", call("set_effective_context", Saved(), quiet=True), call("continue_stream", 0, quiet=True))
    stream = stream_of(guest).request("POST", "/", {}, [b"ab", b"cde"])
    assert said() == []
    stream.advance(1.5)
    assert said() == ["b5/1"]
    assert stream.forwarded.body == b"abcde"


def test_a_body_that_was_answered_is_not_shown_again(said):
    reply = call("send_local_response", 403, "d", "no", Raw(0, 0), 0, quiet=True)
    stream = stream_of(Guest().on("request_body", *SHOWN, reply)).request("POST", "/", {}, b"body")
    assert said() == ["b4/0"]
    assert stream.response.status == 403


def test_a_stop_at_the_end_holds_nothing_that_was_let_go(said):
    passing = f"(if (local.get 2) (then {answer(1)}))"
    stream = stream_of(Guest().on("request_body", *SHOWN, passing)).request("POST", "/", {}, [b"ab", b"cde"])
    assert said() == ["b2/0", "b3/0", "b0/1"]
    assert (stream.forwarded.body, stream.forwarded.ended) == (b"abcde", False)


def test_all_that_is_kept_is_shown_and_can_be_replaced(said):
    guest = Guest().on("request_body", call("get_buffer_bytes", 0, 0, 99, OUT, label="g"), show_log(), KEEP)
    guest.on("request_trailers", call("set_buffer_bytes", 0, 0, 99, "new", label="s"), show_log())
    stream = stream_of(guest).request("POST", "/", {}, [b"ab", b"cde"], trailers={"x-t": "1"})
    assert said() == ["g=0:ab", "g=0:abcde", "s=0"]
    assert stream.forwarded.body == b"new"
