"""`pyvoy wasm run`: what is printed of a module at work, and how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pyvoy.cli.main import main
from tests.support.guest import OUT, SPIN, TRAP, Guest, P, call, log, note, show_header, show_log, show_reply

GALLERY = Path(__file__).parents[3] / "filters"


@pytest.fixture
def run(tmp_path, capsys):
    """Run a module; exit status and output."""

    def act(module: Guest | str, *arguments: str) -> tuple[int, str]:
        if isinstance(module, Guest):
            path = tmp_path / "module.wasm"
            path.write_bytes(module.build())
        else:
            path = GALLERY / module / "filter.cpp.wasm"
        status = main(["wasm", "run", str(path), *arguments])
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return act


def test_what_changes_is_shown_both_ways(run):
    status, out = run("canary", "--header", "x-canary=1", "--header", "x-other: a=b", "--path", "/p", "--method", "PUT")
    assert status == 0
    assert "request: PUT /p\n    + x-stage: canary\nresponse: 200\n    unchanged\n" in out
    assert "canary.canary: 1" in out
    status, out = run("add_header", "--status", "302", "--response-header", "location=/a", "--response-body", "text")
    assert "response: 302\n    - location: /a\n    + hello: world!\n    + location: envoy-wasm\n" in out


def test_bodies_come_in_pieces(run):
    guest = Guest().on("request_body", note("b", P(1), "/", P(2)), show_log())
    status, out = run(guest, "--body", "abc", "--body", "de")
    assert status == 0
    assert "request: POST /" in out
    assert [line.split()[1:] for line in out.splitlines() if "info" in line] == [["b3/0"], ["b2/0"], ["b0/1"]]
    status, out = run(
        "redact_json",
        "--response-header", "content-type=application/json", "--response-body", '{"token', "--response-body", '": 1}',
    )  # fmt: skip
    assert '{"token":"***"} (body)' in out


def test_a_reply_of_the_module(run):
    status, out = run("auth_token")
    assert status == 0
    assert "does not reach the upstream" in out
    assert "response: 401, a local reply" in out
    assert "www-authenticate: Bearer" in out


def test_calls_to_clusters_are_shown_and_answered(run):
    status, out = run("auth_token", "--header", "authorization=x", "--cluster", "auth=200")
    assert status == 0
    assert "+ x-user: unknown" in out
    assert "calls to clusters:\n    auth: GET /check, 0 bytes" in out
    status, out = run("auth_token", "--header", "authorization=x", "--cluster", "auth=403:go away")
    assert "response: 403, a local reply" in out


def test_configuration_root_id_and_properties(run, tmp_path):
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
    status, out = run(guest, *arguments, "--property", "source.address=1.2.3.4:5", "--property", "my.own=yes")
    assert status == 0
    assert "c=0:from a file v=0:vm p=0:root p=0:1.2.3.4:5 p=0:yes" in out


def test_a_module_for_connections_is_told(run):
    status, out = run(Guest().on("downstream_data"))
    assert status == 0
    assert out.startswith("the module has no callback for requests and responses\n")


def test_a_trap_is_explained(run):
    status, out = run(Guest().on("request_headers", log("before"), TRAP))
    assert status == 2
    assert "response: 503, a local reply (wasm_fail_stream)" in out
    assert "failed: wasm `unreachable` instruction executed\n    at on_request_headers" in out
    assert "info     before" in out


def test_a_loop_ends(run):
    status, out = run(Guest().on("request_headers", SPIN))
    assert status == 2
    assert "ran longer than its limit" in out


def test_one_that_waits(run):
    status, out = run(Guest().on("request_headers", returns=1))
    assert status == 3
    assert "none yet, the module waits" in out


def test_time_passes(run):
    ticking = Guest().on("configure", call("set_tick_period_milliseconds", 1000), returns=1).on("tick", log("tick"))
    status, out = run(ticking, "--seconds", "2.5")
    assert status == 0
    assert out.count("tick\n") == 5  # twice in front of the response, and the third is due after it


def test_debug_lines_only_when_asked_for(run):
    guest = Guest().on("request_headers", log("quiet", 1), log("loud", 3))
    assert "quiet" not in run(guest)[1]
    assert "debug    quiet" in run(guest, "--verbose")[1]


def test_host_calls_with_their_texts_and_times(run):
    guest = Guest().on("request_headers", call("get_header_map_value", 0, "x-a", OUT, quiet=True))
    _, out = run(guest, "--calls")
    [line] = [line for line in out.splitlines() if "proxy_get_header_map_value" in line]
    assert line.startswith("    proxy_get_header_map_value(0, 'x-a', ")
    assert " NOT_FOUND " in line
    assert line.endswith(" us")


def test_as_json(run):
    guest = Guest().on("response_headers", note("n"), show_header(2)).on("log", log("end"), TRAP)
    status, out = run(guest, "--json")
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
def test_modules_that_do_not_start(run, guest, text):
    status, out = run(guest)
    assert status == 1
    assert "is refused: " in out
    assert text in out


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--header", "nothing"), "is no header"),
        (("--property", "nothing"), "is not a property"),
        (("--cluster", "nothing"), "is not a cluster's answer"),
        (("--cluster", "a=b"), "invalid literal"),
        (("--config", "@/no/such/file"), "No such file"),
    ],
)
def test_command_lines_that_will_not_do(run, arguments, text):
    status, out = run(Guest(), *arguments)
    assert status == 1
    assert text in out


def test_a_file_that_is_not_there(capsys):
    assert main(["wasm", "run", "/no/such.wasm"]) == 1
    assert "there is no file /no/such.wasm" in capsys.readouterr().err
