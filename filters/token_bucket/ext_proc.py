"""token_bucket beside Envoy: each client has so many requests, of all Envoys that ask this server."""

import time
from collections.abc import Mapping

from pyvoy.bench.ext_proc.processor import Answer, Processor

BURST, PER_SECOND, HEADER = 5.0, 1.0, "x-client"


class TokenBucket(Processor):
    """The buckets lie in the one process of the server."""

    buckets: dict[str, tuple[float, float]] = {}

    def on_request_headers(self, headers: Mapping[str, str]) -> Answer | None:
        client, now = headers.get(HEADER) or headers.get("x-forwarded-for", ""), time.monotonic()
        tokens, since = self.buckets.get(client, (BURST, now))
        tokens = min(BURST, tokens + (now - since) * PER_SECOND)
        allowed = tokens >= 1
        self.buckets[client] = (tokens - 1 if allowed else tokens, now)
        if allowed:
            return None
        return Answer(429, "too many requests\n", {"retry-after": str(round(1 / PER_SECOND + 0.5))})
