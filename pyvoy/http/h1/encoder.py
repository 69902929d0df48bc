"""HTTP/1 serialisation: header maps to bytes, and the framing of bodies (RFC 9112 section 6).

Pure functions.  What goes out is framed here from the header map alone; nothing is copied from the other side's bytes.
"""

from __future__ import annotations

from pyvoy.http.h1.grammar import proper_case, status_line
from pyvoy.http.headers import HeaderMap

LAST_CHUNK = b"0\r\n\r\n"


def response_head(headers: HeaderMap, extra: bytes) -> bytes:
    """The response head; `extra` is the framing header that the codec adds (with its CRLF) or empty."""
    pairs = headers.items()
    return b"".join(
        [
            status_line(headers.map[b":status"]),
            *[name + b": " + value + b"\r\n" for name, value in pairs if name[0] != 58],
            extra,
            b"\r\n",
        ]
    )


def request_head(headers: HeaderMap, extra: bytes, version: bytes = b" HTTP/1.1\r\nhost: ") -> bytes:
    """The request head; Host comes first, from `:authority`."""
    values = headers.map
    return b"".join(
        [
            values[b":method"],
            b" ",
            values[b":path"],
            version,
            values.get(b":authority", b""),
            b"\r\n",
            *[name + b": " + value + b"\r\n" for name, value in headers.items() if name[0] != 58],
            extra,
            b"\r\n",
        ]
    )


def connect_head(headers: HeaderMap, extra: bytes) -> bytes:
    """The head of a CONNECT request: the authority is the target (RFC 9112 3.2.3)."""
    authority = headers.map.get(b":authority", b"")
    fields = [name + b": " + value + b"\r\n" for name, value in headers.items() if name[0] != 58]
    return b"".join([b"CONNECT ", authority, b" HTTP/1.1\r\nhost: ", authority, b"\r\n", *fields, extra, b"\r\n"])


def chunk(data: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def trailer_block(trailers: HeaderMap) -> bytes:
    """The last chunk followed by trailers."""
    return b"0\r\n%b\r\n" % b"".join([name + b": " + value + b"\r\n" for name, value in trailers.items()])


def with_proper_case(headers: HeaderMap) -> HeaderMap:
    """The same headers with names in proper case, for `header_key_format.proper_case_words`."""
    other = HeaderMap()
    other.map = {name if name[0] == 58 else proper_case(name): value for name, value in headers.map.items()}
    if headers.pairs is not None:
        other.pairs = [(name if name[0] == 58 else proper_case(name), value) for name, value in headers.pairs]
    return other
