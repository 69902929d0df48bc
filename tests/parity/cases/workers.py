"""What holds for the whole proxy and not for a worker: limits with two workers, whichever of them a client meets.

Upstream connections close behind each answer, so that their number does not depend on who was asked.
"""

from tests.parity.case import Case, answers, ask, get, request, response
from tests.support.steps import Answers, Step, Until, UntilEnd, Wait

_CLOSING = answers(response("200 OK", "connection: close"))
_SLOW = answers((Wait(20.0),))


def _breaker(limits: str) -> str:
    return f"circuit_breakers: {{thresholds: [{{{limits}}}]}}"


def _held(refused: int) -> tuple[tuple[Step, ...], ...]:
    """A request that stays open, then clients who are all refused."""
    return ((request("/held"), Wait(0.3)), *((request(f"/{n}"), Answers(1)) for n in range(refused)))


def _each(count: int) -> tuple[tuple[Step, ...], ...]:
    """So many clients, each with one request and a connection of its own."""
    return tuple(ask(request(f"/{n}")) for n in range(count))


_BUCKET = "token_bucket: {max_tokens: 3, tokens_per_fill: 3, fill_interval: 600s}"
_ALL = "default_value: {numerator: 100, denominator: HUNDRED}"

CASES: tuple[Case, ...] = (
    Case(
        "workers-max-requests",
        "503 503 503 503 503",
        _held(5),
        cluster=_breaker("max_requests: 1"),
        upstream={"up": _SLOW},
        settle_s=0.2,
        workers=2,
    ),
    Case(
        "workers-max-retries",
        "503 503 503 503",
        _each(4),
        routes="- {match: {prefix: /}, route: {cluster: $up, retry_policy: {retry_on: 5xx}}}",
        cluster=_breaker("max_retries: 0"),
        upstream={"up": answers(response("503 X", "connection: close"))},
        workers=2,
    ),
    Case(
        "workers-tcp-max-connections",
        "",
        ((b"one", Until(b"one", 1.0), Wait(0.2)), *((b"more", UntilEnd(1.0)) for _ in range(4))),
        l4="- tcp_proxy: {stat_prefix: $id, cluster: $up}",
        cluster=_breaker("max_connections: 1"),
        settle_s=0.2,
        workers=2,
    ),
    Case(
        "workers-connection-limit",
        "",
        (
            (b"one", Until(b"one"), Wait(0.1)),
            (b"two", Until(b"two"), Wait(0.1)),
            *((UntilEnd(1.0),) for _ in range(4)),
        ),
        l4="- connection_limit: {stat_prefix: $id, max_connections: 2}\n- echo: {}",
        workers=2,
    ),
    Case(
        "workers-network-local-ratelimit",
        "",
        (*((b"in", Until(b"in")) for _ in range(3)), *((UntilEnd(1.0),) for _ in range(4))),
        l4=f"- local_ratelimit: {{stat_prefix: $id, {_BUCKET}}}\n- echo: {{}}",
        workers=2,
    ),
    Case(
        "workers-http-local-ratelimit",
        "200 200 200 429 429 429 429",
        _each(7),
        filters=f"- local_ratelimit: {{stat_prefix: $id, {_BUCKET}, filter_enabled: {{{_ALL}}}, "
        f"filter_enforced: {{{_ALL}}}}}",
        upstream={"up": _CLOSING},
        workers=2,
    ),
    Case(
        "workers-fault-max-active",
        "200 200 200",
        _each(3),
        filters="- fault: {max_active_faults: 0, abort: {http_status: 418, percentage: {numerator: 100}}}",
        upstream={"up": _CLOSING},
        workers=2,
    ),
    Case(
        "workers-totals",
        "200 200 200 200 200 200",
        _each(6),
        upstream={"up": _CLOSING},
        workers=2,
    ),
    Case("workers-keep-alive", "200 200 200", get("/1", "/2", "/3"), workers=2),
)
