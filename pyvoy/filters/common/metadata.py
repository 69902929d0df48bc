"""Values of dynamic metadata: protobuf structures as plain ones, whole numbers without a fraction."""

from __future__ import annotations

from typing import Any

_EXACT = 2.0**53


def plain_number(value: float) -> int | float:
    """A whole number as int, as protobuf's JSON shows it."""
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


def plain_struct(message: Any) -> dict[str, Any]:
    """A Struct as a dictionary."""
    from google.protobuf import json_format

    return {key: _plain(value) for key, value in json_format.MessageToDict(message).items()}


def plain_value(message: Any) -> Any:
    """A Value as a plain one."""
    from google.protobuf import json_format

    return _plain(json_format.MessageToDict(message))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return plain_number(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value
