"""The compressor: what is compressed and what is not, headers, counters, trailers, requests, routes."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.compressor.filter import Compressor
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
    response_trailers,
    sent,
    sent_data,
    sent_trailers,
    trailers,
)

LIBRARY = """
compressor_library:
  name: lib
  typed_config: {"@type": type.googleapis.com/envoy.extensions.compression.gzip.compressor.v3.Gzip}
"""
ON_REQUESTS = "request_direction_config: {common_config: {enabled: {default_value: true, runtime_key: x}}}"
BODY = b"The quick brown fox " * 10
HTML = ("content-type", "text/html")


def compressor(*lines: str, route: str = "") -> Play:
    return play(Compressor, "\n".join((LIBRARY, *lines)), route=route or ())


def answered(
    p: Play, *fields: tuple[str, str], status: int = 200, body: bytes = BODY, accept: str | None = "gzip"
) -> Play:
    """The whole response of an upstream to a request that accepts gzip."""
    length = ("content-length", str(len(body)))
    p >> headers(accept_encoding=accept) << forwarded() >> response(status, *fields, length)
    return p >> response_data(body, end=True)


def head(p: Play) -> dict[str, str]:
    (fact,) = p.stage.record.of("sent")
    return {name.decode(): value.decode() for name, value in fact.headers}


def stat(p: Play, name: str) -> int:
    return p.counter(f"http.test.compressor.lib.gzip.{name}")


def test_a_response_is_compressed() -> None:
    p = answered(compressor(), HTML)
    assert head(p) == {
        ":status": "200",
        "content-type": "text/html",
        "content-encoding": "gzip",
        "vary": "Accept-Encoding",
    }
    assert gzip.decompress(p.stage.record.body("sent_data")) == BODY
    names = ("compressed", "header_compressor_used", "total_uncompressed_bytes", "request.not_compressed")
    assert [stat(p, name) for name in names] == [1, 1, len(BODY), 1]
    p.stage.close()


# response headers, accept-encoding, whether vary is set, the counter that says why; as seen on Envoy 1.40
PLAIN = [
    ([HTML], None, True, "no_accept_header"),
    ([HTML], "identity", True, "header_identity"),
    ([HTML], "br", True, "header_not_valid"),
    ([("content-type", "image/png")], "gzip", False, "header_not_valid"),
    ([HTML, ("cache-control", "public, no-transform")], "gzip", False, "header_compressor_used"),
    ([HTML, ("content-encoding", "br")], "gzip", False, "header_compressor_used"),
]


@pytest.mark.parametrize(("fields", "accept", "vary", "counter"), PLAIN)
def test_what_stays_plain(fields: list[tuple[str, str]], accept: str | None, vary: bool, counter: str) -> None:
    p = answered(compressor(), *fields, accept=accept)
    assert p.stage.record.body("sent_data") == BODY
    assert head(p)["content-length"] == str(len(BODY))
    assert ("vary" in head(p)) is vary
    assert (stat(p, "not_compressed"), stat(p, counter)) == (1, 1)
    p.stage.close()


@pytest.mark.parametrize(("length", "compressed"), [(29, 0), (30, 1)])
def test_short_bodies_stay_plain(length: int, compressed: int) -> None:
    p = answered(compressor(), HTML, body=b"x" * length)
    assert (stat(p, "compressed"), stat(p, "content_length_too_small")) == (compressed, 1 - compressed)
    p.stage.close()


def test_responses_without_content_type_or_length_are_compressed() -> None:
    p = (
        compressor()
        >> headers(accept_encoding="gzip")
        << forwarded()
        >> response(200)
        << sent(200, content_encoding="gzip")
    )
    p >> response_data(b"hello", end=True)
    assert gzip.decompress(p.stage.record.body("sent_data")) == b"hello"
    p.stage.close()


@pytest.mark.parametrize(
    ("etag", "config", "seen"),
    [
        ('W/"a"', "", 'W/"a"'),
        ('"a"', "", None),
        ('"a"', "response_direction_config: {disable_on_etag_header: true}", '"a"'),
    ],
)
def test_strong_etags_go_or_forbid(etag: str, config: str, seen: str | None) -> None:
    p = answered(compressor(config), HTML, ("etag", etag))
    assert head(p).get("etag") == seen
    assert stat(p, "not_compressed_etag") == (1 if config else 0)
    p.stage.close()


@pytest.mark.parametrize(
    ("vary", "seen"),
    [("Cookie", "Cookie, Accept-Encoding"), ("Accept-Encoding", "Accept-Encoding"), ("*", "*, Accept-Encoding")],
)
def test_vary(vary: str, seen: str) -> None:
    p = answered(compressor(), HTML, ("vary", vary))
    assert head(p)["vary"] == seen
    p.stage.close()


@pytest.mark.parametrize(
    ("config", "fields", "status", "compressed"),
    [
        ("min_content_length: 300", [HTML], 200, 0),
        ("content_type: [a/b]", [("content-type", "a/b; c=d")], 200, 1),
        ("content_type: [a/b]", [HTML], 200, 0),
        ("enabled: {default_value: false, runtime_key: x}", [HTML], 200, 0),
    ],
)
def test_common_settings(config: str, fields: list[tuple[str, str]], status: int, compressed: int) -> None:
    p = answered(compressor(f"response_direction_config: {{common_config: {{{config}}}}}"), *fields, status=status)
    assert stat(p, "response.compressed") == compressed
    p.stage.close()


def test_some_statuses_may_stay_plain() -> None:
    p = answered(compressor("response_direction_config: {uncompressible_response_codes: [404]}"), HTML, status=404)
    assert stat(p, "response.not_compressed") == 1
    p.stage.close()


def test_accept_encoding_may_be_kept_from_the_upstream() -> None:
    p = compressor("response_direction_config: {remove_accept_encoding_header: true}") >> headers(
        accept_encoding="gzip"
    )
    p << forwarded(accept_encoding=None) >> response(200) << sent(200, content_encoding="gzip")
    p.stage.close()


def test_a_route_may_switch_it_off() -> None:
    p = answered(compressor(route="disabled: true"), HTML)
    assert p.stage.record.body("sent_data") == BODY
    p.stage.close()


def test_pieces_come_out_at_once_and_trailers_behind_them() -> None:
    p = compressor() >> headers(accept_encoding="gzip") << forwarded() >> response(200) << sent(200)
    reader = zlib.decompressobj(wbits=31)
    for piece in (b"first", b"second"):
        p >> response_data(piece) << sent_data(end=False)
        assert reader.decompress(p.stage.record.facts[-1].data) == piece
    p >> response_trailers(t="1") << sent_data(end=False) << sent_trailers(t="1")
    p.end()


def test_requests_are_compressed_where_configured() -> None:
    p = compressor(ON_REQUESTS) >> headers("POST", "/", HTML, content_length=str(len(BODY)))
    p << forwarded(content_encoding="gzip", content_length=None) >> data(BODY) << forwarded_data(end=False)
    p >> trailers(t="1") << forwarded_data(end=False) << forwarded_trailers(t="1")
    assert gzip.decompress(p.stage.record.body("forwarded_data")) == BODY
    assert stat(p, "request.compressed") == 1
    p.stage.close()


def test_libraries_that_are_not_there_are_refused() -> None:
    with pytest.raises(ConfigErrors, match="deflate"):
        play(Compressor, LIBRARY.replace("gzip.compressor.v3.Gzip", "deflate.compressor.v3.Deflate"))


@pytest.mark.parametrize(
    ("kind", "message", "encoding", "unpack"),
    [
        ("brotli", "Brotli", "br", brotli.decompress),
        ("zstd", "Zstd", "zstd", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
    ],
)
def test_other_libraries(kind: str, message: str, encoding: str, unpack: Callable[[bytes], bytes]) -> None:
    library = LIBRARY.replace("gzip.compressor.v3.Gzip", f"{kind}.compressor.v3.{message}")
    p = play(Compressor, library) >> headers(accept_encoding=f"gzip, {encoding}") << forwarded()
    p >> response(200, HTML) >> response_data(BODY) >> response_data(BODY) >> response_data(b"", end=True)
    assert head(p)["content-encoding"] == encoding
    assert unpack(p.stage.record.body("sent_data")) == BODY * 2
    assert p.counter(f"http.test.compressor.lib.{kind}.compressed") == 1
    p.stage.close()


def test_contract() -> None:
    config = f"{LIBRARY}\n{ON_REQUESTS}"
    check_http_filter(Compressor, config, request_headers={"accept-encoding": "gzip"}, same_in_pieces=False)
    check_http_filter(Compressor, LIBRARY)
