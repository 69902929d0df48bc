"""A parity case: a few lines of configuration, what the client sends, what the upstream answers.

Text of the configuration may use `$up` `$b` `$c` (clusters of this case with a recording upstream), `$dead` (refuses
connections), `$stuck` (never accepts), `$empty` (no endpoint), `$id` (the case), `$port` (its listener), `$up_port` ...
(ports of upstreams), `$log` (its access log).
"""

from dataclasses import dataclass, field

from tests.support.messages import methods_of
from tests.support.steps import Answers, Step
from tests.support.tls import Tls
from tests.support.upstream import OK, Script

ROUTE_ALL = "- {match: {prefix: /}, route: {cluster: $up}, name: all}"


@dataclass(frozen=True, slots=True)
class Case:
    """One listener of the common bootstrap.

    `want`: what Envoy answers, as a short text ("200", "200 400", "" for no answer); it keeps a case from being
    equal for the wrong reason.  `send`: the client connections, one after the other, each a list of steps.
    `l4`: network filters in place of the HTTP connection manager; `chains`: whole filter chains.
    `all_stats`: compare the names and values of all counters and gauges, not of those that moved.
    `settle_s`: how long to wait for a late end; None: long if the last answer announced one or there is none.
    `tls`: how the clients speak TLS (one for all, or one for each connection); `tls_context`: the fields of the
    listener's DownstreamTlsContext, for HTTP.
    `workers`: the concurrency of both proxies; a connection may land in any worker.
    `services`: PluginConfigs of Wasm services (bootstrap extensions), a list in YAML.
    `resets`: compare whether the end was a FIN or a RST (it depends on timing where bytes were left unread).
    """

    id: str
    want: str
    send: tuple[tuple[Step, ...], ...]
    routes: str = ROUTE_ALL
    vhost: str = ""
    vhosts: str = ""
    route_config: str = ""
    hcm: str = ""
    filters: str = ""
    router: str = ""
    cluster: str = ""
    clusters: dict[str, str] = field(default_factory=dict)
    upstream: dict[str, Script] = field(default_factory=dict)
    l4: str = ""
    chains: str = ""
    listener: str = ""
    log: str = ""
    json_log: str = ""
    ordered: bool = False
    all_stats: bool = False
    settle_s: float | None = None
    resets: bool = False
    tls: Tls | tuple[Tls, ...] | None = None
    tls_context: str = ""
    workers: int = 1
    services: str = ""

    @property
    def http(self) -> bool:
        """Whether the client speaks HTTP to a connection manager."""
        return not (self.l4 or self.chains)


def request(
    target: str = "/",
    *headers: str,
    method: str = "GET",
    host: str | None = "a.test",
    body: bytes | None = None,
    version: str = "HTTP/1.1",
) -> bytes:
    """An HTTP/1 request; `headers` are whole lines; a body brings its content-length."""
    lines = [f"{method} {target} {version}"]
    if host is not None:
        lines.append(f"Host: {host}")
    lines += headers
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def response(status: str = "200 OK", *headers: str, body: bytes | None = b"ok") -> bytes:
    """An HTTP/1 response; a body brings its content-length."""
    lines = [f"HTTP/1.1 {status}", *headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (body or b"")


def ask(*requests: bytes) -> tuple[Step, ...]:
    """One connection: each request is sent when the answer to the one before is complete."""
    steps: list[Step] = []
    for number, data in enumerate(requests, 1):
        steps += [data, Answers(number)]
    return tuple(steps)


def tls_of(case: Case, number: int) -> Tls | None:
    """How the n-th client connection speaks TLS."""
    return case.tls[number] if isinstance(case.tls, tuple) else case.tls


def get(*targets: str) -> tuple[tuple[Step, ...], ...]:
    """One keep-alive connection with a GET for each target."""
    return (ask(*(request(target) for target in targets)),)


def answers(*given: bytes | tuple[Step, ...], early: bool = False) -> Script:
    """Upstream answers in order; the last one repeats."""
    return Script(tuple((a,) if isinstance(a, bytes) else a for a in given) or ((OK,),), early=early)


def tunnel(*steps: Step) -> Script:
    """An upstream that is no HTTP server: these steps for each connection."""
    return Script(raw=(steps,))


def methods(steps: tuple[Step, ...]) -> list[bytes]:
    """Methods of the requests in these steps."""
    return methods_of(b"".join(step for step in steps if isinstance(step, bytes)))
