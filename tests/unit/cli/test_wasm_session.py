"""`pyvoy wasm run` of modules for connections: what passes each way, is changed, held, and who closes."""

from __future__ import annotations

import json

import pytest

from tests.support.guest import OUT, TRAP, At, Guest, P, Raw, Saved, answer, call, keep, log, note, show_log

FULL = "(if (i32.lt_u (local.get 1) (i32.const 5)) (then"


def said(out):
    """What the module has logged."""
    return [line.split(maxsplit=1)[1].strip() for line in out.splitlines() if line.startswith("    info ")]


def test_bytes_pass_both_ways_in_pieces(wasm_run):
    guest = Guest().on("new_connection", log("new"))
    guest.on("downstream_data", note("d", P(1), "/", P(2)), show_log()).on("upstream_data", note("u", P(1)), show_log())
    guest.on("downstream_connection_close", note("closed", P(1)), show_log()).on("log", log("logged"))
    status, out = wasm_run(guest, "--data", "abc", "--data", "de", "--upstream-data", "answer")
    assert status == 0
    assert said(out) == ["new", "d3/0", "d2/0", "u6", "d0/1", "u0", "closed1", "logged"]
    lines = ("client: 5 bytes", "    unchanged", "upstream: 6 bytes", "    unchanged")
    assert out.startswith("\n".join((*lines, "connection: the client ends it first\n")))


def test_what_the_module_makes_of_them(wasm_run):
    guest = Guest().on("downstream_data", call("set_buffer_bytes", 2, 0, 3, "changed\nby it", quiet=True))
    guest.on("upstream_data", call("set_buffer_bytes", 3, 0, 99, Raw(0, 0), quiet=True))
    status, out = wasm_run(guest, "--data", "abc", "--upstream-data", "gone", "--close", "none")
    assert status == 0
    assert "client: 3 bytes\n    13 bytes are passed on:\n        changed\n        by it\n" in out
    assert "upstream: 4 bytes\n    nothing is passed on\nconnection: left open" in out


def test_a_module_that_keeps_bytes_back(wasm_run):
    guest = Guest().on("downstream_data", FULL, answer(1), "))")
    status, out = wasm_run(guest, "--data", "ab", "--close", "none")
    assert status == 3
    assert "client: 2 bytes\n    the module keeps them back\n" in out
    status, out = wasm_run(guest, "--data", "ab", "--data", "cde", "--close", "none")
    assert status == 0
    assert "client: 5 bytes\n    unchanged\n" in out


def test_a_module_that_closes_the_connection(wasm_run):
    guest = Guest().on("downstream_data", call("close_stream", 2, quiet=True), returns=1)
    status, out = wasm_run(guest, "--data", "ab", "--upstream-data", "never")
    assert status == 0
    assert "upstream: 0 bytes, 5 not sent any more\nconnection: closed by the module\n" in out


def test_the_upstream_ends_first(wasm_run):
    guest = (
        Guest()
        .on("upstream_connection_close", log("up"))
        .on("downstream_connection_close", note("down", P(1)), show_log())
    )
    status, out = wasm_run(guest, "--close", "upstream")
    assert status == 0
    assert said(out) == ["up", "down2"]


def test_calls_and_time(wasm_run):
    head = b"\3\0\0\0\7\0\0\0\3\0\0\0\5\0\0\0\1\0\0\0\12\0\0\0\1\0\0\0:method\0GET\0:path\0/\0:authority\0a\0"
    ask = call("http_call", "auth", head, Raw(0, 0), Raw(0, 0), 1000, At(256), quiet=True)
    guest = Guest().on("new_connection", keep(0), ask, returns=1)
    resume = (call("set_effective_context", Saved(), quiet=True), call("continue_stream", 2, quiet=True))
    guest.on("http_call_response", call("get_buffer_bytes", 4, 0, 9, OUT, label="told"), show_log(), *resume)
    status, out = wasm_run(guest, "--data", "ab", "--cluster", "auth=200:fine", "--seconds", "1")
    assert status == 0
    assert said(out) == ["told=0:fine"]
    assert "client: 2 bytes\n    unchanged\n" in out
    assert "calls to clusters:\n    auth: GET /, 0 bytes\n" in out


def test_a_trap(wasm_run):
    status, out = wasm_run(Guest().on("downstream_data", TRAP), "--data", "ab")
    assert status == 2
    assert "failed: wasm `unreachable` instruction executed\n    at on_downstream_data" in out


def test_properties_configuration_and_refusal(wasm_run):
    guest = Guest().on("new_connection", call("get_property", "source\0address", OUT, label="from"), show_log())
    assert "from=0:1.2.3.4:5" in wasm_run(guest, "--property", "source.address=1.2.3.4:5")[1]
    status, out = wasm_run(Guest().on("configure", returns=0).on("new_connection"), "--data", "x")
    assert status == 1
    assert "is refused: " in out


def test_a_module_for_requests_on_a_connection(wasm_run):
    status, out = wasm_run(Guest().on("request_headers"), "--data", "x")
    assert status == 0
    assert out.startswith("the module has no callback for connections\n")


@pytest.mark.parametrize("arguments", [(), ("--data", "\u00fc")])
def test_as_json(wasm_run, arguments):
    status, out = wasm_run(
        Guest().on("downstream_data", call("set_buffer_bytes", 2, 0, 0, b"\xff", quiet=True)), "--json", *arguments
    )
    found = json.loads(out)
    assert status == found["exit_status"] == 0
    assert found["session"]["sent"] == "".join(arguments[1:])
    assert found["session"]["forwarded"].startswith("\\xff")
    assert found["session"]["held"] == []
