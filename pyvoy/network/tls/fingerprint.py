"""JA3 and JA4 fingerprints of a ClientHello.

Two digests of what a client offers, for logs and matchers; no part of the handshake.
Source: the public JA3 and JA4 descriptions as Envoy's tls_inspector applies them (probed on Envoy 1.40): GREASE values
(RFC 8701) count nowhere but in JA3's curves.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import md5, sha256

from pyvoy.network.tls.client_hello import (
    EXTENSION_ALPN,
    EXTENSION_EC_POINT_FORMATS,
    EXTENSION_SERVER_NAME,
    EXTENSION_SIGNATURE_ALGORITHMS,
    EXTENSION_SUPPORTED_GROUPS,
    EXTENSION_SUPPORTED_VERSIONS,
    ClientHello,
    numbers_of,
)

GREASE = frozenset(0x0A0A + 0x1010 * step for step in range(16))
_VERSION_TEXT = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10"}
_NO_HASH = "0" * 12


def ja3_text(hello: ClientHello) -> str:
    """The text JA3 digests: version,ciphers,extensions,curves,point formats, decimal and joined by "-"."""
    groups = hello.extensions.get(EXTENSION_SUPPORTED_GROUPS, b"")[2:]
    formats = hello.extensions.get(EXTENSION_EC_POINT_FORMATS, b"")[1:]
    return ",".join(
        (
            str(hello.version),
            _decimal(number for number in numbers_of(hello.cipher_suites) if number not in GREASE),
            _decimal(kind for kind in hello.extensions if kind not in GREASE),
            _decimal(numbers_of(groups)),
            _decimal(formats),
        )
    )


def ja3_hash(hello: ClientHello) -> str:
    """The JA3 fingerprint: MD5 of `ja3_text`, 32 hex digits."""
    return md5(ja3_text(hello).encode("ascii"), usedforsecurity=False).hexdigest()


def ja4(hello: ClientHello) -> str:
    """The JA4 fingerprint of a TLS-over-TCP client, e.g. t13d1516h2_8daaf6152771_e5627efa2ab1."""
    ciphers = [number for number in numbers_of(hello.cipher_suites) if number not in GREASE]
    kinds = [kind for kind in hello.extensions if kind not in GREASE]
    has_name = EXTENSION_SERVER_NAME in kinds
    return "".join(
        (
            "t",
            _ja4_version(hello),
            "d" if has_name else "i",
            f"{min(len(ciphers), 99):02d}{min(len(kinds), 99):02d}",
            _ja4_alpn(hello.extensions.get(EXTENSION_ALPN)),
            "_",
            _digest(_hex(sorted(ciphers))),
            "_",
            _digest(_ja4_extensions(hello, kinds)),
        )
    )


def _decimal(numbers: Iterable[int]) -> str:
    return "-".join(map(str, numbers))


def _hex(numbers: Iterable[int]) -> str:
    return ",".join(f"{number:04x}" for number in numbers)


def _digest(text: str) -> str:
    return sha256(text.encode("ascii")).hexdigest()[:12] if text else _NO_HASH


def _ja4_version(hello: ClientHello) -> str:
    versions = numbers_of(hello.extensions.get(EXTENSION_SUPPORTED_VERSIONS, b"")[1:])
    offered = [number for number in versions if number not in GREASE]
    return _VERSION_TEXT.get(max(offered, default=hello.version), "00")


def _ja4_alpn(body: bytes | None) -> str:
    """First and last character of the first protocol, or a nibble of each where they are not alphanumeric."""
    if body is None or len(body) < 4 or body[2] == 0 or len(body) < 3 + body[2]:
        return "00"
    first, last = body[3], body[2 + body[2]]
    if _is_alphanumeric(first) and _is_alphanumeric(last):
        return chr(first) + chr(last)
    return f"{first >> 4:x}{last & 15:x}"


def _is_alphanumeric(code: int) -> bool:
    return code < 128 and chr(code).isalnum()


def _ja4_extensions(hello: ClientHello, kinds: list[int]) -> str:
    counted = sorted(kind for kind in kinds if kind not in (EXTENSION_SERVER_NAME, EXTENSION_ALPN))
    if not counted:
        return ""
    body = hello.extensions.get(EXTENSION_SIGNATURE_ALGORITHMS, b"")[2:]
    algorithms = _hex(numbers_of(body))
    return f"{_hex(counted)}_{algorithms}" if algorithms else _hex(counted)
