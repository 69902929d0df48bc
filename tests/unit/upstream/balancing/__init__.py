"""Tests of pyvoy.upstream.balancing."""
