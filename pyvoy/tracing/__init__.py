"""Distributed tracing: which requests are traced, what the upstream is told, and the spans for the collector.

`decision.py` is why a request is traced, `b3.py` and `w3c.py` are the headers, `tags.py` what a span says, `slots.py`
the two places of the filter chain where it happens, `zipkin.py` and `opentelemetry.py` the providers.
"""
