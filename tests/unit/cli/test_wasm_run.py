"""`pyvoy wasm run`: what is printed of a module at work, and how it ends."""

from __future__ import annotations

import json

import pytest

from pyvoy.cli.main import main
from pyvoy.extensions.wasm.pairs import serialize
from tests.support.guest import (
    OUT,
    OUT_U32,
    SPIN,
    TRAP,
    At,
    Guest,
    P,
    Raw,
    Saved,
    call,
    keep,
    log,
    note,
    save,
    show_header,
    show_log,
    show_reply,
)


def test_what_changes_is_shown_both_ways(wasm_run):
    status, out = wasm_run(
        "canary", "--header", "x-canary=1", "--header", "x-other: a=b", "--path", "/p", "--method", "PUT"
    )
    assert status == 0
    assert "request: PUT /p\n    + x-stage: canary\nresponse: 200\n    unchanged\n" in out
    assert "canary.canary: 1" in out
    status, out = wasm_run(
        "add_header", "--status", "302", "--response-header", "location=/a", "--response-body", "text"
    )
    assert "response: 302\n    - location: /a\n    + hello: world!\n    + location: envoy-wasm\n" in out


def test_bodies_come_in_pieces(wasm_run):
    guest = Guest().on("request_body", note("b", P(1), "/", P(2)), show_log())
    status, out = wasm_run(guest, "--body", "abc", "--body", "de")
    assert status == 0
    assert "request: POST /" in out
    assert [line.split()[1:] for line in out.splitlines() if "info" in line] == [["b3/0"], ["b2/0"], ["b0/1"]]
    status, out = wasm_run(
        "redact_json",
        "--response-header", "content-type=application/json", "--response-body", '{"token', "--response-body", '": 1}',
    )  # fmt: skip
    assert '{"token":"***"} (body)' in out


def test_a_reply_of_the_module(wasm_run):
    status, out = wasm_run("auth_token")
    assert status == 0
    assert "does not reach the upstream" in out
    assert "response: 401, a local reply" in out
    assert "www-authenticate: Bearer" in out


def test_calls_to_clusters_are_shown_and_answered(wasm_run):
    status, out = wasm_run("auth_token", "--header", "authorization=x", "--cluster", "auth=200")
    assert status == 0
    assert "+ x-user: unknown" in out
    assert "calls to clusters:\n    auth: GET /check, 0 bytes" in out
    status, out = wasm_run("auth_token", "--header", "authorization=x", "--cluster", "auth=403:go away")
    assert "response: 403, a local reply" in out


def test_calls_to_clusters_that_are_not_there_are_named(wasm_run):
    _, out = wasm_run("auth_token", "--header", "authorization=x")
    assert "refused, as there is no such cluster here:\n    auth: --cluster 'auth=200:BODY' answers it\n" in out


def test_configuration_root_id_and_properties(wasm_run, tmp_path):
    text = call("get_buffer_bytes", 7, 0, 99, OUT, label="c")
    guest = (
        Guest()
        .on("configure", text, call("get_buffer_bytes", 6, 0, 99, OUT, label="v"), returns=1)
        .on(
            "request_headers",
            *(call("get_property", path, OUT, label="p") for path in ("plugin_root_id", "source\0address", "my\0own")),
            show_reply(),
        )
    )
    (tmp_path / "config").write_text("from a file")
    arguments = ("--config", f"@{tmp_path / 'config'}", "--vm-config", "vm", "--root-id", "root")
    status, out = wasm_run(guest, *arguments, "--property", "source.address=1.2.3.4:5", "--property", "my.own=yes")
    assert status == 0
    assert "c=0:from a file v=0:vm p=0:root p=0:1.2.3.4:5 p=0:yes" in out


def test_a_module_without_a_callback_for_requests(wasm_run):
    status, out = wasm_run(Guest().on("tick"))
    assert status == 0
    assert out.startswith("the module has no callback for requests and responses\n")


def test_a_trap_is_explained(wasm_run):
    status, out = wasm_run(Guest().on("request_headers", log("before"), TRAP))
    assert status == 2
    assert "response: 503, a local reply (wasm_fail_stream)" in out
    assert "failed: wasm `unreachable` instruction executed\n    at on_request_headers" in out
    assert "info     before" in out


def test_a_message_of_several_lines(wasm_run):
    _, out = wasm_run(Guest().on("request_headers", log("panicked at src/lib.rs\nno such user\n"), log("next")))
    assert "    info     panicked at src/lib.rs\n             no such user\n    info     next\n" in out


def test_a_module_that_fails_may_be_one_for_connections(wasm_run):
    both = Guest().on("request_headers", TRAP).on("new_connection", TRAP)
    assert "(this was a request; " in wasm_run(both)[1]
    assert "(this was a connection; " in wasm_run(both, "--data", "x")[1]
    assert "(this was" not in wasm_run(Guest().on("request_headers", TRAP))[1]


def test_a_trace_line_has_its_level(wasm_run):
    guest = Guest().on("new_connection", log("seen", 0))
    assert "trace    seen" in wasm_run(guest, "--data", "x", "-v")[1]
    assert "seen" not in wasm_run(guest, "--data", "x")[1]


def test_a_loop_ends(wasm_run):
    status, out = wasm_run(Guest().on("request_headers", SPIN))
    assert status == 2
    assert "ran longer than its limit" in out


def test_one_that_waits(wasm_run):
    status, out = wasm_run(Guest().on("request_headers", returns=1))
    assert status == 3
    assert "none yet, the module waits" in out


def test_time_passes(wasm_run):
    ticking = Guest().on("configure", call("set_tick_period_milliseconds", 1000), returns=1).on("tick", log("tick"))
    status, out = wasm_run(ticking, "--seconds", "2.5")
    assert status == 0
    assert out.count("tick\n") == 5  # twice in front of the response, and the third is due after it


def test_debug_lines_only_when_asked_for(wasm_run):
    guest = Guest().on("request_headers", log("quiet", 1), log("loud", 3))
    assert "quiet" not in wasm_run(guest)[1]
    assert "debug    quiet" in wasm_run(guest, "--verbose")[1]


def test_host_calls_with_their_texts_and_times(wasm_run):
    guest = Guest().on("request_headers", call("get_header_map_value", 0, "x-a", OUT, quiet=True))
    _, out = wasm_run(guest, "--calls")
    [line] = [line for line in out.splitlines() if "proxy_get_header_map_value" in line]
    assert line.startswith("    proxy_get_header_map_value(0, 'x-a', ")
    assert " NOT_FOUND " in line
    assert line.endswith(" us")


def test_as_json(wasm_run):
    guest = Guest().on("response_headers", note("n"), show_header(2)).on("log", log("end"), TRAP)
    status, out = wasm_run(guest, "--json")
    found = json.loads(out)
    assert status == found["exit_status"] == 2
    assert found["response_changes"] == ["+ x-notes: n "]
    assert found["failure"]["backtrace"] == ["on_log"]
    assert found["logs"] == [["info", "end"]]


@pytest.mark.parametrize(
    ("guest", "text"),
    [
        (Guest(imports='(import "env" "nowhere" (func (param i64)))'), "missing import: env.nowhere"),
        (Guest().on("configure", log("no", 4), returns=0), "proxy_on_configure returned false\nlog:\n    error    no"),
        (Guest().on("configure", TRAP), "the VM failed while it started"),
    ],
)
def test_modules_that_do_not_start(wasm_run, guest, text):
    status, out = wasm_run(guest)
    assert status == 1
    assert "is refused: " in out
    assert text in out


GRPC = (call("grpc_call", "db", "my.Service", "Do", serialize([(b"x-user", b"u")]), "question", 1000, At(256)),)
STREAM = (
    call("grpc_stream", "db", "my.Service", "Talk", Raw(0, 0), At(256)),
    save(0),
    call("grpc_send", Saved(0), "one", 0),
    call("grpc_send", Saved(0), "two", 1),
)


def grpc_guest(*steps, unary=False):
    """A module that waits for the end of a call and answers with what it was told."""
    guest = Guest().on("request_headers", keep(0, 1), *steps, returns=1)
    got = call("get_buffer_bytes", 5, 0, 99, OUT, label="got")
    back = (call("set_effective_context", Saved(1)), show_reply())
    guest.on("grpc_receive", got, *(back if unary else ()))
    return guest.on("grpc_close", note("closed ", P(2)), call("get_status", OUT_U32, OUT, label="status"), *back)


def test_grpc_calls_are_answered_and_shown(wasm_run):
    status, out = wasm_run(grpc_guest(*GRPC, unary=True), "--grpc", "db=OK:the answer")
    assert status == 0
    assert "got=0:the answer" in out
    assert "gRPC calls to clusters:\n    db: /my.Service/Do, 1 messages\n" in out
    status, out = wasm_run(grpc_guest(*GRPC, unary=True), "--grpc", "db=not_found:no such thing")
    assert "closed 5 status=0:5:no such thing" in out
    assert "closed 14" in wasm_run(grpc_guest(*GRPC, unary=True), "--grpc", "db=14")[1]


def test_grpc_streams_are_answered_with_several_messages(wasm_run, tmp_path):
    (tmp_path / "message.bin").write_bytes(b"from a file")
    status, out = wasm_run(grpc_guest(*STREAM), "--grpc", "db=0:first", "--grpc", f"db=0:@{tmp_path / 'message.bin'}")
    assert status == 0
    assert "got=0:first" in out
    assert "got=0:from a file" in out
    assert "closed 0" in out
    assert "    db: /my.Service/Talk, 2 messages\n" in out


def test_a_grpc_call_that_nobody_answers(wasm_run):
    status, out = wasm_run(grpc_guest(*GRPC, unary=True))
    assert status == 3
    assert "gRPC calls" not in out


def test_a_grpc_service_whose_cluster_is_not_there_is_named(wasm_run):
    service = b"\x0a\x04\x0a\x02db"  # envoy_grpc: {cluster_name: db}
    _, out = wasm_run(grpc_guest(call("grpc_stream", service, "my.Service", "Talk", Raw(0, 0), At(256))))
    assert "    db: --grpc 'db=OK:MESSAGE' answers it\n" in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--grpc", "db"), "is not a cluster's answer"),
        (("--grpc", "db=maybe"), "is no gRPC status"),
        (("--header", "nothing"), "is no header"),
        (("--property", "nothing"), "is not a property"),
        (("--cluster", "nothing"), "is not a cluster's answer"),
        (("--cluster", "a=b"), "invalid literal"),
        (("--config", "@/no/such/file"), "No such file"),
    ],
)
def test_command_lines_that_will_not_do(wasm_run, arguments, text):
    status, out = wasm_run(Guest(), *arguments)
    assert status == 1
    assert text in out


def test_a_file_that_is_not_there(capsys):
    assert main(["wasm", "run", "/no/such.wasm"]) == 1
    assert "there is no file /no/such.wasm" in capsys.readouterr().err
