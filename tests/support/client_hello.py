"""Builds ClientHello bytes field by field, right or wrong, for tests of everything that looks at a TLS connection."""

from __future__ import annotations

import struct
from collections.abc import Iterable

GROUPS_WITH_GREASE = b"\x2a\x2a\x00\x1d\x00\x17"
SIGNATURE_ALGORITHMS = b"\x04\x03\x08\x04"


def vector(width: int, data: bytes) -> bytes:
    """Data behind its length in `width` bytes."""
    return len(data).to_bytes(width, "big") + data


def extension(kind: int, body: bytes) -> bytes:
    """One extension."""
    return struct.pack("!H", kind) + vector(2, body)


def server_names(*names: bytes, kind: int = 0) -> bytes:
    """The server_name extension with these names."""
    return extension(0, vector(2, b"".join(bytes([kind]) + vector(2, name) for name in names)))


def alpn(*names: bytes) -> bytes:
    """The ALPN extension with these protocols."""
    return extension(16, vector(2, b"".join(vector(1, name) for name in names)))


def versions(*numbers: int) -> bytes:
    """The supported_versions extension."""
    return extension(43, vector(1, b"".join(struct.pack("!H", number) for number in numbers)))


def groups_formats_algorithms() -> bytes:
    """Three extensions that fingerprints look into."""
    formats = extension(11, vector(1, b"\x00"))
    return extension(10, vector(2, GROUPS_WITH_GREASE)) + formats + extension(13, vector(2, SIGNATURE_ALGORITHMS))


def message(
    extensions: bytes | None = b"",
    *,
    version: int = 0x0303,
    ciphers: Iterable[int] = (0x1301, 0xC02F),
    compression: bytes = b"\x00",
    session_id: bytes = b"",
    trailing: bytes = b"",
    kind: int = 1,
) -> bytes:
    """A handshake message; `extensions` None leaves the whole block out."""
    body = struct.pack("!H", version) + b"\x07" * 32 + vector(1, session_id)
    body += vector(2, b"".join(struct.pack("!H", cipher) for cipher in ciphers)) + vector(1, compression)
    if extensions is not None:
        body += vector(2, extensions)
    return bytes([kind]) + vector(3, body + trailing)


def records(data: bytes, size: int = 16384, *, kind: int = 22, version: bytes = b"\x03\x01") -> bytes:
    """Data cut into records of at most `size` bytes."""
    pieces = (data[at : at + size] for at in range(0, len(data), size))
    return b"".join(bytes([kind]) + version + vector(2, piece) for piece in pieces)


def v2_hello(version: int = 0x0301, specs: bytes = b"\x00\xc0\x2f\x07\x00\x35", extra: bytes = b"") -> bytes:
    """A hello in SSL 2.0's framing; `specs` are three bytes a cipher."""
    body = b"\x01" + struct.pack("!HHHH", version, len(specs), 0, 16) + specs + b"\x07" * 16 + extra
    return bytes([0x80 | len(body) >> 8, len(body) & 255]) + body
