"""Wasm in the running proxy: code from a cluster, services, reloads, workers, and modules that misbehave."""

from __future__ import annotations

import base64
import hashlib
import http.client
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyvoy.extensions.wasm.pairs import serialize
from tests.integration.proxy import MANAGER, ROUTER, Proxy, address, cluster, typed, upstream
from tests.support.guest import (
    GROW,
    OUT,
    OUT_U32,
    SPIN,
    TRAP,
    At,
    Guest,
    Raw,
    Saved,
    answer,
    call,
    note,
    save,
    show_header,
    show_log,
    show_reply,
    when_path,
)

FILTER = "envoy.extensions.filters.http.wasm.v3.Wasm"
SERVICE = "envoy.extensions.wasm.v3.WasmService"


@pytest.fixture
def proxy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setenv("PYVOY_WASM_CACHE", str(tmp_path / "cache"))
    made = Proxy(tmp_path)
    yield made
    made.stop()


def plugin(guest: Guest | dict[str, Any], name: str = "p", vm_id: str = "", **more: Any) -> dict[str, Any]:
    """A PluginConfig."""
    code = guest if isinstance(guest, dict) else {"local": {"inline_bytes": guest.inline()}}
    return {"name": name, "vm_config": {"vm_id": vm_id, "code": code}, **more}


def web(port: int, *plugins: dict[str, Any], to: str = "") -> dict[str, Any]:
    """A listener with Wasm filters: it answers "ok" itself, or passes everything to a cluster."""
    action = {"route": {"cluster": to}} if to else {"direct_response": {"status": 200, "body": {"inline_string": "ok"}}}
    filters = [{"name": f"w{at}", "typed_config": typed(FILTER, config=config)} for at, config in enumerate(plugins)]
    manager = typed(
        MANAGER,
        stat_prefix="web",
        route_config={
            "virtual_hosts": [{"name": "v", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, **action}]}]
        },
        http_filters=[*filters, {"name": "router", "typed_config": typed(ROUTER)}],
    )
    chain = {"filters": [{"name": "manager", "typed_config": manager}]}
    return {"name": "web", "address": address(port), "filter_chains": [chain]}


def runtime(**values: Any) -> dict[str, Any]:
    """Static runtime values of pyvoy.wasm."""
    layer = {f"pyvoy.wasm.{key}": value for key, value in values.items()}
    return {"layered_runtime": {"layers": [{"name": "static", "static_layer": layer}]}}


# ---- development ----


def test_an_edit_of_a_modules_file_is_live_and_a_mistake_leaves_the_old_one(proxy: Proxy) -> None:
    def guest(version: str) -> bytes:
        return Guest().on("response_headers", note(version), show_header(2, "x-version")).build()

    def version() -> str:
        return str(proxy.request("GET", "/", proxy.ports[0])[2]["x-version"]).strip()

    file = proxy.folder / "plugin.wasm"
    file.write_bytes(guest("one"))
    proxy.configure(listeners=[web(proxy.ports[0], plugin({"local": {"filename": str(file)}}))])
    proxy.start("--dev", workers=2)
    assert version() == "one"
    file.write_bytes(guest("two"))
    proxy.wait(lambda: {version() for _ in range(8)} == {"two"})
    file.write_bytes(b"no module")
    proxy.wait(lambda: "Unable to create Wasm HTTP filter p" in proxy.log())
    assert version() == "two"
    file.write_bytes(Guest().on("configure", returns=0).build())
    proxy.wait(lambda: "proxy_on_configure returned false" in proxy.log())
    assert version() == "two"
    file.write_bytes(guest("three"))
    proxy.wait(lambda: {version() for _ in range(8)} == {"three"})


# ---- calls while it starts ----


def test_a_plugin_calls_a_cluster_while_it_is_configured_and_again_after_a_reload(proxy: Proxy) -> None:
    head = serialize([(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a")])
    for name in ("first", "second"):
        ask = call("http_call", name, head, Raw(0, 0), Raw(0, 0), 1000, At(256), label="call")
        guest = Guest().on("vm_start", ask, returns=1).on("configure", ask, returns=1)
        guest.on("http_call_response", call("get_buffer_bytes", 4, 0, 9, OUT, label="told"), show_log())
        with upstream(body=name.encode()) as port:
            proxy.configure(listeners=[web(proxy.ports[0], plugin(guest))], clusters=[cluster(name, port)])
            if name == "first":
                proxy.start("--dev")
            proxy.wait(lambda name=name: proxy.log().count(f"told=0:{name} ") == 2)


# ---- code from a cluster ----


def test_code_is_fetched_by_its_digest_while_the_listener_warms_and_kept(proxy: Proxy) -> None:
    guest = Guest().on("response_headers", call("add_header_map_value", 2, "x-wasm", "yes", quiet=True))
    wasm = guest.build()
    digest = hashlib.sha256(wasm).hexdigest()
    remote = {"http_uri": {"uri": "http://code.test/m.wasm", "cluster": "code", "timeout": "2s"}, "sha256": digest}
    with upstream(delay_s=0.3, body=wasm) as port:
        proxy.configure(listeners=[web(proxy.ports[0], plugin({"remote": remote}))], clusters=[cluster("code", port)])
        proxy.start()
        assert proxy.request("GET", "/", proxy.ports[0])[2]["x-wasm"] == "yes"
        stats = proxy.stats()
        assert (stats["wasm.remote_load_cache_misses"], stats["wasm.remote_load_fetch_successes"]) == (1, 1)
        proxy.stop()
    proxy.start()  # nobody serves the code any more
    assert proxy.request("GET", "/", proxy.ports[0])[2]["x-wasm"] == "yes"
    assert proxy.stats()["wasm.remote_load_cache_hits"] == 1


@pytest.mark.parametrize(("policy", "status"), [("FAIL_CLOSED", 503), ("FAIL_OPEN", 200)])
def test_code_that_is_not_to_be_had_fails_as_the_policy_says(proxy: Proxy, policy: str, status: int) -> None:
    remote = {
        "http_uri": {"uri": "http://code.test/m.wasm", "cluster": "code", "timeout": "1s"},
        "sha256": "0" * 64,
        "retry_policy": {"num_retries": 1, "retry_back_off": {"base_interval": "0.01s"}},
    }
    config = plugin({"remote": remote}, failure_policy=policy)
    with upstream(body=b"something else") as port:
        proxy.configure(listeners=[web(proxy.ports[0], config)], clusters=[cluster("code", port)])
        proxy.start()
        assert proxy.get("/", proxy.ports[0])[0] == status
        assert proxy.stats()["wasm.remote_load_fetch_failures"] == 2
    assert "its SHA-256 is" in proxy.log()


# ---- services ----


def test_a_service_ticks_without_any_stream(proxy: Proxy) -> None:
    guest = (
        Guest()
        .on("configure", call("set_tick_period_milliseconds", 20, quiet=True), returns=1)
        .on(
            "tick",
            call("define_metric", 0, "ticks", At(256), quiet=True),
            save(),
            call("increment_metric", Saved(), 1, quiet=True),
        )
    )
    service = {"name": "envoy.bootstrap.wasm", "typed_config": typed(SERVICE, config=plugin(guest), singleton=True)}
    proxy.configure(bootstrap_extensions=[service])
    proxy.start(workers=2)
    proxy.wait(lambda: proxy.stats().get("wasmcustom.ticks", 0) >= 3)


def test_a_call_answers_a_paused_request(proxy: Proxy) -> None:
    from pyvoy.extensions.wasm.pairs import serialize

    headers = serialize([(b":method", b"GET"), (b":path", b"/x"), (b":authority", b"b")])
    guest = (
        Guest()
        .on(
            "request_headers",
            "(global.set $saved1 (local.get 0))",
            call("http_call", "service", headers, Raw(0, 0), Raw(0, 0), 1000, At(256), quiet=True),
            returns=1,
        )
        .on(
            "http_call_response",
            call("get_buffer_bytes", 4, 0, 100, OUT),
            call("set_effective_context", Saved(1), quiet=True),
            show_reply(),
        )
    )
    with upstream(body=b"called") as port:
        proxy.configure(listeners=[web(proxy.ports[0], plugin(guest))], clusters=[cluster("service", port)])
        proxy.start()
        assert proxy.get("/", proxy.ports[0]) == (200, "get_buffer_bytes=0:called ")


def test_shared_data_and_queues_are_those_of_all_workers(proxy: Proxy) -> None:
    guest = Guest().on(
        "request_headers",
        when_path("/set", call("set_shared_data", "k", "v", 0), show_reply(), answer(1)),
        call("register_shared_queue", "q", At(256), quiet=True),
        save(),
        when_path("/push", call("enqueue_shared_queue", Saved(), "i"), show_reply(), answer(1)),
        when_path("/pop", call("dequeue_shared_queue", Saved(), OUT), show_reply(), answer(1)),
        call("get_shared_data", "k", OUT, OUT_U32),
        show_reply(),
        returns=1,
    )
    proxy.configure(listeners=[web(proxy.ports[0], plugin(guest, vm_id="v"))])
    proxy.start(workers=2)
    assert proxy.get("/set", proxy.ports[0])[1] == "set_shared_data=0 "
    seen = {proxy.get("/get", proxy.ports[0])[1].partition(":")[2][:1] for _ in range(12)}
    assert seen == {"v"}
    for _ in range(6):
        assert proxy.get("/push", proxy.ports[0])[1] == "enqueue_shared_queue=0 "
    found = [proxy.get("/pop", proxy.ports[0])[1] for _ in range(7)]
    assert found.count("dequeue_shared_queue=0:i ") == 6
    assert found.count("dequeue_shared_queue=7 ") == 1


# ---- reload ----


def test_a_reload_ends_the_old_plugin_and_old_connections_go_on(proxy: Proxy) -> None:
    guest = Guest().on("done", call("log", 3, "old plugin done", quiet=True), returns=1)
    guest.on("response_headers", call("add_header_map_value", 2, "x-v", "1", quiet=True))
    proxy.configure(listeners=[web(proxy.ports[0], plugin(guest))])
    proxy.start()
    kept = http.client.HTTPConnection("127.0.0.1", proxy.ports[0], timeout=5)
    kept.request("GET", "/")
    first = kept.getresponse()
    first.read()
    second = Guest().on("response_headers", call("add_header_map_value", 2, "x-v", "2", quiet=True))
    proxy.configure(listeners=[web(proxy.ports[0], plugin(second))])
    proxy.reload()
    assert proxy.request("GET", "/", proxy.ports[0])[2]["x-v"] == "2"
    assert "old plugin done" in proxy.log()
    kept.request("GET", "/")
    again = kept.getresponse()
    assert (first.headers["x-v"], again.status) == ("1", 200)
    kept.close()


def test_a_reload_with_a_bad_module_keeps_the_old_one(proxy: Proxy) -> None:
    guest = Guest().on("response_headers", call("add_header_map_value", 2, "x-v", "1", quiet=True))
    proxy.configure(listeners=[web(proxy.ports[0], plugin(guest))])
    proxy.start()
    proxy.configure(listeners=[web(proxy.ports[0], plugin(Guest().on("configure", returns=0)))])
    proxy.signal(1)
    proxy.wait(lambda: "Unable to create Wasm HTTP filter p: proxy_on_configure returned false" in proxy.log())
    assert proxy.request("GET", "/", proxy.ports[0])[2]["x-v"] == "1"


def test_a_new_build_of_a_module_is_live_with_dev(proxy: Proxy, tmp_path: Path) -> None:
    def build(version: str) -> None:
        step = call("add_header_map_value", 2, "x-v", version, quiet=True)
        (tmp_path / "new.wasm").write_bytes(Guest().on("response_headers", step).build())
        (tmp_path / "new.wasm").replace(tmp_path / "m.wasm")

    build("1")
    proxy.configure(listeners=[web(proxy.ports[0], plugin({"local": {"filename": str(tmp_path / "m.wasm")}}))])
    proxy.start("--dev")
    assert proxy.request("GET", "/", proxy.ports[0])[2]["x-v"] == "1"
    build("2")
    proxy.wait(lambda: proxy.request("GET", "/", proxy.ports[0])[2]["x-v"] == "2")


# ---- modules that misbehave ----

BAD = {
    "trap": (TRAP, "unreachable"),
    "endless loop": (SPIN, "interrupt"),
    "runaway memory": (GROW, "unreachable"),
    "bad pointer": ("(drop (i32.load (i32.const 0x7fffff00)))", "out of bounds"),
    "endless recursion": ("(call $deep)", "stack"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_module_that_misbehaves_ends_its_vm_and_nothing_else(proxy: Proxy, name: str) -> None:
    body, cause = BAD[name]
    guest = Guest(extra="(func $deep (call $deep) (call $deep))").on(
        "request_headers", call("log", 3, "last words", quiet=True), when_path("/bad", body), answer(0)
    )
    other = Guest().on("response_headers", call("add_header_map_value", 2, "x-other", "alive", quiet=True))
    good = {**web(proxy.ports[1], plugin(other, vm_id="other")), "name": "good"}
    proxy.configure(
        listeners=[web(proxy.ports[0], plugin(guest, vm_id="bad")), good],
        **runtime(call_time_limit_ms=150, memory_limit_mib=32),
    )
    proxy.start()
    workers = proxy.workers()
    assert proxy.get("/", proxy.ports[0])[0] == 200
    assert proxy.get("/bad", proxy.ports[0]) == (503, "")
    assert proxy.get("/", proxy.ports[0])[0] == 503  # the VM has failed
    assert proxy.request("GET", "/", proxy.ports[1])[2]["x-other"] == "alive"
    assert proxy.workers() == workers
    log = proxy.log()
    assert cause in log
    assert f"at {'deep' if name == 'endless recursion' else 'on_request_headers'}" in log
    assert "logged before: last words" in log


def test_a_vm_is_made_anew_when_the_policy_says_so(proxy: Proxy) -> None:
    guest = Guest().on("request_headers", when_path("/bad", TRAP), answer(0))
    guest.on("response_headers", call("add_header_map_value", 2, "x-v", "1", quiet=True))
    config = plugin(guest, failure_policy="FAIL_RELOAD", reload_config={"backoff": {"base_interval": "0.2s"}})
    proxy.configure(listeners=[web(proxy.ports[0], config)])
    proxy.start()
    time.sleep(0.35)
    assert proxy.get("/bad", proxy.ports[0])[0] == 503
    status, _, headers = proxy.request("GET", "/", proxy.ports[0])
    assert (status, headers["x-v"]) == (200, "1")
    assert proxy.get("/bad", proxy.ports[0])[0] == 503
    assert proxy.get("/", proxy.ports[0])[0] == 503  # too soon
    proxy.wait(lambda: proxy.get("/", proxy.ports[0])[0] == 200)
    stats = proxy.stats()
    assert stats["wasm.p.vm_reload_success"] == 2
    assert stats["wasm.p.vm_reload_backoff"] >= 1


def test_streams_that_a_failed_vm_holds_are_ended_at_once(proxy: Proxy) -> None:
    guest = (
        Guest()
        .on("configure", call("set_tick_period_milliseconds", 300, quiet=True), returns=1)
        .on("tick", TRAP)
        .on("request_headers", returns=1)
    )
    proxy.configure(listeners=[web(proxy.ports[0], plugin(guest))])
    proxy.start()
    assert proxy.get("/", proxy.ports[0])[0] == 503


def test_a_trap_in_the_answer_of_a_call_ends_the_stream_that_waits(proxy: Proxy) -> None:
    from pyvoy.extensions.wasm.pairs import serialize

    headers = serialize([(b":method", b"GET"), (b":path", b"/x"), (b":authority", b"b")])
    guest = (
        Guest()
        .on(
            "request_headers",
            call("http_call", "service", headers, Raw(0, 0), Raw(0, 0), 1000, At(256), quiet=True),
            returns=1,
        )
        .on("http_call_response", TRAP)
    )
    with upstream(body=b"called") as port:
        proxy.configure(listeners=[web(proxy.ports[0], plugin(guest))], clusters=[cluster("service", port)])
        proxy.start()
        assert proxy.get("/", proxy.ports[0])[0] == 503


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (b"no module", "is no WebAssembly module"),
        (b"\0asm\1\0\0\0", "Missing or unknown Proxy-Wasm ABI version"),
        (Guest(imports='(import "env" "nowhere" (func (param i32)))').build(), "missing import: env.nowhere ((i32))"),
        (Guest().on("vm_start", returns=0).build(), "proxy_on_vm_start returned false"),
        (Guest(entry='(func (export "_initialize") unreachable)').build(), "the VM failed while it started"),
    ],
)
def test_a_module_that_does_not_start_refuses_the_configuration(proxy: Proxy, code: bytes, text: str) -> None:
    inline = {"local": {"inline_bytes": base64.b64encode(code).decode()}}
    proxy.configure(listeners=[web(proxy.ports[0], plugin(inline))])
    done = subprocess.run(
        [sys.executable, "-m", "pyvoy", "-c", str(proxy.path), "--mode", "validate"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 1
    assert f"Unable to create Wasm HTTP filter p: {text}" in done.stdout + done.stderr


def test_a_plugin_that_fails_open_is_left_out_with_a_warning(proxy: Proxy) -> None:
    proxy.configure(listeners=[web(proxy.ports[0], plugin(Guest().on("configure", returns=0), fail_open=True))])
    proxy.start()
    assert proxy.get("/", proxy.ports[0]) == (200, "ok")
    assert "Unable to create Wasm HTTP filter p" in proxy.log()


def test_a_python_class_stands_in_for_a_module(proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "stand_in.py").write_text(
        "from pyvoy.extensions.wasm.null import NullPlugin\n"
        "class Adds(NullPlugin):\n"
        "    def proxy_on_response_headers(self, context_id, count, end):\n"
        "        status, value = self.call('get_header_map_value', 2, ':status', results=1)\n"
        "        self.call('add_header_map_value', 2, 'x-null', value + b'!')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    config = plugin({"local": {"inline_string": "stand_in:Adds"}})
    config["vm_config"]["runtime"] = "envoy.wasm.runtime.null"
    proxy.configure(listeners=[web(proxy.ports[0], config)])
    proxy.start()
    assert proxy.request("GET", "/", proxy.ports[0])[2]["x-null"] == "200!"


def test_traced_calls_are_shown_with_a_trap(proxy: Proxy) -> None:
    guest = Guest().on("request_headers", call("get_header_map_value", 0, "x", OUT, quiet=True), TRAP)
    proxy.configure(listeners=[web(proxy.ports[0], plugin(guest))], **runtime(trace_calls=True))
    proxy.start()
    assert proxy.get("/", proxy.ports[0])[0] == 503
    assert "called before: proxy_get_header_map_value(0, " in proxy.log()
    assert ") NOT_FOUND " in proxy.log()


def test_a_trace_lists_the_host_calls_of_each_callback(proxy: Proxy) -> None:
    guest = Guest().on("request_headers", call("get_header_map_value", 0, "x-asked", OUT, quiet=True))
    guest.on("response_headers", call("add_header_map_value", 2, "x-added", "value", quiet=True))
    proxy.configure(listeners=[web(proxy.ports[0], plugin(guest))])
    proxy.start("--trace")
    url = f"http://127.0.0.1:{proxy.ports[0]}/"
    command = [sys.executable, "-m", "pyvoy", "trace", url, "--admin", f"127.0.0.1:{proxy.admin_port}"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    request, _, rest = shown.partition("\nresponse\n")
    assert "proxy_get_header_map_value(0, 'x-asked', " in request
    assert "NOT_FOUND" in request
    assert "proxy_add_header_map_value(2, 'x-added', 'value') OK " in rest
    assert "+ x-added: value" in rest
    assert "called before" not in proxy.log()


def test_in_lenient_mode_request_headers_can_be_read_later(proxy: Proxy) -> None:
    guest = Guest().on(
        "response_headers", note("late"), call("get_header_map_value", 0, ":path", OUT, label="v"), show_header(2)
    )
    proxy.configure(listeners=[web(proxy.ports[0], plugin(guest))], **runtime(strict_phases=False))
    proxy.start()
    assert proxy.request("GET", "/p", proxy.ports[0])[2]["x-notes"] == "late v=0:/p "
