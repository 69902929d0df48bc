"""HTTP/1 serialisation: header maps to bytes, and the framing of bodies (RFC 9112 section 6).

Pure functions.  What goes out is framed here from the header map alone; nothing is copied from the other side's bytes.
"""

from __future__ import annotations

from itertools import islice

from pyvoy.http.h1.grammar import STATUS_LINES, proper_case, status_line
from pyvoy.http.headers import HeaderMap

LAST_CHUNK = b"0\r\n\r\n"


_field = b": ".join
_STATUS_FIELD = len(b":status: 200\r\n")
_PSEUDO = (b":authority", b":path", b":method", b":scheme")
_PSEUDO_BYTES = len(b":authority: \r\n:path: \r\n:method: \r\n:scheme: \r\n")


def _fields(headers: HeaderMap) -> bytes:
    """All regular fields, each with its CRLF; for a map with other pseudo headers than the usual ones in front: such
    as a filter may have added never leave, as in Envoy."""
    return b"".join([name + b": " + value + b"\r\n" for name, value in headers.items() if name[:1] != b":"])


def response_head(headers: HeaderMap, extra: bytes) -> bytes:
    """The response head; `extra` is the framing header that the codec adds (with its CRLF) or empty.

    The whole map is joined at once and `:status`, which stands first, is cut off: no step per header in Python.
    """
    values = headers.map
    status = values[b":status"]
    line = STATUS_LINES.get(status) or status_line(status)
    block = b"\r\n".join(map(_field, values.items() if headers.pairs is None else headers.pairs))
    if block[:9] != b":status: " or len(status) != 3 or len(block) < _STATUS_FIELD or b"\n:" in block:
        return b"%b%b%b\r\n" % (line, _fields(headers), extra)
    return b"%b%b\r\n%b\r\n" % (line, block[_STATUS_FIELD:], extra)


def request_head(headers: HeaderMap, extra: bytes) -> bytes:
    """The request head; Host comes first, from `:authority`.  The four pseudo headers stand first and are cut off."""
    values = headers.map
    authority = values.get(b":authority", b"")
    path = values[b":path"]
    method = values[b":method"]
    if headers.pairs is not None or len(values) == len(_PSEUDO) or tuple(islice(values, 4)) != _PSEUDO:
        return b"%b %b HTTP/1.1\r\nhost: %b\r\n%b%b\r\n" % (method, path, authority, _fields(headers), extra)
    block = b"\r\n".join(map(_field, values.items()))
    cut = _PSEUDO_BYTES + len(authority) + len(path) + len(method) + len(values[b":scheme"])
    rest = block[cut:]
    if rest[:1] == b":" or b"\n:" in rest:
        rest = _fields(headers)[:-2]
    return b"%b %b HTTP/1.1\r\nhost: %b\r\n%b\r\n%b\r\n" % (method, path, authority, rest, extra)


def connect_head(headers: HeaderMap, extra: bytes) -> bytes:
    """The head of a CONNECT request: the authority is the target (RFC 9112 3.2.3)."""
    authority = headers.map.get(b":authority", b"")
    return b"".join(
        [b"CONNECT ", authority, b" HTTP/1.1\r\nhost: ", authority, b"\r\n", _fields(headers), extra, b"\r\n"]
    )


def field_bytes(head: bytes) -> int:
    """The bytes of the field lines of an encoded head: without its first line and the blank one."""
    return len(head) - head.find(b"\r\n") - 4


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def trailer_block(trailers: HeaderMap) -> bytes:
    """The last chunk followed by trailers."""
    return b"0\r\n%b\r\n" % b"".join([name + b": " + value + b"\r\n" for name, value in trailers.items()])


def with_proper_case(headers: HeaderMap) -> HeaderMap:
    """The same headers with names in proper case, for `header_key_format.proper_case_words`."""
    other = HeaderMap()
    other.map = {name if name[:1] == b":" else proper_case(name): value for name, value in headers.map.items()}
    if headers.pairs is not None:
        other.pairs = [(name if name[:1] == b":" else proper_case(name), value) for name, value in headers.pairs]
    return other
