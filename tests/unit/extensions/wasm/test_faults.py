"""Modules that fail, in every callback and in every way: what the stream gets, and that nothing is called any more."""

from __future__ import annotations

import base64
import logging

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.extensions.wasm.pairs import serialize
from pyvoy.testing.filters import WASM, FakeStream, Reply
from tests.support.guest import (
    GROW,
    OUT,
    OUT_U32,
    SPIN,
    TRAP,
    At,
    Guest,
    P,
    Raw,
    Saved,
    answer,
    call,
    keep,
    log,
    note,
    show_header,
    show_log,
    show_reply,
    when_path,
)

CALL = serialize([(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a")])
EVENTS = ("request_headers", "request_body", "request_trailers", "response_headers", "response_body",
          "response_trailers", "log", "done", "delete")  # fmt: skip


def stream_of(guest: Guest, policy: str = "", **more: object) -> FakeStream:
    vm = {"code": {"local": {"inline_bytes": base64.b64encode(guest.build()).decode()}}}
    config = {"name": "p", "vm_config": vm} | ({"failure_policy": policy} if policy else {})
    return FakeStream({"@type": WASM, "config": config}, **more)


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The lines of the module."""
    return [str(record.args[1]) for record in caplog.records if str(record.msg).startswith("wasm log")]


def whole_exchange(stream: FakeStream) -> None:
    stream.request("POST", "/", {}, [b"ab"], trailers={"x-t": "1"})
    if stream.forwarded is not None and stream.response is None and not stream.was_reset:
        stream.respond(200, {}, [b"cd"], trailers={"x-u": "1"})


def failing_in(event: str, fault: str = TRAP) -> Guest:
    """Every callback tells of itself, and one fails."""
    guest = Guest()
    for name in ("context_create", *EVENTS):
        guest.on(name, log(name), *([fault] if name == event else []), returns=int(name == "done"))
    return guest


# ---- a trap in each callback ----


@pytest.mark.parametrize("event", EVENTS)
def test_a_trap_fails_the_stream_and_nothing_is_called_after_it(event, caplog):
    caplog.set_level(logging.INFO, "pyvoy.wasm")
    stream = stream_of(failing_in(event))
    whole_exchange(stream)
    assert said(caplog)[-1] == event
    if event in ("log", "done", "delete"):
        assert stream.response.status == 200
    elif event in ("response_body", "response_trailers"):
        assert stream.was_reset
    else:
        assert stream.response.status == 503
        assert stream.details == "wasm_fail_stream"
    count = len(said(caplog))
    whole_exchange(stream)
    assert stream.response.status == 503
    assert len(said(caplog)) == count


@pytest.mark.parametrize("event", EVENTS[:6])
def test_with_fail_open_the_stream_goes_on_without_the_module(event, caplog):
    caplog.set_level(logging.INFO, "pyvoy.wasm")
    stream = stream_of(failing_in(event), "FAIL_OPEN")
    for _ in range(2):
        whole_exchange(stream)
        assert stream.forwarded.body == b"ab"
        assert (stream.response.status, stream.response.body) == (200, b"cd")
        assert stream.response.ended
    assert said(caplog)[-1] == event


def test_a_trap_while_a_context_is_made_fails_its_stream():
    # The root has number 1, so that only streams fail.
    guest = Guest().on("context_create", "(if (i32.gt_u (local.get 0) (i32.const 1)) (then unreachable))")
    stream = stream_of(guest.on("request_headers"))
    stream.request("GET", "/")
    assert stream.response.status == 503


@pytest.mark.parametrize("event", ["context_create", "vm_start", "configure"])
@pytest.mark.parametrize(("fault", "said"), [(TRAP, "unreachable"), (GROW, "unreachable")])
def test_a_module_that_fails_at_its_start_is_refused(event, fault, said):
    with pytest.raises(ConfigErrors, match=f"the VM failed while it started: .*{said}"):
        stream_of(Guest().on(event, fault, returns=1))


@pytest.mark.parametrize(
    "entry",
    [
        f'(func (export "_initialize") {TRAP})',
        f'(func (export "_start") {TRAP})',
        f"(func $begin {TRAP}) (start $begin)",
        f'(func (export "_initialize")) (func (export "main") (param i32 i32) (result i32) {TRAP})',
    ],
)
def test_a_module_that_fails_before_its_first_callback_is_refused(entry):
    with pytest.raises(ConfigErrors, match="unreachable"):
        stream_of(Guest(entry=entry))


def test_a_trap_in_a_tick_ends_the_streams_that_wait():
    guest = Guest().on("configure", call("set_tick_period_milliseconds", 1000), returns=1).on("tick", TRAP)
    stream = stream_of(guest.on("request_headers", returns=1))
    stream.request("GET", "/")
    assert stream.response is None
    stream.advance(1)
    assert stream.response.status == 503


def test_a_trap_in_the_answer_of_a_call_ends_the_stream_that_waits():
    guest = Guest().on("request_headers", http_call(), returns=1).on("http_call_response", TRAP)
    stream = stream_of(guest, calls={"b": Reply(after_s=0.1)})
    stream.request("GET", "/").advance(0.1)
    assert stream.response.status == 503


def test_a_trap_when_a_queue_is_ready():
    guest = Guest().on("configure", call("register_shared_queue", "q", OUT_U32), returns=1).on("queue_ready", TRAP)
    guest.on("request_headers", call("enqueue_shared_queue", 1, "item"))
    stream = stream_of(guest)
    stream.request("GET", "/")
    assert stream.forwarded is not None  # the queue is told of after the callback
    stream.advance(0.1)
    assert stream.request("GET", "/").response.status == 503


def test_a_trap_in_the_allocator_is_one_of_the_callback(caplog):
    guest = Guest(allocator="unused", extra='(func (export "malloc") (param i32) (result i32) unreachable)')
    stream = stream_of(guest.on("request_headers", call("get_header_map_value", 0, ":path", OUT)))
    stream.request("GET", "/")
    assert stream.response.status == 503
    assert "unreachable" in caplog.text


def test_a_loop_ends_by_its_deadline(caplog):
    stream = stream_of(Guest().on("request_headers", SPIN), runtime={"pyvoy.wasm.call_time_limit_ms": 50})
    stream.request("GET", "/")
    assert stream.response.status == 503
    assert "ran longer than its limit" in caplog.text


def test_memory_ends_at_the_cap():
    stream = stream_of(Guest().on("request_headers", GROW), runtime={"pyvoy.wasm.memory_limit_mib": 8})
    stream.request("GET", "/")
    assert stream.response.status == 503


# ---- pointers and sizes that are wrong, and values that are huge ----

BEYOND = Raw(0x7FFFFFF0, 0x100)


@pytest.mark.parametrize(
    "step",
    [
        call("log", 2, BEYOND, label="r"),
        call("add_header_map_value", 0, BEYOND, "x", label="r"),
        call("add_header_map_value", 0, "x", BEYOND, label="r"),
        call("replace_header_map_value", 0, "x", BEYOND, label="r"),
        call("remove_header_map_value", 0, BEYOND, label="r"),
        call("set_header_map_pairs", 0, BEYOND, label="r"),
        call("get_header_map_value", 0, ":path", At(0x7FFFFFF0), At(0), label="r"),
        call("get_header_map_pairs", 0, At(0), At(0xFFFFFFFF), label="r"),
        call("get_property", BEYOND, OUT, label="r"),
        call("set_property", "x", BEYOND, label="r"),
        call("set_shared_data", "x", BEYOND, 0, label="r"),
        call("define_metric", 0, BEYOND, OUT_U32, label="r"),
        call("http_call", "b", BEYOND, Raw(0, 0), Raw(0, 0), 1000, At(256), label="r"),
        call("http_call", "b", CALL, Raw(0, 0), Raw(0, 0), 1000, At(0xFFFFFFFF), label="r"),
        call("send_local_response", 200, "d", BEYOND, Raw(0, 0), 0, label="r"),
        call("call_foreign_function", BEYOND, Raw(0, 0), OUT, label="r"),
    ],
)
def test_a_pointer_beyond_the_memory_is_a_status(step):
    stream = stream_of(Guest().on("request_headers", step, show_header(0)), calls={"b": Reply()})
    stream.request("GET", "/p")
    assert stream.forwarded.headers["x-notes"].strip() == "r=6"
    assert stream.forwarded.path == "/p"


def test_the_address_0_is_memory():
    guest = Guest().on(
        "request_headers",
        call("get_header_map_value", 0, ":path", At(0), At(4), quiet=True),
        "(call $note (i32.load (i32.const 0)) (i32.load (i32.const 4)))",
        show_header(0),
    )
    stream = stream_of(guest).request("GET", "/path")
    assert stream.forwarded.headers["x-notes"] == "/path"


def test_huge_values_pass_both_ways():
    size = 1 << 20
    value = "v" * size
    guest = Guest().on(
        "request_headers",
        call("get_header_map_value", 0, "x-huge", At(0x900), At(0x904), quiet=True),
        "(drop (call $add_header_map_value (i32.const 0) (i32.load (i32.const 0x900)) (i32.const 4)"
        " (i32.load (i32.const 0x900)) (i32.load (i32.const 0x904))))",
    )
    stream = stream_of(guest).request("GET", "/", {"x-huge": value})
    assert stream.forwarded.headers["vvvv"] == value


def test_a_huge_body_is_replaced_and_grows():
    guest = Guest().on(
        "response_body",
        "(block $last (br_if $last (local.get 2))", answer(1), ")",
        call("set_buffer_bytes", 1, 0xFFFFFFFF, 0, Raw(0, 1 << 18), quiet=True),
    )  # fmt: skip
    stream = stream_of(guest)
    stream.request("GET", "/").respond(200, {}, [b"x" * (1 << 19), b"y" * (1 << 18)])
    assert len(stream.response.body) == (1 << 20)


def test_a_size_that_no_memory_has_is_a_status():
    step = call("set_buffer_bytes", 1, 0, 0, Raw(0, 0xFFFFFFFF), label="r")
    stream = stream_of(Guest().on("response_body", step, show_log(), returns=0).on("response_headers"))
    stream.request("GET", "/").respond(200, {}, b"body")
    assert stream.response.body == b"body"


# ---- calls within calls, and streams that are gone ----


def http_call(cluster: str = "b", timeout_ms: int = 1000):
    return call("http_call", cluster, CALL, Raw(0, 0), Raw(0, 0), timeout_ms, At(256), label="call")


def test_the_answer_of_a_call_comes_after_the_callback_that_made_it(caplog):
    caplog.set_level(logging.INFO, "pyvoy.wasm")
    guest = Guest().on("request_headers", keep(0), http_call(), log("callback ends"), returns=1)
    guest.on("http_call_response", log("answer"), call("set_effective_context", Saved()), call("continue_stream", 0))
    stream = stream_of(guest, calls={"b": Reply()}).request("GET", "/")
    assert said(caplog) == ["callback ends", "answer"]
    assert stream.forwarded is not None


def test_a_call_from_the_answer_of_a_call(caplog):
    caplog.set_level(logging.INFO, "pyvoy.wasm")
    guest = Guest().on("request_headers", keep(0), http_call(), returns=1)
    more = f"(if (i32.lt_u (local.get 1) (i32.const 12)) (then {http_call()(guest)} (return)))"
    guest.on(
        "http_call_response", note(P(1)), show_log(), more,
        call("set_effective_context", Saved(), quiet=True), call("continue_stream", 0, quiet=True),
    )  # fmt: skip
    stream = stream_of(guest, calls={"b": Reply()}).request("GET", "/")
    assert [line.split()[-1] for line in said(caplog)] == ["4", "8", "12"]
    assert stream.forwarded is not None


def test_an_answer_for_a_stream_that_is_gone_finds_no_context(caplog):
    caplog.set_level(logging.INFO, "pyvoy.wasm")
    guest = Guest().on("request_headers", keep(0), http_call(), returns=1).on("delete", log("deleted"))
    guest.on("http_call_response", call("set_effective_context", Saved(), label="e"), show_log())
    stream = stream_of(guest, calls={"b": Reply(after_s=0.5)}).request("GET", "/", {}, b"body", end=False)
    stream.reset()
    stream.advance(0.5)
    assert [line.split()[-1] for line in said(caplog)] == ["deleted", "e=2"]


@pytest.mark.parametrize("event", ["request_headers", "request_body"])
def test_a_client_that_leaves_a_paused_request(event, caplog):
    caplog.set_level(logging.INFO, "pyvoy.wasm")
    guest = Guest().on(event, log("paused"), returns=1)
    for name in ("log", "done", "delete"):
        guest.on(name, log(name), returns=1)
    guest.on("configure", call("set_tick_period_milliseconds", 1000), returns=1).on("tick", log("tick"))
    stream = stream_of(guest).request("POST", "/", {}, [b"ab"], end=False)
    stream.reset()
    assert said(caplog) == ["paused", "log", "done", "delete"]
    stream.advance(1)
    assert said(caplog)[-1] == "tick"
    assert stream.request("GET", "/").response is None  # the module is well, and pauses again or has no body


def test_a_client_that_leaves_a_paused_response(caplog):
    caplog.set_level(logging.INFO, "pyvoy.wasm")
    guest = Guest().on("response_headers", returns=1).on("delete", log("deleted"))
    stream = stream_of(guest)
    stream.request("GET", "/").respond(200, {}, b"body")
    assert stream.response is None
    stream.reset()
    assert said(caplog) == ["deleted"]


REPLY = (
    call("send_local_response", 201, "d", "first", Raw(0, 0), 0),
    call("send_local_response", 202, "d", "second", Raw(0, 0), 0),
)


def test_two_replies_and_a_continue_in_one_callback():
    guest = Guest().on("request_headers", *REPLY, call("continue_stream", 0), call("continue_stream", 1), returns=0)
    stream = stream_of(guest).request("GET", "/")
    assert stream.forwarded is None
    assert stream.response.status == 201


@pytest.mark.parametrize("steps", [(*REPLY, call("close_stream", 0)), (call("close_stream", 0), *REPLY)])
def test_a_close_beside_a_reply_leaves_the_client_without_an_answer(steps):
    stream = stream_of(Guest().on("request_headers", *steps, returns=0)).request("GET", "/")
    assert (stream.forwarded, stream.response) == (None, None)
    assert stream.was_reset


def test_closing_a_stream_twice():
    guest = Guest().on("request_headers", call("close_stream", 0), call("close_stream", 0), call("close_stream", 1))
    assert stream_of(guest).request("GET", "/").was_reset


@pytest.mark.parametrize("callback", ["log", "done", "delete"])
def test_what_is_asked_for_behind_the_end_of_a_stream_has_no_effect(callback):
    after = (*REPLY, call("continue_stream", 0), call("continue_stream", 1), call("close_stream", 0))
    guest = Guest().on(callback, *after)
    stream = stream_of(guest)
    for _ in range(2):
        stream.request("GET", "/").respond(200, {}, b"ok")
        assert stream.response.status == 200


@pytest.mark.parametrize("callback", ["request_headers", "request_body"])
def test_a_reply_that_the_module_does_not_live_to_see(callback):
    guest = Guest().on(callback, *REPLY, TRAP)
    stream = stream_of(guest).request("POST", "/", {}, b"body")
    assert stream.response.status == 503


def test_resuming_the_response_of_a_paused_request():
    guest = Guest().on("request_headers", call("continue_stream", 1), returns=1)
    stream = stream_of(guest).request("GET", "/")
    assert (stream.forwarded, stream.response) == (None, None)


def test_a_reply_passes_the_response_callbacks_of_its_module(caplog):
    caplog.set_level(logging.INFO, "pyvoy.wasm")
    guest = Guest().on("request_headers", show_reply(418), returns=0)
    guest.on("response_headers", note("rh", P(2)), show_log(), call("add_header_map_value", 2, "x-r", "1", quiet=True))
    guest.on("response_body", note("rb", P(1), "/", P(2)), show_log())
    stream = stream_of(guest.on("log", log("log")))
    stream.request("GET", "/")
    assert stream.response.status == 418
    assert stream.response.headers["x-r"] == "1"
    assert said(caplog)[-1] == "log"


def test_one_vm_that_fails_leaves_another_alone():
    bad = stream_of(Guest().on("request_headers", when_path("/bad", TRAP)))
    good = stream_of(Guest().on("request_headers"))
    bad.request("GET", "/bad")
    good.request("GET", "/")
    assert bad.response.status == 503
    assert good.forwarded is not None
