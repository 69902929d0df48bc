"""Which HTTP a client speaks: by configuration, by what TLS negotiated, or by the first bytes.  Pure.

Source: Envoy's HttpConnectionManagerConfig::createCodec and ConnectionManagerUtility::determineNextProtocol.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyvoy.observe.stream_info import ConnectionInfo

_PREFACE = b"PRI * HTTP/2"
_TOLD_APART = 4
"""No method of HTTP/1 begins like the preface up to here."""

_SPACES = 2
"""A line of three words without a slash has neither the target nor the version of an HTTP/1 request: what begins with
it is a broken preface, and is closed without an answer that its sender could not read (RFC 9113 3.4)."""


class CodecType(Enum):
    """codec_type of a connection manager."""

    AUTO = 0
    HTTP1 = 1
    HTTP2 = 2

    def is_http2(self, data: bytes, info: ConnectionInfo) -> bool:
        """Whether a connection that begins with `data` is served as HTTP/2."""
        if self is not _AUTO:
            return self is CodecType.HTTP2
        negotiated = info.tls.alpn if info.tls is not None else ""
        if negotiated:
            return negotiated == "h2"
        if data.startswith(_PREFACE) or (len(data) >= _TOLD_APART and _PREFACE.startswith(data)):
            return True
        line_bytes = data.find(b"\n")
        return line_bytes > 0 and data.find(b"/", 0, line_bytes) < 0 and data.count(b" ", 0, line_bytes) == _SPACES


_AUTO = CodecType.AUTO
"""Named once: in CPython 3.11 a look-up in an enumeration costs as much as a call."""
