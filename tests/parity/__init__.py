"""Parity: the same bootstrap and the same bytes through the real Envoy and through pyvoy."""
