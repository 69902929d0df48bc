"""Header blocks: jh2's native HPACK, and the rules of RFC 7541 that it does not check.  Pure.

A scan of the block's representations, which needs no table, refuses size updates behind the first field (4.2) and
Huffman strings with bad padding or an EOS symbol (5.2), and tells whether the block changes the dynamic table.  One
that does not (nearly every request of a client, from the second on) means the same until another one does: what it
became is remembered for so long, and neither scanned nor decoded again.  The encoder has the same memory.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from jh2._hazmat import Decoder, Encoder, HPACKError, OversizedHeaderListError

from pyvoy.http.codec import CodecError
from pyvoy.http.h2.frames import ErrorCode
from pyvoy.http.h2.huffman import well_padded

Meaning = TypeVar("Meaning")
Field = tuple[bytes, bytes, bool]

CODEC_ERROR = "codec_error:The_user_callback_function_failed"
"""Envoy's detail of whatever its codec finds wrong with frames (measured on 1.40)."""
_KNOWN_BLOCKS = 128
_KNOWN_BLOCK_BYTES = 512
_MAX_SHIFT = 28
"""An integer of more than five bytes is no length or index that anybody needs (RFC 7541 5.1)."""


class Http2Error(CodecError):
    """The peer broke the protocol of the connection; `code` goes into the GOAWAY frame."""

    def __init__(self, code: int, details: str) -> None:
        super().__init__(details, 0, b"")
        self.code = code


def compression_error() -> Http2Error:
    """A header block that cannot be decoded: the tables of the two sides differ from here on."""
    return Http2Error(ErrorCode.COMPRESSION_ERROR, CODEC_ERROR)


class HeaderDecoder(Generic[Meaning]):
    """One direction's decoder; `known` remembers what blocks became (see above)."""

    __slots__ = ("_decoder", "_settled", "known")

    def __init__(self, table_bytes: int, limit_bytes: int) -> None:
        """`limit_bytes` is where decoding stops: beyond the limit of a head, whose stream alone ends."""
        self._decoder = Decoder()
        self._decoder.max_allowed_table_size = table_bytes
        self._decoder.max_header_list_size = limit_bytes
        self.known: dict[bytes, Meaning] = {}
        self._settled = False

    def decode(self, block: bytes) -> list[Field]:
        """The fields of a block.  Raises Http2Error."""
        self._settled = not scan(block)
        if not self._settled:
            self.known.clear()
        try:
            fields: list[Field] = self._decoder.decode(block, True)
        except HPACKError:
            raise compression_error() from None
        except OversizedHeaderListError:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "http2.headers_too_large") from None
        return fields

    def keep(self, block: bytes, meaning: Meaning) -> None:
        """Remember what the block just decoded has become, if it left the table alone."""
        if self._settled and len(block) <= _KNOWN_BLOCK_BYTES:
            if len(self.known) >= _KNOWN_BLOCKS:
                self.known.clear()
            self.known[block] = meaning


class HeaderEncoder:
    """One direction's encoder.  `known` holds blocks by what they say, as long as they hold (see above)."""

    __slots__ = ("_encoder", "known")

    def __init__(self) -> None:
        self._encoder = Encoder()
        self.known: dict[object, bytes] = {}

    def resize(self, table_bytes: int) -> None:
        """The peer's SETTINGS_HEADER_TABLE_SIZE; the encoder uses the default size at most."""
        self._encoder.header_table_size = min(table_bytes, 4096)
        self.known.clear()

    def encode(self, fields: list[Field], key: object = None) -> bytes:
        """The block for `fields`; with a `key` it is remembered if it left the table alone."""
        block: bytes = self._encoder.encode(fields)
        if scan(block):
            self.known.clear()
        elif key is not None:
            if len(self.known) >= _KNOWN_BLOCKS:
                self.known.clear()
            self.known[key] = block
        return block


def scan(block: bytes) -> bool:
    """Check the representations of a block; True when it changes the dynamic table.  Raises Http2Error."""
    at = 0
    end = len(block)
    changes = False
    begun = False
    try:
        while at < end:
            first = block[at]
            if first & 0x80:
                at = at + 1 if first != 0xFF else _integer_end(block, at + 1)
                begun = True
                continue
            if first & 0xE0 == 0x20:
                if begun:
                    raise compression_error()
                at = at + 1 if first & 0x1F != 0x1F else _integer_end(block, at + 1)
                changes = True
                continue
            begun = True
            mask = 0x3F if first & 0x40 else 0x0F
            changes = changes or bool(first & 0x40)
            index = first & mask
            at += 1
            if index == mask:
                at = _integer_end(block, at)
            elif not index:
                at = _string_end(block, at)
            at = _string_end(block, at)
    except IndexError:
        raise compression_error() from None
    if at != end:
        raise compression_error()
    return changes


def _integer_end(block: bytes, at: int) -> int:
    """Behind an integer's further bytes."""
    shift = 0
    while block[at] & 0x80:
        at += 1
        shift += 7
        if shift > _MAX_SHIFT:
            raise compression_error()
    return at + 1


def _string_end(block: bytes, at: int) -> int:
    """Behind a string literal, whose Huffman padding is checked."""
    first = block[at]
    length = first & 0x7F
    at += 1
    if length == 0x7F:
        shift = 0
        while True:
            more = block[at]
            at += 1
            length += (more & 0x7F) << shift
            if not more & 0x80:
                break
            shift += 7
            if shift > _MAX_SHIFT:
                raise compression_error()
    stop = at + length
    if first & 0x80 and not well_padded(block[at:stop]):
        raise compression_error()
    return stop
