"""Metrics that a module defines.

Source: Proxy-Wasm specification; Envoy's ids, and that a record on a counter adds while an increment by nothing is
refused.  With several workers a counter reads as what this worker has counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pyvoy.extensions.wasm import abi
from pyvoy.extensions.wasm.calls.results import checked
from pyvoy.extensions.wasm.engine.interface import HostFunction

if TYPE_CHECKING:
    from pyvoy.extensions.wasm.vm import Vm

PREFIX = "wasmcustom."
_SIGN = 1 << 63
_ALL = (1 << 64) - 1


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """The group's functions."""
    memory = vm.memory
    metrics: dict[int, Any] = {}
    counts = [0, 0, 0]

    def define(kind: int, name_at: int, size: int, id_at: int) -> int:
        if kind > abi.HISTOGRAM or vm.current is None:
            return abi.BAD_ARGUMENT
        name = PREFIX + memory.read(name_at, size).decode("utf-8", "replace").rstrip(".")
        memory.write_u32(id_at, 0)
        host = vm.current.root.host
        counts[kind] += 1
        metric_id = counts[kind] << 2 | kind
        if kind == abi.COUNTER:
            metrics[metric_id] = host.counter(name)
        elif kind == abi.GAUGE:
            metrics[metric_id] = host.gauge(name)
        else:
            metrics[metric_id] = host.histogram(name, "unspecified")
        memory.write_u32(id_at, metric_id)
        return abi.OK

    def increment(metric_id: int, delta: int) -> int:
        kind = metric_id & 3
        if kind > abi.GAUGE:
            return abi.BAD_ARGUMENT
        metric = metrics.get(metric_id)
        if metric is None:
            return abi.NOT_FOUND
        delta = _signed(delta)
        if kind == abi.GAUGE:
            metric.set(_signed(metric.value + delta))
            return abi.OK
        if delta <= 0:
            return abi.BAD_ARGUMENT
        count(metric, delta)
        return abi.OK

    def record(metric_id: int, value: int) -> int:
        metric = metrics.get(metric_id)
        if metric is None:
            return abi.NOT_FOUND
        kind = metric_id & 3
        if kind == abi.COUNTER:
            count(metric, value & _ALL)
        elif kind == abi.GAUGE:
            metric.set(_signed(value))
        else:
            metric.record(value & _SIGN - 1)
        return abi.OK

    def count(metric: Any, more: int) -> None:
        metric.inc(min(more, _SIGN - 1 - metric.value))  # a cell that is full stays so

    def get(metric_id: int, at: int) -> int:
        if metric_id & 3 > abi.GAUGE:
            return abi.BAD_ARGUMENT
        metric = metrics.get(metric_id)
        if metric is None:
            return abi.NOT_FOUND
        memory.write_u64(at, metric.value & _ALL)
        return abi.OK

    return {
        "proxy_define_metric": HostFunction("iiii>i", checked(define)),
        "proxy_increment_metric": HostFunction("iI>i", increment),
        "proxy_record_metric": HostFunction("iI>i", record),
        "proxy_get_metric": HostFunction("ii>i", checked(get)),
    }


def _signed(value: int) -> int:
    """64 bits as a signed number: a gauge below zero wraps, as in Envoy, and comes back."""
    return (value + _SIGN & _ALL) - _SIGN
