"""The rules of Huffman coded strings that the native decoder lets pass: RFC 7541 5.2.  Pure.

Padding is shorter than eight bits and all ones; a whole EOS symbol must not occur.  Both show when the bits of the
decoded text are counted.
"""

from __future__ import annotations

from jh2._hazmat import Decoder, Encoder, HPACKError

_REPEATS = 8
_VALUE_LENGTH_AT = 3
"""In a never indexed field with a name of one octet: representation, length and octet of the name come before."""
_PREFIX = b"\x00\x01a"
"""A literal field without indexing named `a`; its value follows."""


def _code_lengths() -> bytes:
    """The length in bits of each octet's code: that of eight in a row, in octets."""
    encoder = Encoder()
    blocks = [encoder.add((b"a", bytes((octet,)) * _REPEATS), True, True) for octet in range(256)]
    return bytes([block[_VALUE_LENGTH_AT] & 0x7F for block in blocks])


def well_padded(data: bytes) -> bool:
    """Whether a Huffman coded string ends as it must."""
    size = len(data)
    if not size:
        return True
    prefix = bytes((0x80 | size,)) if size < 0x7F else b"\xff" + _rest(size - 0x7F)
    try:
        fields = Decoder().decode(_PREFIX + prefix + data, True)
    except HPACKError:
        return False
    text = fields[0][1]
    assert isinstance(text, bytes)
    padding = 8 * size - sum(text.translate(CODE_LENGTHS))
    ones = (1 << padding) - 1 if 0 <= padding < 8 else -1
    return ones >= 0 and data[-1] & ones == ones


def _rest(value: int) -> bytes:
    """An integer's further octets (RFC 7541 5.1)."""
    octets = bytearray()
    while value >= 0x80:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    octets.append(value)
    return bytes(octets)


CODE_LENGTHS = _code_lengths()
