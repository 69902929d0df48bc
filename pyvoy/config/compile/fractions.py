"""Fractions of the configuration -> throws of the dice.

Source: Envoy's ProtobufPercentHelper and Runtime featureEnabled: a random number modulo the denominator must be below
the numerator; a runtime key may replace the fraction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyvoy.config.context import Context
from pyvoy.config.registry import supports

supports("envoy.config.core.v3.RuntimeFractionalPercent", "default_value runtime_key")
supports("envoy.config.core.v3.RuntimeUInt32", "default_value runtime_key")
supports("envoy.config.core.v3.RuntimeDouble", "default_value runtime_key")
supports("envoy.config.core.v3.RuntimePercent", "default_value runtime_key")
supports("envoy.config.core.v3.RuntimeFeatureFlag", "default_value runtime_key")
supports("envoy.type.v3.FractionalPercent", "numerator denominator")
supports("envoy.type.v3.Percent", "value")

_DENOMINATORS = (100, 10_000, 1_000_000)


def fraction_of(message: Any, field: str, context: Context) -> tuple[int, int] | None:
    """Numerator and denominator of a RuntimeFractionalPercent, FractionalPercent or Percent field, with the runtime
    applied; None when the field is not set."""
    if not message.HasField(field):
        return None
    value = getattr(message, field)
    kind = value.DESCRIPTOR.name
    if kind == "Percent":
        return round(value.value * 10_000), 1_000_000
    if kind == "FractionalPercent":
        return value.numerator, _denominator(value.denominator)
    default = value.default_value
    return context.runtime.fraction(value.runtime_key, default.numerator, _denominator(default.denominator))


def chance(message: Any, field: str, context: Context) -> Callable[[], bool]:
    """The field as a function that answers True for that fraction of calls; always False when it is not set."""
    fraction = fraction_of(message, field, context)
    if fraction is None or fraction[0] == 0:
        return lambda: False
    numerator, denominator = fraction
    if numerator >= denominator:
        return lambda: True
    random = context.random.random
    return lambda: int(random() * denominator) < numerator


def _denominator(number: int) -> int:
    return _DENOMINATORS[number] if number < len(_DENOMINATORS) else 100
