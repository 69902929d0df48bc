"""Whole message heads that came in one read, and the memory of those that came before.  Pure.

Peers send the same heads again and again: a client differs from request to request in its target at most, and until
the date changes an upstream's answers of one length begin alike.  A head that the parser has accepted is split here by
lines, which is safe because the parser refuses folded lines and bare CR or LF; one that comes again is neither judged
nor split again, and carries in `memo` what its reader has made of it.  A head is kept from its second time on, so that
heads that never repeat cost no memory; what is kept is bounded.
"""

from __future__ import annotations

from pyvoy.http.h1.grammar import tokens
from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.h1.pipeline import Mode
from pyvoy.http.headers import HeaderMap, Pair, header_map

_NEEDS_PARSER = frozenset((b"transfer-encoding", b"upgrade"))
"""A request head with one of these goes through the parser's callbacks."""
_KNOWN_LINES = 4096
_KNOWN_LINE_BYTES = 160
_KNOWN_HEADS = 1024
_KNOWN_HEAD_BYTES = 4096
_SEEN_ONCE = 4096
_LENGTH_DIGITS = 12


class RequestHead:
    """The head of a request that came whole, with its body of `length_bytes`.  `values` are its headers, pseudo headers
    first, each name once; they are shared with every request that has this head and never changed.  `memo` is the
    connection manager's."""

    __slots__ = ("block", "length_bytes", "memo", "mode", "values")

    def __init__(self, values: dict[bytes, bytes], mode: Mode, block: RequestBlock | None = None) -> None:
        """`block` holds its field lines, if those are remembered."""
        self.values = values
        self.mode = mode
        self.block = block
        self.length_bytes = int(values.get(b"content-length", b"0"))
        self.memo: object = None

    def headers(self) -> HeaderMap:
        """A header map of one's own."""
        return header_map(self.values.copy())


class ResponseHead:
    """The whole head of a response with a Content-Length, which is `length_bytes`.  `values` are shared as those of a
    request; `size_bytes` counts the head on the wire; `closes` says that the upstream announces its end.  `memo` is
    for whoever writes the response out."""

    __slots__ = ("closes", "judged", "kept", "length_bytes", "memo", "size_bytes", "values")

    def __init__(self, values: dict[bytes, bytes], length_bytes: int, size_bytes: int) -> None:
        self.values = values
        self.length_bytes = length_bytes
        self.size_bytes = size_bytes
        connection = values.get(b"connection")
        self.closes = connection is not None and b"close" in tokens(connection)
        self.judged = False
        """The parser has accepted it."""
        self.kept = False
        """It is remembered: what is made of it serves again."""
        self.memo: object = None

    def headers(self) -> HeaderMap:
        """A header map of one's own."""
        return header_map(self.values.copy())


class _FieldLines:
    """Splits field lines into names and values, and remembers the lines seen before."""

    __slots__ = ("_known", "_once", "get")

    def __init__(self) -> None:
        self._known: dict[bytes, Pair] = {}
        self._once: set[int] = set()
        self.get = self._known.get
        """The pair of a line seen before, or None."""

    def split(self, line: bytes) -> Pair:
        """The lower-case name and the trimmed value of a field line."""
        name, _, value = line.partition(b":")
        pair = (name.lower(), value.strip(b" \t"))
        if len(line) <= _KNOWN_LINE_BYTES and self.seen(line):
            if len(self._known) >= _KNOWN_LINES:
                self._known.clear()
            self._known[line] = pair
        return pair

    def seen(self, text: object) -> bool:
        """Whether this is (as good as surely) not its first time."""
        key = hash(text)
        once = self._once
        if key in once:
            return True
        if len(once) >= _SEEN_ONCE:
            once.clear()
        once.add(key)
        return False


class RequestBlock:
    """The field lines of a request head, with the blank line, that came more than once; `heads` are the whole heads
    with them, by request line (with its CRLF).  `memo` is the connection manager's."""

    __slots__ = ("fields", "heads", "memo")

    def __init__(self, fields: dict[bytes, bytes]) -> None:
        self.fields = fields
        self.heads: dict[bytes, RequestHead] = {}
        self.memo: object = None


class RequestHeads(_FieldLines):
    """The memory of one connection manager in one worker, shared by its connections."""

    __slots__ = ("_room", "blocks")

    def __init__(self) -> None:
        super().__init__()
        self.blocks: dict[bytes, RequestBlock] = {}
        """The blocks that are kept, by their bytes."""
        self._room = _KNOWN_HEADS

    def fields(self, block: bytes, count_limit: int) -> dict[bytes, bytes] | None:
        """The values of a request whose field lines are `block` (with the blank line), pseudo headers first and empty
        but for the host; None when the block needs the parser's callbacks: a repeated name, no host, an odd length."""
        if block.find(b"\r\n\r\n") != len(block) - 4:
            return None
        get = self.get
        split = self.split
        pairs = [get(line) or split(line) for line in block[:-4].split(b"\r\n")]
        fields = dict(pairs)
        host = fields.pop(b"host", None)
        if host is None or len(fields) != len(pairs) - 1 or len(pairs) > count_limit:
            return None
        length = fields.get(b"content-length", b"0")
        if not _NEEDS_PARSER.isdisjoint(fields) or not length.isdigit() or len(length) > _LENGTH_DIGITS:
            return None
        return {b":authority": host, b":path": b"", b":method": b"", b":scheme": b"", **fields}

    def keep(self, line: bytes, block: bytes, head: RequestHead) -> None:
        """The parser has accepted a head: remember it if it is not its first time."""
        if len(line) + len(block) > _KNOWN_HEAD_BYTES:
            return
        again = self.seen((line, block))
        if not self.seen(block):
            return
        known = self.blocks.get(block)
        if known is None:
            self._take_room()
            known = self.blocks[block] = RequestBlock(head.values)
        if again and line not in known.heads:
            self._take_room()
            self.blocks[block] = known  # it may have made the room
            known.heads[line] = head

    def _take_room(self) -> None:
        if not self._room:
            self._room = _KNOWN_HEADS
            for block in self.blocks.values():
                block.heads.clear()
            self.blocks.clear()
        self._room -= 1


class ResponseHeads(_FieldLines):
    """The memory of one pool."""

    __slots__ = ("_known_heads", "_statuses", "known")

    def __init__(self) -> None:
        super().__init__()
        self._known_heads: dict[bytes, ResponseHead] = {}
        self._statuses: dict[bytes, bytes | None] = {}
        self.known = self._known_heads.get
        """The head with these bytes (without the blank line) if it is kept."""

    def read(self, raw: bytes, plan: Http1Plan) -> ResponseHead | None:
        """The head that these bytes (without the blank line) are; None when it needs the parser's callbacks: another
        framing, a repeated name, an unusual status."""
        lines = raw.split(b"\r\n")
        status = self.status(lines.pop(0))
        if status is None or len(lines) > plan.count_limit or len(raw) > plan.head_limit_bytes:
            return None
        get = self.get
        split = self.split
        values = {b":status": status}
        values.update([get(line) or split(line) for line in lines])
        length = values.get(b"content-length", b"")
        if not length.isdigit() or len(length) > _LENGTH_DIGITS:
            return None
        if b"transfer-encoding" in values or len(values) != len(lines) + 1:
            return None
        values.pop(b"keep-alive", None)
        return ResponseHead(values, int(length), len(raw) + 4)

    def keep(self, raw: bytes, head: ResponseHead) -> None:
        """The parser has accepted a head: remember it if it is not its first time."""
        head.judged = True
        if len(raw) <= _KNOWN_HEAD_BYTES and self.seen(raw):
            if len(self._known_heads) >= _KNOWN_HEADS:
                self._known_heads.clear()
            self._known_heads[raw] = head
            head.kept = True

    def status(self, line: bytes) -> bytes | None:
        """The code of a final HTTP/1.1 response that may have a body; None for any other status line."""
        known = self._statuses
        if line in known:
            return known[line]
        code = line[9:12]
        plain = line[:9] == b"HTTP/1.1 " and code.isdigit() and code[:1] in b"2345" and code not in (b"204", b"304")
        if len(known) >= _KNOWN_LINES:
            known.clear()
        known[line] = code if plain and line[12:13] in (b"", b" ") else None
        return known[line]
