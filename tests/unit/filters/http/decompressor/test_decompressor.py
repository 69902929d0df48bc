"""Decompressor: which bodies are unpacked, what the headers say then, and data that is broken or grows too much."""

from __future__ import annotations

import gzip
from typing import Any

import pytest

from pyvoy.filters.http.decompressor.filter import Decompressor
from pyvoy.testing.contract import check_http_filter
from pyvoy.testing.playbook import (
    Play,
    data,
    forwarded,
    forwarded_data,
    forwarded_trailers,
    headers,
    play,
    response,
    response_data,
    sent,
    sent_data,
    sent_trailers,
)

PLAIN = b"hello " * 20
PACKED = gzip.compress(PLAIN, mtime=0)
CONFIG = """
decompressor_library:
  name: lib
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.compression.gzip.decompressor.v3.Gzip
"""
SIZES = (
    ("x-envoy-decompressor-lib-compressed-bytes", str(len(PACKED))),
    ("x-envoy-decompressor-lib-uncompressed-bytes", str(len(PLAIN))),
)


def staged(config: str = "") -> Play:
    return play(Decompressor, CONFIG + config)


def counter(p: Play, name: str) -> int:
    return p.counter(f"http.test.decompressor.lib.gzip.{name}")


def test_a_request_is_unpacked_and_its_sizes_are_told() -> None:
    p = staged() >> headers("POST", "/", content_encoding="gzip", content_length=str(len(PACKED)))
    p << forwarded(content_encoding=None, content_length=None, accept_encoding="gzip")
    p >> data(PACKED, end=True) << forwarded_data(PLAIN, end=False) << forwarded_trailers(*SIZES)
    assert counter(p, "request.decompressed") == 1
    assert counter(p, "request.total_compressed_bytes") == len(PACKED)
    assert counter(p, "request.total_uncompressed_bytes") == len(PLAIN)
    p.stage.close()


def test_a_response_is_unpacked_piece_by_piece() -> None:
    p = staged() >> headers() << forwarded()
    p >> response(200, content_encoding="GZIP, br") << sent(200, content_encoding="br", end=False)
    p >> response_data(PACKED[:10])
    p >> response_data(PACKED[10:], end=True) << sent_data(PLAIN, end=False) << sent_trailers(*SIZES)
    p.end()


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ("", {"content_encoding": "br"}),
        ("", {}),
        ("", {"content_encoding": "gzip", "cache_control": "private, No-Transform"}),
        ("response_direction_config: {common_config: {enabled: {default_value: false}}}", {"content_encoding": "gzip"}),
    ],
)
def test_what_stays_as_it_is(config: str, fields: dict[str, str]) -> None:
    p = staged(config) >> headers() << forwarded() >> response(200, **fields) << sent(200, **fields)
    p >> response_data(PACKED, end=True) << sent_data(PACKED, end=True)
    assert counter(p, "response.not_decompressed") == 1
    p.end()


def test_no_transform_may_be_ignored() -> None:
    p = staged("response_direction_config: {common_config: {ignore_no_transform_header: true}}") >> headers()
    p >> response(200, content_encoding="gzip", cache_control="no-transform") << sent(200, content_encoding=None)
    p.stage.close()


@pytest.mark.parametrize(
    ("accepted", "expected"), [(None, "gzip"), ("br", "br,gzip"), ("gzip;q=0.1,br", "br,gzip"), ("", "gzip")]
)
def test_what_can_be_unpacked_is_said(accepted: Any, expected: str) -> None:
    p = staged() >> headers(accept_encoding=accepted) << forwarded(accept_encoding=expected)
    p.stage.close()


def test_it_need_not_be_said() -> None:
    p = staged("request_direction_config: {advertise_accept_encoding: false}") >> headers()
    p << forwarded(accept_encoding=None)
    p.stage.close()


def test_broken_data_ends_the_body() -> None:
    p = staged() >> headers() << forwarded() >> response(200, content_encoding="gzip") << sent(200)
    p >> response_data(b"no gzip")
    p >> response_data(PACKED, end=True) << sent_trailers(("x-envoy-decompressor-lib-uncompressed-bytes", "0"))
    assert counter(p, "decompressor_library.zlib_data_error") == 1
    p.stage.close()


def test_data_that_grows_too_much_is_cut() -> None:
    config = CONFIG.replace("v3.Gzip", "v3.Gzip\n    max_inflate_ratio: 2")
    p = play(Decompressor, config) >> headers() << forwarded() >> response(200, content_encoding="gzip") << sent(200)
    bomb = gzip.compress(b"\0" * 1_000_000, mtime=0)
    p >> response_data(bomb, end=True) << sent_data(b"\0" * 4096, end=False) << sent_trailers()
    assert counter(p, "decompressor_library.zlib_data_error") == 1
    p.end()


def test_contract() -> None:
    check_http_filter(Decompressor, CONFIG)
