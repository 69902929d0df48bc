"""Accept-Encoding: which encoding a client gets, when one is offered beside plain text.

Source: Envoy's CompressorFilter::chooseEncoding; RFC 9110 12.5.3 (names compare by case, values that are no numbers are
left out, as observed on Envoy 1.40).
"""

from __future__ import annotations

from enum import Enum


class Choice(Enum):
    """What the header says of the offered encoding."""

    NOT_VALID = "header_not_valid"
    IDENTITY = "header_identity"
    WILDCARD = "header_wildcard"
    USED = "header_compressor_used"


def choose(accept: bytes, offered: bytes) -> Choice:
    """The choice between `offered` and plain text: the highest quality wins, of equal ones the first."""
    best: tuple[float, Choice] | None = None
    tokens = [_token(item) for item in accept.split(b",")]
    named = {name for name, _ in tokens}
    for name, quality in tokens:
        choice = _choice(name, offered, named)
        if choice is not None and quality is not None and (best is None or quality > best[0]):
            best = (quality, choice)
    return best[1] if best is not None and best[0] > 0 else Choice.NOT_VALID


def _choice(name: bytes, offered: bytes, named: set[bytes]) -> Choice | None:
    if name == offered:
        return Choice.USED
    if name == b"identity":
        return Choice.IDENTITY
    if name == b"*" and offered not in named:
        return Choice.WILDCARD
    return None


def _token(item: bytes) -> tuple[bytes, float | None]:
    name, _, parameters = item.partition(b";")
    quality: float | None = 1.0
    for parameter in parameters.split(b";"):
        key, _, value = parameter.partition(b"=")
        if key.strip() == b"q":
            quality = _number(value)
    return name.strip(), quality


def _number(value: bytes) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None
