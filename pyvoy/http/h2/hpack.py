"""Header blocks: jh2's native HPACK, and the rules of RFC 7541 that it does not check.  Pure.

A scan of the block's representations, which needs no table, refuses size updates behind the first field (4.2) and
Huffman strings with bad padding or an EOS symbol (5.2), and tells whether the block changes the dynamic table.  One
that does not (nearly every request of a client, from the second on) means the same until another one does: what it
became is remembered for so long, and neither scanned nor decoded again.  The encoder has the same memory.
A block that refers to nothing in the table means the same for ever, even if it adds to it, as all responses of some
servers do: it is decoded once, and what it would have added each time is caught up on when another block needs the
table.
"""

from __future__ import annotations

from collections import deque
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
_MIN_ENTRY_BYTES = 32
"""What an entry of the table counts for at least (RFC 7541 4.1)."""
_FIRST_TABLE_BYTES = 4096
"""The table's size until the peer has heard of another (RFC 9113 6.5.2)."""
_STATIC_ENTRIES = 61
CHANGES, REFERS = 1, 2
"""What a scan finds: the block changes the dynamic table; it refers to it, or sets its size."""
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

    __slots__ = ("_decoder", "_found", "_lasting", "_late", "known")

    def __init__(self, table_bytes: int, limit_bytes: int) -> None:
        """`limit_bytes` is where decoding stops: beyond the limit of a head, whose stream alone ends."""
        self._decoder = Decoder()
        self._decoder.max_allowed_table_size = table_bytes
        self._decoder.max_header_list_size = limit_bytes
        self.known: dict[object, Meaning] = {}
        self._lasting: dict[object, Meaning] = {}
        """Of blocks that change the table and do not refer to it."""
        self._late: deque[bytes] = deque(maxlen=max(table_bytes, _FIRST_TABLE_BYTES) // _MIN_ENTRY_BYTES + 1)
        """Those that the table has not seen.  Each adds an entry: of those before a full row nothing would be left."""
        self._found = REFERS

    def decode(self, block: bytes) -> list[Field]:
        """The fields of a block.  Raises Http2Error."""
        found = self._found = scan(block)
        if found & CHANGES:
            self.known.clear()
        if self._late:
            for late in self._late:
                self._decoder.decode(late, True)
            self._late.clear()
        try:
            fields: list[Field] = self._decoder.decode(block, True)
        except HPACKError:
            raise compression_error() from None
        except OversizedHeaderListError:
            raise Http2Error(ErrorCode.ENHANCE_YOUR_CALM, "http2.header_list_size_too_large") from None
        return fields

    def recall(self, block: bytes, key: object = None) -> Meaning | None:
        """What the block became before, None if that is not known; `key` stands for it where the same block has another
        meaning than at the begin of a message."""
        key = key or block
        found = self.known.get(key)
        if found is None:
            found = self._lasting.get(key)
            if found is not None:
                self._late.append(block)
                self.known.clear()
        return found

    def keep(self, block: bytes, meaning: Meaning, key: object = None) -> None:
        """Remember what the block just decoded has become, if it can come again with the same meaning."""
        if self._found == CHANGES | REFERS or len(block) > _KNOWN_BLOCK_BYTES:
            return
        memory = self._lasting if self._found & CHANGES else self.known
        if len(memory) >= _KNOWN_BLOCKS:
            memory.clear()
        memory[key or block] = meaning


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
        if scan(block) & CHANGES:
            self.known.clear()
        elif key is not None:
            if len(self.known) >= _KNOWN_BLOCKS:
                self.known.clear()
            self.known[key] = block
        return block


def scan(block: bytes) -> int:
    """Check the representations of a block; CHANGES and REFERS, or 0.  Raises Http2Error."""
    at = 0
    end = len(block)
    found = 0
    begun = False
    try:
        while at < end:
            first = block[at]
            at += 1
            if first & 0x80:
                if first > 0x80 | _STATIC_ENTRIES:
                    found |= REFERS
                    at = _integer(block, at, 0x7F)[0] if first == 0xFF else at
                begun = True
                continue
            if first & 0xE0 == 0x20:
                if begun:
                    raise compression_error()
                at = _integer(block, at, 0x1F)[0] if first & 0x1F == 0x1F else at
                found = CHANGES | REFERS
                continue
            begun = True
            mask = 0x3F if first & 0x40 else 0x0F
            found |= CHANGES if first & 0x40 else 0
            index = first & mask
            if index == mask:
                at, index = _integer(block, at, mask)
            if not index:
                at = _string_end(block, at)
            elif index > _STATIC_ENTRIES:
                found |= REFERS
            at = _string_end(block, at)
    except IndexError:
        raise compression_error() from None
    if at != end:
        raise compression_error()
    return found


def _integer(block: bytes, at: int, value: int) -> tuple[int, int]:
    """Behind an integer's further bytes, and its value; `value` is its prefix."""
    shift = 0
    while True:
        more = block[at]
        at += 1
        value += (more & 0x7F) << shift
        if not more & 0x80:
            return at, value
        shift += 7
        if shift > _MAX_SHIFT:
            raise compression_error()


def _string_end(block: bytes, at: int) -> int:
    """Behind a string literal, whose Huffman padding is checked."""
    first = block[at]
    length = first & 0x7F
    at += 1
    if length == 0x7F:
        at, length = _integer(block, at, length)
    stop = at + length
    if first & 0x80 and not well_padded(block[at:stop]):
        raise compression_error()
    return stop
