"""Runtime: values that bootstrap layers set by key, for the fields that name a runtime key.

Only static layers; a later layer wins.  Source: Envoy's Runtime::SnapshotImpl: nested structs are flattened with dots,
a whole number where a fraction is asked for is a percentage, and a value that does not fit is as good as none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DENOMINATORS = {0: 100, 1: 10_000, 2: 1_000_000, "HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


class Runtime:
    """A snapshot of all layers; read only.  Remembers which keys were asked for, to tell of those that do nothing."""

    __slots__ = ("_asked", "_values")

    def __init__(self, layers: Sequence[Mapping[str, Any]] | None = None) -> None:
        """`layers` are nested dictionaries as Struct values give them, the first one weakest."""
        self._values: dict[str, Any] = {}
        self._asked: set[str] = set()
        for layer in layers or ():
            _flatten("", layer, self._values)

    @property
    def values(self) -> Mapping[str, Any]:
        """All keys with the value that won."""
        return self._values

    def unread(self) -> set[str]:
        """Keys that are set and were never asked for."""
        return set(self._values) - self._asked

    def _get(self, key: str) -> Any:
        self._asked.add(key)
        return self._values.get(key) if key else None

    def fraction(self, key: str, numerator: int, denominator: int) -> tuple[int, int]:
        """The fraction that holds for `key`, else the given one; the denominator is a number such as 100."""
        value = self._get(key)
        if isinstance(value, Mapping):
            return int(value.get("numerator", 0)), DENOMINATORS.get(value.get("denominator", 0), 100)
        whole = _whole(value)
        if whole is not None and whole >= 0:
            return min(whole, 100), 100
        return numerator, denominator

    def fraction_enabled(self, key: str, numerator: int, denominator: int, random_value: int) -> bool:
        """Whether this random number falls into the fraction."""
        numerator, denominator = self.fraction(key, numerator, denominator)
        return random_value % denominator < numerator

    def integer(self, key: str, default: int) -> int:
        """An unsigned whole number, else the default."""
        whole = _whole(self._get(key))
        return default if whole is None or whole < 0 else whole

    def number(self, key: str, default: float) -> float:
        value = self._get(key)
        if isinstance(value, bool):
            return default
        if isinstance(value, int | float):
            return float(value)
        try:
            return float(value) if isinstance(value, str) else default
        except ValueError:
            return default

    def boolean(self, key: str, default: bool) -> bool:
        value = self._get(key)
        if isinstance(value, bool):
            return value
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"
        return default


def _whole(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return int(value)
    if isinstance(value, str):
        try:
            return int(value)
        except ValueError:
            return None
    return None


def _flatten(prefix: str, layer: Mapping[str, Any], into: dict[str, Any]) -> None:
    for key, value in layer.items():
        name = f"{prefix}.{key}" if prefix else key
        if isinstance(value, Mapping) and not ({"numerator", "denominator"} & set(value)):
            _flatten(name, value, into)
        else:
            into[name] = value
