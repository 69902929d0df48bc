"""Helpers of the integration tests: ports, processes, raw peers, a recording upstream, HTTP/1 messages."""
