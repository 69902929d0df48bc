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


def functions(vm: Vm) -> Mapping[str, HostFunction]:
    """The group's functions."""
    memory = vm.memory
    metrics: dict[int, Any] = {}
    counts = [0, 0, 0]

    def define(kind: int, name_at: int, size: int, id_at: int) -> int:
        if kind > abi.HISTOGRAM or vm.current is None:
            return abi.BAD_ARGUMENT
        name = PREFIX + memory.read(name_at, size).decode("utf-8", "replace")
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
        metric = metrics.get(metric_id)
        if metric is None:
            return abi.NOT_FOUND
        if delta & _SIGN:
            delta -= 1 << 64
        kind = metric_id & 3
        if kind == abi.COUNTER and delta > 0:
            metric.inc(delta)
            return abi.OK
        if kind == abi.GAUGE:
            metric.set(max(0, metric.value + delta))
            return abi.OK
        return abi.BAD_ARGUMENT

    def record(metric_id: int, value: int) -> int:
        metric = metrics.get(metric_id)
        if metric is None:
            return abi.NOT_FOUND
        value &= _SIGN - 1
        kind = metric_id & 3
        if kind == abi.COUNTER:
            metric.inc(value)
        elif kind == abi.GAUGE:
            metric.set(value)
        else:
            metric.record(value)
        return abi.OK

    def get(metric_id: int, at: int) -> int:
        metric = metrics.get(metric_id)
        if metric is None:
            return abi.NOT_FOUND
        if metric_id & 3 == abi.HISTOGRAM:
            return abi.BAD_ARGUMENT
        memory.write_u64(at, metric.value)
        return abi.OK

    return {
        "proxy_define_metric": HostFunction("iiii>i", checked(define)),
        "proxy_increment_metric": HostFunction("iI>i", increment),
        "proxy_record_metric": HostFunction("iI>i", record),
        "proxy_get_metric": HostFunction("ii>i", checked(get)),
    }
