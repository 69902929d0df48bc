"""Tests of matcher trees that are extensions: a value lies in networks, or falls into a share by its hash.

Source: Envoy's input matchers (envoy.matching.input_matchers.*).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyvoy.config.compile.fractions import fraction_of
from pyvoy.config.context import Context
from pyvoy.config.registry import extension, supports

InputTest = Callable[[bytes], bool]

INPUT_TEST = "matching input test"
_MATCHERS = "envoy.extensions.matching.input_matchers."
_IP = _MATCHERS + "ip.v3.Ip"
_HASHING = _MATCHERS + "consistent_hashing.v3.ConsistentHashing"
_FRACTION = _MATCHERS + "runtime_fraction.v3.RuntimeFraction"

supports(_IP, "cidr_ranges stat_prefix")
supports(_HASHING, "threshold modulo seed")
supports(_FRACTION, "runtime_fraction seed")


@extension(INPUT_TEST, name="envoy.matching.matchers.ip", type_url=_IP)
class InNetworks:
    """The value is an address of one of the networks; what is no address is counted."""

    @staticmethod
    def build(message: Any, context: Context) -> InputTest:
        import ipaddress

        ranges = context.cidr_ranges(message.cidr_ranges, "cidr_ranges")
        failed = context.scope.scope(f"{message.stat_prefix}.matching.input_matchers").counter("ip.ip_parsing_failed")

        def test(value: bytes) -> bool:
            text = value.decode("latin-1")
            try:
                ipaddress.ip_address(text)
            except ValueError:
                failed.inc()
                return False
            return bool(ranges.contains(text))

        return test


@extension(INPUT_TEST, name="envoy.matching.matchers.consistent_hashing", type_url=_HASHING)
class ConsistentHashing:
    """The value's hash modulo a number reaches a threshold."""

    @staticmethod
    def build(message: Any, context: Context) -> InputTest:
        threshold, modulo, seed = message.threshold, message.modulo, message.seed
        if threshold > modulo:
            context.error("threshold", "threshold cannot be greater than modulo")

        def test(value: bytes) -> bool:
            return bool(_hash(value, seed) % (modulo or 1) >= threshold)

        return test


@extension(INPUT_TEST, name="envoy.matching.matchers.runtime_fraction", type_url=_FRACTION)
class RuntimeFraction:
    """A share of all values, by their hash."""

    @staticmethod
    def build(message: Any, context: Context) -> InputTest:
        numerator, denominator = fraction_of(message, "runtime_fraction", context) or (0, 100)
        seed = message.seed
        return lambda value: bool(_hash(value, seed) % denominator < numerator)


def _hash(value: bytes, seed: int) -> int:
    import xxhash

    return int(xxhash.xxh64_intdigest(value, seed))
