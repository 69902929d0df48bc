"""Limits and switches of the HTTP/1 codec, decided at load.

Defaults are Envoy's: 60 KiB of request head, 80 KiB of response head, 100 headers.  Bytes that carry neither head nor
body (chunk sizes, extensions, trailers) are limited too, because the parser below never counts them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Underscores(Enum):
    """What to do with header names that contain an underscore (headers_with_underscores_action)."""

    ALLOW = 0
    REJECT = 1
    DROP = 2


@dataclass(slots=True, frozen=True)
class Http1Plan:
    """Settings of one codec.

    `head_limit_bytes` bounds the head (and the trailers), `count_limit` the number of headers.
    """

    head_limit_bytes: int = 60 * 1024
    count_limit: int = 100
    accept_http_10: bool = False
    default_host: bytes = b""
    enable_trailers: bool = False
    underscores: Underscores = Underscores.ALLOW
    allow_absolute_url: bool = True
    proper_case: bool = False
    ignored_upgrades: tuple[bytes, ...] = ()
    send_fully_qualified_url: bool = False


UPSTREAM_PLAN = Http1Plan(head_limit_bytes=80 * 1024)
