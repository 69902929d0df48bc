"""What must hold of each row of bad input: right answers, nothing ambiguous upstream, and a proxy that serves on."""

from tests.faults import bad_requests, bad_responses
from tests.faults.differences import KNOWN
from tests.faults.wire_rules import faults_of
from tests.parity.run import Exchange, Observation
from tests.parity.twice import Seen
from tests.support.proxies import subject

MUST_CLOSE = {"400", "408", "413", "414", "417", "426", "431", "501", "505"}


def answer(exchange: Exchange) -> list[str]:
    """The classes of what came back: forward, a status, cut, close, wait."""
    final = [message for message in exchange.responses if not message.interim]
    if not final:
        return ["wait" if exchange.end == "open" else "close"]
    return ["cut" if not m.complete else "forward" if m.status == 200 else str(m.status) for m in final]


def upstream_bytes(observation: Observation) -> tuple[int, list[str]]:
    """Request heads that reached the upstream, the probe's not counted, and what was ambiguous."""
    heads, wrong = 0, []
    for connection in observation.seen["up"]:
        count, found = faults_of(connection.raw)
        heads += count
        wrong += found
    return heads - 1, wrong


def check_request(row: bad_requests.Row, observed: Seen) -> None:
    """A row of bad_requests; AssertionError says what is wrong."""
    seen, theirs = observed.ours[row.id], observed.theirs
    assert not seen.refused, seen.refused
    got = answer(seen.exchanges[0])
    right = row.tolerated | ({"forward"} if len(got) > 1 else set())
    assert set(got) <= right, f"{got}, right: {sorted(right)}"
    if got[-1] in MUST_CLOSE:
        assert seen.exchanges[0].end != "open", f"{got[-1]} and the connection stays open"
    heads, wrong = upstream_bytes(seen)
    assert not wrong, f"ambiguous bytes reached the upstream: {wrong}"
    assert heads <= row.requests, f"{heads} requests reached the upstream"
    assert answer(seen.exchanges[1]) == ["forward"], "the next client was not served"
    _same_class(row.id, got, theirs and answer(theirs[row.id].exchanges[0]), row.tolerated)


def check_response(row: bad_responses.Row, observed: Seen) -> None:
    """A row of bad_responses."""
    seen, theirs = observed.ours[row.id], observed.theirs
    assert not seen.refused, seen.refused
    first = _status(seen.exchanges[0])
    assert first in row.tolerated, f"{first}, right: {sorted(row.tolerated)}"
    if first == "cut":
        assert seen.exchanges[0].end != "open", "the cut cannot be seen"
    second = seen.exchanges[0].responses[1:]
    assert all(message.body == b"ok" for message in second if message.status == 200), "bytes of the broken answer"
    assert answer(seen.exchanges[1]) == ["forward"], "the next client was not served"
    assert seen.exchanges[1].responses[-1].body == b"ok", "the next client got bytes of the broken answer"
    _same_class(row.id, [first], theirs and [_status(theirs[row.id].exchanges[0])], row.tolerated)


def _status(exchange: Exchange) -> str:
    first = answer(exchange)[0]
    return "200" if first == "forward" else first


def _same_class(row: str, got: list[str], theirs: list[str] | None, tolerated: frozenset[str]) -> None:
    """Where Envoy is right too, we answer as it does, or say why not."""
    right = tolerated | ({"forward"} if theirs and len(theirs) > 1 else set())
    if theirs is None or subject().name == "envoy" or not set(theirs) <= right:
        return
    if row in KNOWN:
        assert got != theirs, f"listed as different ({KNOWN[row]}), but it is the same"
    else:
        assert got == theirs, f"pyvoy {got}, Envoy {theirs}; both right: list it with its reason or do as Envoy"
