"""Operators about time and amounts: start, durations, bytes.

Durations are whole units, rounded down; None while one of their ends has not happened.
Source: Envoy's stream_info_formatter; values checked on the running 1.40.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyvoy.observe.access_log.operator import Builder, Command, FormatError, Kind, Operator, bare, no_length, required
from pyvoy.observe.access_log.time_format import DEFAULT_LOCAL_PATTERN, DEFAULT_PATTERN, compile_time_format

Moment = Callable[[Any], float | None]
_UNITS = {"ms": 1_000_000, "us": 1000, "ns": 1}
"""Precisions in nanoseconds."""

_POINTS: dict[str, Moment] = {
    "DS_RX_BEG": lambda source: source.info.start_s or None,
    "DS_RX_END": lambda source: source.info.last_downstream_rx_s,
    "US_CX_BEG": lambda source: source.info.upstream_connect_begin_s,
    "US_CX_END": lambda source: source.info.upstream_connect_end_s,
    "US_HS_END": lambda source: source.info.upstream_handshake_end_s,
    "US_TX_BEG": lambda source: source.info.first_upstream_tx_s,
    "US_TX_END": lambda source: source.info.last_upstream_tx_s,
    "US_RX_BEG": lambda source: source.info.first_upstream_rx_s,
    "US_RX_END": lambda source: source.info.last_upstream_rx_s,
    "DS_TX_BEG": lambda source: source.info.first_downstream_tx_s,
    "DS_TX_END": lambda source: _response_end(source.info),
    "DS_CX_BEG": lambda source: source.connection.start_s or None,
    "DS_CX_END": lambda source: source.info.end_s,
}


def _response_end(info: Any) -> float | None:
    """When the response was out; unless noted, the end of a stream whose response had begun."""
    if info.last_downstream_tx_s is None and info.first_downstream_tx_s is not None:
        return info.end_s  # type: ignore[no-any-return]
    return info.last_downstream_tx_s  # type: ignore[no-any-return]


def _time(moment: Callable[[Any], float], default: str, local: bool) -> Builder:
    def build(command: Command) -> Operator:
        no_length(command)
        render = compile_time_format(command.arguments or default, local=local)
        return Operator(lambda source: render(moment(source)), Kind.TEXT)

    return build


def _start(source: Any) -> float:
    return source.info.start_wall_s  # type: ignore[no-any-return]


def _now(source: Any) -> float:
    return source.services.wall()  # type: ignore[no-any-return]


def _whole(seconds: float, unit_ns: int = 1_000_000) -> int:
    """Whole units, rounded down; through nanoseconds, so that 2 ms are not 1.9999."""
    return round(seconds * 1e9) // unit_ns


def _between(begin: Moment, end: Moment, unit_ns: int = 1_000_000) -> Operator:
    def get(source: Any) -> int | None:
        first, last = begin(source), end(source)
        return None if first is None or last is None else _whole(last - first, unit_ns)

    return Operator(get, Kind.NUMBER)


def _duration(source: Any) -> int:
    info = source.info
    end = info.end_s
    if end is None:
        end = source.services.clock()
    return _whole(end - info.start_s)


def _pool_ready(source: Any) -> int | None:
    waited = source.info.upstream_pool_ready_duration_s
    return None if waited is None else _whole(waited)


def _common_duration(command: Command) -> Operator:
    no_length(command)
    parts = required(command).split(":")
    if len(parts) not in (2, 3):
        raise FormatError(f"Invalid common duration configuration: {command.arguments}.")
    precision = parts[2] if len(parts) == 3 else "ms"
    if precision not in _UNITS:
        raise FormatError(f"Invalid common duration precision: {precision}.")
    return _between(_point(parts[0]), _point(parts[1]), _UNITS[precision])


def _point(name: str) -> Moment:
    """A named time point; custom ones are never set."""
    return _POINTS.get(name, lambda source: None)


def _alone(operator: Operator) -> Builder:
    def build(command: Command) -> Operator:
        bare(command)
        return operator

    return build


def _number(get: Callable[[Any], int]) -> Builder:
    return _alone(Operator(get, Kind.NUMBER))


_BEGIN = _POINTS["DS_RX_BEG"]
_NEVER = _alone(Operator(lambda source: None, Kind.NUMBER))
_ZERO = _number(lambda source: 0)

OPERATORS: dict[str, Builder] = {
    "START_TIME": _time(_start, DEFAULT_PATTERN, local=False),
    "START_TIME_LOCAL": _time(_start, DEFAULT_LOCAL_PATTERN, local=True),
    "EMIT_TIME": _time(_now, DEFAULT_PATTERN, local=False),
    "EMIT_TIME_LOCAL": _time(_now, DEFAULT_LOCAL_PATTERN, local=True),
    "DURATION": _number(_duration),
    "REQUEST_DURATION": _alone(_between(_BEGIN, _POINTS["DS_RX_END"])),
    "REQUEST_TX_DURATION": _alone(_between(_BEGIN, _POINTS["US_TX_END"])),
    "RESPONSE_DURATION": _alone(_between(_BEGIN, _POINTS["US_RX_BEG"])),
    "RESPONSE_TX_DURATION": _alone(_between(_POINTS["US_RX_BEG"], _POINTS["DS_TX_END"])),
    "COMMON_DURATION": _common_duration,
    "UPSTREAM_CONNECTION_POOL_READY_DURATION": _alone(Operator(_pool_ready, Kind.NUMBER)),
    "DOWNSTREAM_HANDSHAKE_DURATION": _NEVER,
    "ROUNDTRIP_DURATION": _NEVER,
    "BYTES_RECEIVED": _number(lambda source: source.info.bytes_received),
    "BYTES_SENT": _number(lambda source: source.info.bytes_sent),
    "BYTES_RETRANSMITTED": _ZERO,
    "PACKETS_RETRANSMITTED": _ZERO,
    "UPSTREAM_WIRE_BYTES_SENT": _number(lambda source: source.info.upstream_wire_bytes_sent),
    "UPSTREAM_WIRE_BYTES_RECEIVED": _number(lambda source: source.info.upstream_wire_bytes_received),
    "UPSTREAM_HEADER_BYTES_SENT": _number(lambda source: source.info.upstream_header_bytes_sent),
    "UPSTREAM_HEADER_BYTES_RECEIVED": _number(lambda source: source.info.upstream_header_bytes_received),
    "DOWNSTREAM_WIRE_BYTES_SENT": _number(lambda source: source.info.downstream_wire_bytes_sent),
    "DOWNSTREAM_WIRE_BYTES_RECEIVED": _number(lambda source: source.info.downstream_wire_bytes_received),
    "DOWNSTREAM_HEADER_BYTES_SENT": _number(lambda source: source.info.downstream_header_bytes_sent),
    "DOWNSTREAM_HEADER_BYTES_RECEIVED": _number(lambda source: source.info.downstream_header_bytes_received),
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT": _number(lambda source: source.info.upstream_header_bytes_sent),
    "UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED": _number(lambda source: source.info.upstream_header_bytes_received),
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT": _number(lambda source: source.info.downstream_header_bytes_sent),
    "DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED": _number(
        lambda source: source.info.downstream_header_bytes_received
    ),
}
