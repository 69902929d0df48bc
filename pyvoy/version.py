"""The version of the distribution, kept in one place so that start-up need not read package metadata."""

VERSION = "0.1.0"
ENVOY_VERSION = "1.40.0"
"""The Envoy release whose behaviour pyvoy follows."""
