"""A Wasm filter in the filter chain, and in the contract of all HTTP filters."""

from __future__ import annotations

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.wasm import Wasm
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import (
    Play,
    act,
    after,
    data,
    forwarded,
    forwarded_data,
    headers,
    held,
    play,
    reply,
    reset,
    response,
    response_data,
    sent,
    sent_data,
)
from tests.support.guest import (
    OUT,
    SPIN,
    TRAP,
    Guest,
    P,
    Raw,
    Saved,
    answer,
    call,
    keep,
    note,
    plugin_yaml,
    show_header,
)


def text(guest: Guest, **more: str) -> str:
    return f"config: {plugin_yaml(guest, **more)}"


def wasm(guest: Guest, **more: str) -> Play:
    return play(Wasm, text(guest, **more))


def test_a_module_sees_the_headers_and_adds_its_own() -> None:
    p = wasm(
        Guest().on(
            "request_headers",
            call("get_header_map_value", 0, "x-a", OUT),
            call("add_header_map_value", 0, "x-b", "two"),
            show_header(0),
        )
    )
    p >> headers("GET", "/", ("x-a", "one"))
    p << forwarded("/", ("x-b", "two"), ("x-notes", "get_header_map_value=0:one add_header_map_value=0 "))
    p.end()


def test_pausing_in_headers_holds_everything_until_the_module_resumes() -> None:
    guest = (
        Guest()
        .on("configure", call("set_tick_period_milliseconds", 1000, quiet=True), returns=1)
        .on("request_headers", keep(0), returns=1)
        .on("tick", call("set_effective_context", Saved(), quiet=True), call("continue_stream", 0, quiet=True))
    )
    p = wasm(guest)
    p >> headers("POST", "/") << held() >> data(b"abc", end=True) << held()
    p >> after(1.1) << forwarded("/") << forwarded_data(b"abc", end=True)


def test_the_last_piece_and_the_end_are_told_apart_as_in_envoy() -> None:
    guest = Guest().on("request_body", note(P(1), "/", P(2))).on("response_headers", show_header(2))
    p = wasm(guest)
    p >> headers("POST", "/") << forwarded("/")
    p >> data(b"abc", end=True) << forwarded_data(b"abc", end=True)
    p >> response(200, end=True) << sent(200, ("x-notes", "3/0 0/1 "))


def test_a_body_that_is_kept_and_replaced_leaves_in_one_piece() -> None:
    guest = Guest().on(
        "request_body",
        f"(if (i32.eqz (local.get 2)) (then {answer(1)}))",
        call("set_buffer_bytes", 0, 0, 0xFFFFFFFF, "new"),
    )
    p = wasm(guest)
    p >> headers("POST", "/") << forwarded("/")
    p >> data(b"ab") << held() >> data(b"cd") << held() >> data(b"e", end=True) << forwarded_data(b"new", end=True)


@pytest.mark.parametrize("event", ["request_headers", "request_body"])
def test_a_trap_before_the_response_is_answered_503(event: str) -> None:
    p = wasm(Guest().on(event, TRAP))
    p >> headers("POST", "/")
    if event == "request_body":
        p << forwarded("/") >> data(b"abc", end=True)
    p << reply(503)
    assert p.stage.stream.info.response_code_details == "wasm_fail_stream"


def test_a_trap_in_the_response_headers_is_answered_503() -> None:
    p = wasm(Guest().on("response_headers", TRAP))
    p >> headers("GET", "/") << forwarded("/") >> response(200, end=True) << sent(503)


def test_a_trap_in_the_response_body_cuts_what_has_begun() -> None:
    p = wasm(Guest().on("response_body", TRAP))
    p >> headers("GET", "/") << forwarded("/") >> response(200) << sent(200) >> response_data(b"abc")
    assert p.stage.stream.info.response_code_details == "wasm_fail_stream"


@pytest.mark.parametrize("event", ["log", "done", "delete"])
def test_a_trap_at_the_end_of_a_stream_fails_the_next_one(event: str) -> None:
    p = wasm(Guest().on(event, TRAP))
    p >> headers("GET", "/") << forwarded("/") >> response(200, end=True) << sent(200)
    p >> headers("GET", "/") << reply(503, detail="wasm_fail_stream")


def test_a_client_that_leaves_during_a_pause_ends_the_context_and_a_late_resume_does_nothing() -> None:
    guest = (
        Guest()
        .on("configure", call("set_tick_period_milliseconds", 1000, quiet=True), returns=1)
        .on("request_headers", keep(0), returns=1)
        .on("tick", call("set_effective_context", Saved()), call("continue_stream", 0))
        .on("response_headers", show_header(2))
    )
    p = wasm(guest)
    p >> headers("GET", "/") << held() >> reset() >> after(1.1)
    (plugin,) = [spec.plan.plugin for spec in p.stage.plan.chain.specs if hasattr(spec.plan, "plugin")]
    assert not plugin.vm.failed
    assert list(plugin.vm.contexts) == [1]


def test_values_may_be_large_and_memory_may_grow_for_them() -> None:
    guest = Guest().on("request_headers", call("get_header_map_value", 0, "x-big", OUT, quiet=True)).on(
        "response_headers",
        call("add_header_map_value", 2, "x-big", Raw(0x30000, 60000), label="a"),
        call("add_header_map_value", 2, "x-bigger", Raw(0x30000, 300000), label="b"),
        show_header(2),
    )  # fmt: skip
    p = wasm(guest)
    p >> headers("GET", "/", ("x-big", "b" * 200_000)) << forwarded("/")
    p >> response(200, end=True)
    (fact,) = p.stage.record.of("sent")
    # What lies on the heap beyond the copied value are zeros, which would end a line.
    assert dict(fact.headers)[b"x-notes"] == b"a=0 b=2 "


def test_a_plugin_needs_code() -> None:
    with pytest.raises(ConfigErrors, match=r"is required\n.*vm_config\.code"):
        play(Wasm, "config: {name: p, vm_config: {vm_id: a}}")
    with pytest.raises(ConfigErrors, match=r"is required\n.*config\.vm_config"):
        play(Wasm, "config: {name: p}")


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"more": "fail_open: true, failure_policy: FAIL_OPEN"}, "only one of fail_open or failure_policy"),
        (
            {"vm": "environment_variables: {host_env_keys: [A], key_values: {A: b}}"},
            "Key A is duplicated in envoy.extensions.wasm.v3.VmConfig.environment_variables",
        ),
    ],
)
def test_configurations_that_contradict_themselves(more: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigErrors, match=problem):
        wasm(Guest(), **more)


@pytest.mark.parametrize(
    ("remote", "problem"),
    [
        ("{sha256: abc, http_uri: {uri: 'http://a/b', cluster: upstream, timeout: 1s}}", "64 hexadecimal digits"),
        (f"{{sha256: '{'0' * 64}', http_uri: {{uri: 'http://a/b', cluster: lost, timeout: 1s}}}}", "unknown cluster"),
    ],
)
def test_remote_code_needs_a_digest_and_a_cluster(remote: str, problem: str) -> None:
    with pytest.raises(ConfigErrors, match=problem):
        play(Wasm, f"config: {{name: p, vm_config: {{code: {{remote: {remote}}}}}}}")


def test_code_that_is_empty_is_a_problem() -> None:
    with pytest.raises(ConfigErrors, match="it is empty"):
        play(Wasm, "config: {name: p, vm_config: {code: {local: {inline_bytes: ''}}}}")


def test_a_loop_while_it_starts_is_ended_and_refused() -> None:
    spinning = Guest(entry=f'(func (export "_start") {SPIN})')
    with pytest.raises(ConfigErrors, match="the VM failed while it started: interrupt"):
        play(Wasm, text(spinning), runtime={"pyvoy.wasm.start_time_limit_ms": 50})


GUESTS = {
    "looks": Guest().on("request_headers", call("get_header_map_value", 0, ":path", OUT)).on("log"),
    "adds headers": Guest().on("request_headers", call("add_header_map_value", 0, "x-a", "b")).on(
        "response_headers", call("add_header_map_value", 2, "x-a", "b")
    ),
    "sees bodies": Guest().on("request_body", note(P(1))).on("response_body", note(P(1))),
    "keeps bodies": Guest().on("request_body", f"(if (i32.eqz (local.get 2)) (then {answer(1)}))").on(
        "response_body", f"(if (i32.eqz (local.get 2)) (then {answer(1)}))"
    ).on("request_trailers").on("response_trailers"),
    "answers": Guest().on(
        "request_headers", call("send_local_response", 403, "no", "body", Raw(0, 0), 0xFFFFFFFF), returns=1
    ),
    "traps": Guest().on("request_headers", TRAP),
}  # fmt: skip


@pytest.mark.parametrize("name", GUESTS)
def test_contract(name: str) -> None:
    check_http_filter(Wasm, text(GUESTS[name]))


def test_a_route_that_stays_the_same_stays_an_ordinary_request() -> None:
    p = wasm(Guest().on("request_headers", call("replace_header_map_value", 0, "x-a", "b")))
    p >> headers("GET", "/") << forwarded("/", ("x-a", "b")) >> response(200, end=True) << sent(200)
    p >> act(lambda stage: None) >> headers("GET", "/") << forwarded("/")
    p >> response(200) << sent(200) >> response_data(b"x", end=True) << sent_data(b"x", end=True)
