"""Session tickets while their keys are changed in turn."""

from __future__ import annotations

import ssl

import pytest

from tests.unit.network.tls.test_server import V12, V13, resume_in_turn


@pytest.mark.parametrize("version", [V12, V13])
def test_every_key_decrypts_and_the_first_encrypts(version: ssl.TLSVersion) -> None:
    """Keys that are changed in turn: the new one before the old one, then alone."""
    old, new, other = b"k" * 80, b"n" * 80, b"o" * 80
    steps = ((old, False), (new + old, True), (other + new, True), (other, True), (old + new, False))
    resume_in_turn(*steps, version=version)
