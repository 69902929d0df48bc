"""Tests of pyvoy.upstream.health."""
