"""A Wasm filter in the filter chain: events, pauses, local replies, and what it may read when."""

from __future__ import annotations

from pyvoy.filters.http.wasm import Wasm
from pyvoy.testing.playbook import Play, forwarded, headers, play
from tests.support.guest import OUT, Guest, call, plugin_yaml, show_header


def wasm(guest: Guest, **more: str) -> Play:
    return play(Wasm, f"config: {plugin_yaml(guest, **more)}")


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
