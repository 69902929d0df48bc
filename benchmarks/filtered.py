"""Scenarios with HTTP filters before the router: what a request costs with them, and what one of them adds.

What a filter adds is below the noise of one measurement: a chain of ten is measured beside a chain of none.
"""

import base64
import statistics
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.contenders import Contender, bootstrap
from benchmarks.load import Load
from benchmarks.scenarios import Row, Setting, requests, with_ratios

MODULES = Path(__file__).parent / "modules"
CHAIN = 10
_TYPE = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm"

Filters = Callable[[int], list[dict[str, Any]]]
"""So many filters of a kind, as entries of `http_filters`."""


def wasm(name: str) -> Filters:
    """Wasm filters with a module of `benchmarks/modules`."""

    def filters(count: int) -> list[dict[str, Any]]:
        import wasmtime

        code = base64.b64encode(wasmtime.wat2wasm((MODULES / f"{name}.wat").read_text())).decode()
        config = {"name": name, "vm_config": {"vm_id": name, "code": {"local": {"inline_bytes": code}}}}
        return [
            {"name": f"wasm-{number}", "typed_config": {"@type": _TYPE, "config": config}} for number in range(count)
        ]

    return filters


def one(filters: Filters, load: Load) -> Callable[[list[Contender], Setting], list[Row]]:
    """CPU microseconds a request with one filter."""
    return lambda contenders, setting: requests(load)(_with(contenders, filters(1)), setting)


def added(filters: Filters, load: Load) -> Callable[[list[Contender], Setting], list[Row]]:
    """CPU microseconds that one filter adds: a chain of ten less a chain of none, in the same rounds."""

    def measure(contenders: list[Contender], setting: Setting) -> list[Row]:
        able = [each for each in contenders if each.bootstrapped]
        ten = [replace(each, name=f"{each.name}-ten") for each in _with(able, filters(CHAIN))]
        rows = {row.contender: row for row in requests(load)([*able, *ten], setting)}
        return with_ratios([_added(rows[each.name], rows[f"{each.name}-ten"]) for each in able])

    return measure


def _added(none: Row, ten: Row) -> Row:
    rounds = [(with_ten - without) / CHAIN for with_ten, without in zip(ten.rounds, none.rounds, strict=True)]
    return Row(none.contender, statistics.median(rounds), "CPU µs a filter", rounds=rounds)


def _with(contenders: list[Contender], filters: list[dict[str, Any]]) -> list[Contender]:
    able = [each for each in contenders if each.bootstrapped]
    return [replace(each, configure=partial(bootstrap, filters=filters)) for each in able]
