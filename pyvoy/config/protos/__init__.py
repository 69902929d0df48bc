"""Envoy API parts that the published generated modules lack."""
