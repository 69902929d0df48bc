"""The lab: what extensions and proxies cost, measured and told with its uncertainty (docs/bench.md).

Loaded by the command `pyvoy bench` and by nobody else in the package; rich and jinja2 on first need.
"""
