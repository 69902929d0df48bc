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
        return data.startswith(_PREFACE) or (len(data) >= _TOLD_APART and _PREFACE.startswith(data))


_AUTO = CodecType.AUTO
"""Named once: in CPython 3.11 a look-up in an enumeration costs as much as a call."""
