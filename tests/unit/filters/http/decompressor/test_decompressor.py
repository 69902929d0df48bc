"""Decompressor: which bodies are unpacked, what the headers say then, and data that is broken or grows too much."""

from __future__ import annotations

import gzip
import random
from collections.abc import Callable
from typing import Any

import brotli
import pytest
import zstandard

from pyvoy.config.problems import ConfigErrors
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


def other(kind: str, message: str) -> Play:
    return play(Decompressor, CONFIG.replace("gzip.decompressor.v3.Gzip", f"{kind}.decompressor.v3.{message}"))


OTHERS = [("brotli", "Brotli", "br", brotli.compress), ("zstd", "Zstd", "zstd", zstandard.compress)]


@pytest.mark.parametrize(("kind", "message", "encoding", "pack"), OTHERS)
def test_other_libraries(kind: str, message: str, encoding: str, pack: Callable[[bytes], bytes]) -> None:
    text = random.Random(1).randbytes(3000)
    packed = pack(text)
    p = other(kind, message) >> headers("POST", "/", content_encoding=encoding)
    p >> data(packed[:700]) >> data(packed[700:], end=True)
    assert p.stage.record.body("forwarded_data") == text
    assert p.counter(f"http.test.decompressor.lib.{kind}.request.total_uncompressed_bytes") == len(text)
    p.stage.close()


@pytest.mark.parametrize(("kind", "message", "encoding", "pack"), OTHERS)
def test_of_broken_data_there_comes_nothing_more(
    kind: str, message: str, encoding: str, pack: Callable[[bytes], bytes]
) -> None:
    error = {"brotli": "brotli_error", "zstd": "zstd_generic_error"}[kind]
    for first in (b"no such data, and long enough", pack(b"\0" * 10_000_000)):
        p = other(kind, message) >> headers("POST", "/", content_encoding=encoding) >> data(first)
        before = p.stage.record.body("forwarded_data")
        p >> data(pack(PLAIN), end=True)
        assert p.stage.record.body("forwarded_data") == before
        assert p.counter(f"http.test.decompressor.lib.{kind}.decompressor_library.{error}") == 1
        p.stage.close()


def test_what_is_behind_a_brotli_stream_and_too_much_of_it_count_besides() -> None:
    for text, name in ((PLAIN, "redundant_input"), (b"\0" * 9_000_000, "output_overflow")):
        p = other("brotli", "Brotli") >> headers("POST", "/", content_encoding="br")
        p >> data(brotli.compress(text)) >> data(b"more", end=True)
        assert p.counter(f"http.test.decompressor.lib.brotli.decompressor_library.brotli_{name}") == 1
        p.stage.close()


def test_frames_of_zstd_follow_each_other() -> None:
    packed = zstandard.compress(PLAIN)
    p = other("zstd", "Zstd") >> headers("POST", "/", content_encoding="zstd")
    p >> data(packed + packed[:5]) >> data(packed[5:], end=True)
    assert p.stage.record.body("forwarded_data") == PLAIN * 2
    p.stage.close()


def test_zstd_takes_one_dictionary() -> None:
    dictionary = zstandard.ZstdCompressionDict(b"hello " * 100, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    packed = zstandard.ZstdCompressor(dict_data=dictionary).compress(PLAIN)
    text = "      dictionaries: [{inline_string: '" + "hello " * 100 + "'}]\n"
    zstd = CONFIG.replace("gzip.decompressor.v3.Gzip", "zstd.decompressor.v3.Zstd")
    place = '    "@type"'
    p = play(Decompressor, zstd.replace(place, text[2:] + place)) >> headers("POST", "/", content_encoding="zstd")
    p >> data(packed, end=True)
    assert p.stage.record.body("forwarded_data") == PLAIN
    p.stage.close()
    with pytest.raises(ConfigErrors, match="only one dictionary"):
        play(Decompressor, zstd.replace(place, text[2:].replace("}]", "}, {inline_string: x}]") + place))
