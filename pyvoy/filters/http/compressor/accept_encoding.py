"""Accept-Encoding: which encoding a client gets, of those that filters offer and plain text.

Source: Envoy's CompressorFilter::chooseEncoding; RFC 9110 12.5.3 (names compare by case, values that are no numbers are
left out, as observed on Envoy 1.40).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum


class Choice(Enum):
    """What the header says of the offered encoding."""

    NOT_VALID = "header_not_valid"
    IDENTITY = "header_identity"
    WILDCARD = "header_wildcard"
    USED = "header_compressor_used"


def choose(accept: bytes, offered: Sequence[bytes], preferred: bytes | None = None) -> tuple[Choice, bytes]:
    """The choice between plain text and what is `offered`, in the order of the filters: the highest quality wins, of
    equal ones the first, unless one of them is `preferred`.  What is chosen is empty for plain text."""
    tokens = [_token(item) for item in accept.split(b",")]
    refused = {name for name, quality in tokens if quality == 0}
    left = [encoding for encoding in offered if encoding not in refused]
    if not left:
        return Choice.NOT_VALID, b""
    best, chosen = 0.0, b""
    for name, quality in tokens:
        if quality is None or name not in (*left, b"identity", b"*"):
            continue
        if quality > best or (quality == best and name == preferred):
            best, chosen = quality, name
    if not chosen:
        return Choice.NOT_VALID, b""
    if chosen == b"identity":
        return Choice.IDENTITY, b""
    return (Choice.WILDCARD, left[0]) if chosen == b"*" else (Choice.USED, chosen)


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
