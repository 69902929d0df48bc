"""What differs between two observations of a case, as a table of (part, Envoy's, the subject's).

Parts have names that the list of known differences uses: `status`, `header:server`, `body`, `end`, `upstream`,
`upstream:header:x`, `log:fl`, `stat:http.downstream_rq_total`, `refused`.  Normalised away: dates, generated request
ids, measured times, ephemeral ports, and statistics that count bytes or times.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.parity.bootstrap import Ports
from tests.parity.case import Case
from tests.parity.run import Exchange, Observation, Seen
from tests.support.messages import Headers, Message

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_PORT = re.compile(r"(\b127\.0\.0\.1|\[?::1\]?):(\d{4,5})")
_EXPECTED = b"x-envoy-expected-rq-timeout-ms"
_LOGGED_TIMES = re.compile(r'(" \d{3} \S+ \d+ \d+) \d+ (\d+|-) "')
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_MEASURED = {b"x-envoy-upstream-service-time": b"<ms>", b"date": b"<date>"}
_SKIP_STATS = re.compile(
    r"(bytes_(total|buffered)$|_ms$|\.update_|warming_state|\.version$|max_host_weight|membership_change"
    r"|worker_\d+\.|flow_control|upstream_cx_length|lb_recalculate_zone|assignment_|upstream_rq_time)"
)


@dataclass(frozen=True, slots=True)
class Diff:
    """One difference."""

    part: str
    envoy: str
    subject: str


def compare(case: Case, ports: Ports, envoy: Observation, subject: Observation) -> list[Diff]:
    """All differences; empty when the two are the same for a user."""
    if envoy.refused or subject.refused:
        return [Diff("refused", envoy.refused, subject.refused)] if envoy.refused != subject.refused else []
    known = {ports.listener, ports.dead, *ports.upstreams.values()}
    left, right = dict(_parts(case, envoy, known)), dict(_parts(case, subject, known))
    return [
        Diff(part, left.get(part, "(absent)"), right.get(part, "(absent)"))
        for part in sorted(left.keys() | right.keys())
        if left.get(part) != right.get(part)
    ]


def statuses(observation: Observation) -> str:
    """The final and interim statuses of all exchanges, as in Case.want."""
    found = [str(message.status) for exchange in observation.exchanges for message in exchange.responses]
    return " ".join(found)


def _parts(case: Case, observation: Observation, known: set[int]) -> Iterator[tuple[str, str]]:
    several = len(observation.exchanges) > 1
    for number, exchange in enumerate(observation.exchanges):
        prefix = f"{number}:" if several else ""
        for part, value in _exchange(case, exchange):
            yield prefix + part, normalise(value, known)
    for name, connections in observation.seen.items():
        for part, value in _upstream(case, connections):
            yield f"upstream {name}:{part}", normalise(value, known)
    lines = [[(part, normalise(value, known)) for part, value in _log(line)] for line in observation.log]
    for number, parts in enumerate(lines if case.workers == 1 else sorted(lines)):
        for part, value in parts:
            yield f"log{number or ''}:{part}", value
    if observation.said:
        yield "said", normalise("\n".join(observation.said), known)
    for name, value in sorted(observation.stats.items()):
        if not _SKIP_STATS.search(name) and (value or case.all_stats):
            yield "stat:" + name.replace(case.id, "$id"), str(value)


def _exchange(case: Case, exchange: Exchange) -> Iterator[tuple[str, str]]:
    yield "end", "open" if exchange.end == "open" else "closed"
    if exchange.tls:
        yield "tls", exchange.tls
    if not case.http:
        yield "bytes", repr(exchange.raw)
        if case.resets:
            yield "end kind", exchange.end
        return
    yield "rest", repr(exchange.rest)
    for number, message in enumerate(exchange.responses):
        prefix = f"{number}:" if len(exchange.responses) > 1 else ""
        yield prefix + "status", message.start.decode("latin-1")
        for part, value in _message(message, case.ordered):
            yield prefix + part, value


def _message(message: Message, ordered: bool) -> Iterator[tuple[str, str]]:
    for name, values in _headers(message.headers).items():
        yield f"header:{name}", values
    if ordered:
        yield "order", " ".join(name.decode("latin-1") for name, _ in message.headers)
    yield "framing", message.framing + ("" if message.complete else " (cut)")
    yield "body", repr(message.body) if len(message.body) < 500 else f"{len(message.body)} {message.body[:60]!r}"
    if message.trailers:
        yield "trailers", repr(sorted(message.trailers))


def _headers(headers: Headers) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        text = _MEASURED.get(name.lower(), value).decode("latin-1")
        # A retry is told what remains of the time.
        if name == _EXPECTED and int(value) > 1000:
            text = _rounded(value)
        elif name == b"grpc-timeout" and len(value) > 4 and value.endswith(b"m"):
            text = f"{_rounded(value[:-1])}m"
        key = name.decode("latin-1")
        found[key] = f"{found[key]} ¦ {text}" if key in found else text
    return found


def _rounded(milliseconds: bytes) -> str:
    return str(-(-int(milliseconds) // 500) * 500)


def _upstream(case: Case, connections: list[Seen]) -> Iterator[tuple[str, str]]:
    yield "connections", str(len(connections))
    for place, connection in enumerate(connections):
        prefix = f"{place}:" if len(connections) > 1 else ""
        if connection.tls:
            yield f"{prefix}tls", connection.tls
        if connection.rest or not case.http:
            yield f"{prefix}bytes", repr(connection.rest)
        yield f"{prefix}requests", str(len(connection.requests))
        for number, message in enumerate(connection.requests):
            deeper = f"{prefix}{number}:" if len(connection.requests) > 1 else prefix
            yield f"{deeper}line", message.start.decode("latin-1")
            for part, value in _message(message, case.ordered):
                yield f"{deeper}{part}", value


def _log(line: str) -> Iterator[tuple[str, str]]:
    if "~" not in line or "=" not in line.split("~", maxsplit=1)[0]:
        yield "line", _LOGGED_TIMES.sub(r'\1 <ms> <ms> "', line)
        return
    for word in line.split("~"):
        key, _, value = word.partition("=")
        yield key, value


def normalise(text: str, known: set[int]) -> str:
    """Replace what two correct runs may say differently."""
    text = _UUID.sub("<uuid>", text)
    text = _TIME.sub("<time>", text)
    return _PORT.sub(lambda found: found[0] if int(found[2]) in known else f"{found[1]}:<port>", text)


def table(diffs: list[Diff]) -> str:
    """The differences for a reader."""
    lines = []
    for diff in diffs:
        lines += [f"  {diff.part}", f"      envoy: {diff.envoy[:1500]}", f"      pyvoy: {diff.subject[:1500]}"]
    return "\n".join(lines)


def summary(diffs: list[Diff]) -> Counter[str]:
    """How often each kind of part differs, numbers taken out."""
    return Counter(re.sub(r"\d+:", "", diff.part) for diff in diffs)
