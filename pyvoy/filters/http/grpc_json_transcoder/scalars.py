"""JSON values as the octets of scalar fields, with the leniency and the error texts of Envoy's converter.

A value is None, bool, int, float or str; integers outside of 64 bits count as floating point.  Text may hold octets
that are no UTF-8 (from a URL) as lone surrogates.
Source: observed on Envoy 1.40; protobuf's JSON mapping.
"""

from __future__ import annotations

import math
import re
import struct
from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from pyvoy.filters.http.grpc_json_transcoder import kinds
from pyvoy.filters.http.grpc_json_transcoder.wire import delimited, signed, varint, zigzag

if TYPE_CHECKING:
    from pyvoy.filters.http.grpc_json_transcoder.schema import EnumType

Encoder = Callable[[Any], bytes]
"""A JSON value as the octets behind a field's tag.  Raises InvalidValue."""

_INTEGER = re.compile(r" *([+-]?)([0-9]+) *")
_DECIMAL = re.compile(r"\s*[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\s*")
_HEX = re.compile(r"\s*[+-]?0[xX][0-9a-fA-F]+(?:\.[0-9a-fA-F]*)?(?:[pP][+-]?[0-9]+)?\s*")
_BASE64 = re.compile(r"([A-Za-z0-9+/]*|[A-Za-z0-9_-]*)([=.]{0,2})")
_BLANKS = re.compile(r"[ \t\n\v\f\r]")
_SPECIAL: Final = {"Infinity": math.inf, "-Infinity": -math.inf, "NaN": math.nan}
_TRUE: Final = frozenset(("true", "t", "yes", "y", "1"))
_FALSE: Final = frozenset(("false", "f", "no", "n", "0"))
_FLOAT_MAX: Final = 3.4028234663852886e38
_DOUBLE = struct.Struct("<d")
_FLOAT = struct.Struct("<f")


class InvalidValue(ValueError):
    """A value that does not fit; the text names the value as an error shows it."""


def raw_text(value: str) -> bytes:
    """Text as octets; those that came from a URL and are no UTF-8 as they came."""
    return value.encode("utf-8", "surrogateescape")


def shown_double(value: float) -> str:
    """A floating-point number with as few digits as tell it apart."""
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if math.isnan(value):
        return "NaN"
    text = f"{value:.15g}"
    return text if float(text) == value else f"{value:.17g}"


def shown_float(value: float) -> str:
    """The same for a number of single precision."""
    if math.isinf(value) or math.isnan(value):
        return shown_double(value)
    text = f"{value:.6g}"
    return text if _single(float(text)) == value else f"{value:.9g}"


def _single(value: float) -> float:
    try:
        return float(_FLOAT.unpack(_FLOAT.pack(value))[0])
    except OverflowError:
        return math.inf


def shown(value: Any) -> str:
    """A JSON value as errors show it."""
    kind = type(value)
    if kind is str:
        return f'"{value}"'
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "null"
    number = narrowed(value)
    return str(number) if type(number) is int else shown_double(number)


def narrowed(value: int | float) -> int | float:
    """A number as the JSON parser has it: what fits into no 64 bits is floating point."""
    if type(value) is int and not -(1 << 63) <= value < 1 << 64:
        return float(value)
    return value


def _integer(low: int, high: int) -> Callable[[Any], int]:
    """A JSON value as an integer within bounds (both inclusive)."""

    def convert(value: Any) -> int:
        kind = type(value)
        number: int
        if kind is int:
            number = value
        elif kind is str:
            found = _INTEGER.fullmatch(value)
            if found is None or value[0] == " " or value[-1] == " " or (low == 0 and found[1] == "-"):
                raise InvalidValue(shown(value))
            number = int(found[1] + found[2]) if len(found[2]) < _MANY_DIGITS else high + 1
        elif kind is float and value.is_integer():
            number = int(value)
        else:
            raise InvalidValue(shown(value))
        if low <= number <= high:
            return number
        raise InvalidValue(shown(value))

    return convert


_MANY_DIGITS: Final = 300
_INT32 = _integer(-(1 << 31), (1 << 31) - 1)
_INT64 = _integer(-(1 << 63), (1 << 63) - 1)
_UINT32 = _integer(0, (1 << 32) - 1)
_UINT64 = _integer(0, (1 << 64) - 1)


def double(value: Any) -> float:
    """A JSON value as a number.  Raises InvalidValue."""
    kind = type(value)
    if kind is float or kind is int:
        return float(value)
    if kind is str:
        if value in _SPECIAL:
            return _SPECIAL[value]
        if value[:1] != " " and value[-1:] != " " and (number := _number(value)) is not None:
            return number
    raise InvalidValue(shown(value))


def _number(text: str) -> float | None:
    """Text as a finite number; None if it is none."""
    try:
        number = float(text) if _DECIMAL.fullmatch(text) else float.fromhex(text) if _HEX.fullmatch(text) else math.inf
    except OverflowError:
        return None
    return None if math.isinf(number) else number


def _float(value: Any) -> bytes:
    number = double(value)
    try:
        return _FLOAT.pack(number)
    except OverflowError:  # beyond the largest one, even when rounded
        raise InvalidValue(shown(value)) from None


def _bool(value: Any) -> bytes:
    if value is True:
        return b"\1"
    if value is False:
        return b"\0"
    if type(value) is str:
        lower = value.lower()
        if lower in _TRUE:
            return b"\1"
        if lower in _FALSE:
            return b"\0"
    raise InvalidValue(shown(value))


def _string(value: Any) -> bytes:
    if type(value) is not str:
        raise InvalidValue(shown(value))
    return delimited(raw_text(value))


def _bytes(value: Any) -> bytes:
    if type(value) is not str:
        raise InvalidValue(shown(value))
    decoded = unbase64(value)
    if decoded is None:
        raise InvalidValue(shown(value))
    return delimited(decoded)


def unbase64(text: str) -> bytes | None:
    """Decode base64 of either alphabet, blanks left out, padded (with `=` or `.`) or not; None for what is none."""
    found = _BASE64.fullmatch(_BLANKS.sub("", text))
    if found is None:
        return None
    bare, padding = found.groups()
    missing = -len(bare) % 4
    if missing == 3 or len(padding) not in (0, missing):
        return None
    return b64decode(bare + "=" * missing, altchars=None if "+" in bare or "/" in bare else b"-_")


ENCODERS: Final[dict[int, Encoder]] = {
    kinds.DOUBLE: lambda value: _DOUBLE.pack(double(value)),
    kinds.FLOAT: _float,
    kinds.INT64: lambda value: signed(_INT64(value)),
    kinds.UINT64: lambda value: varint(_UINT64(value)),
    kinds.INT32: lambda value: signed(_INT32(value)),
    kinds.FIXED64: lambda value: _UINT64(value).to_bytes(8, "little"),
    kinds.FIXED32: lambda value: _UINT32(value).to_bytes(4, "little"),
    kinds.BOOL: _bool,
    kinds.STRING: _string,
    kinds.BYTES: _bytes,
    kinds.UINT32: lambda value: varint(_UINT32(value)),
    kinds.SFIXED32: lambda value: _INT32(value).to_bytes(4, "little", signed=True),
    kinds.SFIXED64: lambda value: _INT64(value).to_bytes(8, "little", signed=True),
    kinds.SINT32: lambda value: zigzag(_INT32(value)),
    kinds.SINT64: lambda value: zigzag(_INT64(value)),
}


def enum_encoder(enum: EnumType, any_case: bool) -> Encoder:
    """The encoder of an enum: a name, or a number; `any_case`: names in lower case and with dashes too."""
    numbers, names = enum.numbers, enum.names

    def encode(value: Any) -> bytes:
        if value is None:
            return b"\0"
        if type(value) is not str:
            return signed(_INT32(value))
        number = numbers.get(value)
        if number is None:
            try:
                number = _INT32(value)
            except InvalidValue:
                number = None
            if number not in names:
                number = numbers.get(value.upper().replace("-", "_")) if any_case else None
        if number is None:
            raise InvalidValue(shown(value))
        return signed(number)

    return encode
