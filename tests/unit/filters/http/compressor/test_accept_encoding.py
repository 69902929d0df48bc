"""What Accept-Encoding says of gzip; as seen on Envoy 1.40."""

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
    assert choose(accept, b"gzip") is choice
