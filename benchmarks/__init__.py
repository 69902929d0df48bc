"""Benchmarks: CPU and memory of the proxy, side by side with Envoy, nginx and HAProxy."""
