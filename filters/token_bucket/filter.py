"""token_bucket: each client has so many requests, over all workers."""

import struct
from dataclasses import dataclass

from pyvoy.api import Filter, Request, Response

STATE = struct.Struct("<dq")  # tokens, and when they were counted (nanoseconds)


@dataclass
class Config:
    """A bucket holds `burst` tokens and gets `per_second` new ones; a client is known by `header`, else by address."""

    burst: float = 5
    per_second: float = 1
    header: str = "x-client"

    def __post_init__(self) -> None:
        if self.burst < 1 or self.per_second <= 0:
            raise ValueError("burst must be at least 1 and per_second above 0")


class TokenBucket(Filter):
    """The buckets lie in shared data; two workers that take at the same time try again (compare-and-swap)."""

    config: Config

    def on_request(self, request: Request) -> Response | None:
        config, now_ns = self.config, self.host.wall_ns()
        client = request.headers.get(config.header) or request.client.rpartition(":")[0]
        allowed = False

        def take(state: bytes | None) -> bytes:
            nonlocal allowed
            tokens, since_ns = STATE.unpack(state) if state else (config.burst, now_ns)
            tokens = min(config.burst, tokens + max(0, now_ns - since_ns) / 1e9 * config.per_second)
            allowed = tokens >= 1
            return STATE.pack(tokens - 1 if allowed else tokens, max(now_ns, since_ns))

        self.shared_data("token_bucket").update(client.encode("latin-1"), take)
        if allowed:
            return None
        self.counter("limited").inc()
        return Response(429, "too many requests\n", {"retry-after": str(round(1 / config.per_second + 0.5))})
