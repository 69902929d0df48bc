"""Brotli and zstd, both ways, and several compressors in one chain."""
# ruff: noqa: E501 - a table: a case reads best on its own line

from typing import Any

import brotli
import zstandard

from tests.parity.case import Case, answers, ask, request, response
from tests.support.steps import Wait

_TEXT = b"hello hello hello hello hello hello hello hello " * 4
_ANSWER = response("200 OK", "content-type: text/plain", body=_TEXT)
_TYPE = "type.googleapis.com/envoy.extensions.compression."
_PACKED = {"brotli": brotli.compress(_TEXT), "zstd": zstandard.compress(_TEXT)}
_CODING = {"brotli": "br", "zstd": "zstd", "gzip": "gzip"}
_MESSAGE = {"brotli": "Brotli", "zstd": "Zstd", "gzip": "Gzip"}


def _library(kind: str, way: str, more: str = "") -> str:
    return f"{way}_library: {{name: {kind}, typed_config: {{'@type': {_TYPE}{kind}.{way}.v3.{_MESSAGE[kind]}{more}}}}}"


def _pack(name: str, accept: str, *kinds: str, answer: Any = _ANSWER, more: str = "", config: str = "", **rest: Any) -> Case:
    filters = "\n".join(f"- compressor: {{{_library(kind, 'compressor', more)}{config}}}" for kind in kinds)
    return Case(f"coding-{name}", "200", (ask(request("/", f"accept-encoding: {accept}")),), filters=filters, upstream={"up": answers(answer)}, **rest)


def _unpack(name: str, kind: str, *, body: bytes | None = None, answer: Any = None, **rest: Any) -> Case:
    packed = _PACKED[kind] if body is None else body
    given = answer or response("200 OK", f"content-encoding: {_CODING[kind]}", body=packed)
    return Case(f"decoding-{kind}-{name}", "200", (ask(request()),), filters=f"- decompressor: {{{_library(kind, 'decompressor')}}}", upstream={"up": answers(given)}, **rest)


def _in_pieces(kind: str) -> Any:
    packed = _PACKED[kind]
    return (response("200 OK", f"content-encoding: {_CODING[kind]}", f"content-length: {len(packed)}", body=None) + packed[:9], Wait(0.1), packed[9:])


SEVERAL = [
    _pack(f"several-{name}", accept, *kinds, config=config)
    for name, accept, kinds, config in (
        ("first-named", "gzip, br", ("gzip", "brotli"), ""),
        ("first-named-is-last", "br, gzip", ("gzip", "brotli"), ""),
        ("quality", "gzip;q=0.5, br;q=0.8", ("gzip", "brotli"), ""),
        ("refused", "gzip;q=0, br;q=0.1", ("gzip", "brotli"), ""),
        ("wildcard", "*", ("gzip", "brotli"), ""),
        ("wildcard-but-one", "gzip;q=0, *", ("gzip", "brotli"), ""),
        ("wildcard-above", "br;q=0.5, *", ("gzip", "brotli"), ""),
        ("identity", "identity, br;q=0.5", ("gzip", "brotli"), ""),
        ("neither", "zstd", ("gzip", "brotli"), ""),
        ("three", "zstd, br, gzip", ("gzip", "brotli", "zstd"), ""),
        ("all-preferred", "gzip, br", ("gzip", "brotli"), ", choose_first: true"),
        ("twice-the-same", "gzip", ("gzip", "gzip"), ""),
    )
]  # fmt: skip
_MIXED = f"- compressor: {{{_library('gzip', 'compressor')}}}\n- compressor: {{{_library('brotli', 'compressor')}, %s}}"

CASES = (
    *SEVERAL,
    Case("coding-preferred", "200", (ask(request("/", "accept-encoding: gzip, br")),), filters=_MIXED % "choose_first: true", upstream={"up": answers(_ANSWER)}),
    Case("coding-preferred-lower", "200", (ask(request("/", "accept-encoding: gzip, br;q=0.5")),), filters=_MIXED % "choose_first: true", upstream={"up": answers(_ANSWER)}),
    Case("coding-other-types", "200", (ask(request("/", "accept-encoding: br, gzip")),), filters=_MIXED % "response_direction_config: {common_config: {content_type: [text/css]}}", upstream={"up": answers(_ANSWER)}),
    Case("coding-other-disabled", "200", (ask(request("/", "accept-encoding: br, gzip")),), filters=_MIXED % "response_direction_config: {common_config: {enabled: {default_value: false, runtime_key: k}}}", upstream={"up": answers(_ANSWER)}),
    Case("coding-other-too-small", "200", (ask(request("/", "accept-encoding: br, gzip")),), filters=_MIXED % "response_direction_config: {common_config: {min_content_length: 1000}}", upstream={"up": answers(_ANSWER)}),
    _pack("brotli", "br", "brotli", all_stats=True),
    _pack("brotli-settings", "br", "brotli", more=", quality: 9, encoder_mode: TEXT, window_bits: 12, input_block_bits: 16"),
    _pack("brotli-in-pieces", "br", "brotli", answer=(response("200 OK", f"content-length: {len(_TEXT)}", body=None) + _TEXT[:90], Wait(0.1), _TEXT[90:])),
    _pack("brotli-head", "gzip", "brotli"),
    _pack("zstd", "zstd", "zstd", all_stats=True),
    _pack("zstd-settings", "zstd", "zstd", more=", compression_level: 9, enable_checksum: true, strategy: BTOPT"),
    _pack("zstd-in-pieces", "zstd", "zstd", answer=(response("200 OK", f"content-length: {len(_TEXT)}", body=None) + _TEXT[:90], Wait(0.1), _TEXT[90:])),
    _unpack("response", "brotli", all_stats=True),
    _unpack("pieces", "brotli", answer=_in_pieces("brotli")),
    _unpack("broken", "brotli", body=b"no brotli at all, and long enough"),
    _unpack("cut", "brotli", body=_PACKED["brotli"][:-4]),
    _unpack("behind", "brotli", body=_PACKED["brotli"] + b"more"),
    _unpack("bomb", "brotli", body=brotli.compress(b"\0" * 1_000_000)),
    _unpack("response", "zstd", all_stats=True),
    _unpack("pieces", "zstd", answer=_in_pieces("zstd")),
    _unpack("broken", "zstd", body=b"no zstd at all, and long enough"),
    _unpack("cut", "zstd", body=_PACKED["zstd"][:-4]),
    _unpack("behind", "zstd", body=_PACKED["zstd"] + b"more"),
    _unpack("bomb", "zstd", body=zstandard.compress(b"\0" * 1_000_000)),
)
