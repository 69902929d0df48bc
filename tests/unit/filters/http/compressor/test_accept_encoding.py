"""What Accept-Encoding says of gzip, and of several encodings; as seen on Envoy 1.40."""

from __future__ import annotations

import pytest

from pyvoy.filters.http.compressor.accept_encoding import Choice, choose

CHOICES = [
    (b"gzip", Choice.USED),
    (b"gzip, br", Choice.USED),
    (b"br;q=1, gzip;q=0.5", Choice.USED),
    (b"*", Choice.WILDCARD),
    (b"br, *;q=0.1", Choice.WILDCARD),
    (b"identity", Choice.IDENTITY),
    (b"identity, gzip;q=0.5", Choice.IDENTITY),
    (b"identity;q=0.5, gzip", Choice.USED),
    (b"gzip;q=0", Choice.NOT_VALID),
    (b"gzip;q=0, *", Choice.NOT_VALID),
    (b"gzip;q=x", Choice.NOT_VALID),
    (b"GZIP", Choice.NOT_VALID),
    (b"br", Choice.NOT_VALID),
    (b"", Choice.NOT_VALID),
]


@pytest.mark.parametrize(("accept", "choice"), CHOICES)
def test_choices(accept: bytes, choice: Choice) -> None:
    assert choose(accept, [b"gzip"])[0] is choice


@pytest.mark.parametrize(
    ("accept", "preferred", "chosen"),
    [
        (b"gzip, br", None, b"gzip"),
        (b"br, gzip", None, b"br"),
        (b"gzip;q=0.5, br", None, b"br"),
        (b"gzip, br", b"br", b"br"),
        (b"gzip, br;q=0.5", b"br", b"gzip"),
        (b"gzip;q=0, *", None, b"br"),
        (b"*", None, b"gzip"),
        (b"identity, gzip;q=0.1", None, b""),
        (b"zstd", None, b""),
    ],
)
def test_choices_among_several(accept: bytes, preferred: bytes | None, chosen: bytes) -> None:
    assert choose(accept, [b"gzip", b"br"], preferred)[1] == chosen
