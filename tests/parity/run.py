"""Run many cases through one proxy and write down what could be observed of each.

The exchanges of all cases run at the same time (bounded), then the proxy settles, then statistics and logs are read.
A proxy that refuses the common bootstrap is asked for each half until the refused cases are known.
"""

import asyncio
import json
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.parity.bootstrap import Ports, bootstrap, cluster_owners, upstream_names
from tests.parity.case import Case, methods, tls_of
from tests.support import h2wire
from tests.support.messages import Message, requests, responses
from tests.support.peer import Peer, connect
from tests.support.ports import free_port, refused_port, reserved_ports, stuck_port
from tests.support.process import Server, StartError, admin_ready, http_get
from tests.support.proxies import Proxy
from tests.support.steps import Answers, Step
from tests.support.tls import Tls
from tests.support.upstream import Script, Upstream

AT_ONCE = 64
"""How many cases run at a time."""
QUIETLY = 4
"""The same for cases that are looked at a second time."""
START_S = 150.0
"""How long a proxy may take to load all cases: nine seconds of CPU, which others may want too."""
LONG_S = 1.25
SHORT_S = 0.2
_PLACE = re.compile(r"static_resources\.(listeners|clusters)\[(\d+)\]")
_SUFFIX = re.compile(r"-(up|b|c|dead|empty|stuck)$")
_SAID = re.compile(r"wasm log(?P<who>[^:]*): (?P<text>.*)")


@dataclass(slots=True, repr=False)  # a failing run would print thousands of them
class Exchange:
    """What one client connection saw; `end`: open, fin or reset."""

    responses: list[Message] = field(default_factory=list)
    rest: bytes = b""
    raw: bytes = b""
    end: str = "open"
    tls: str = ""


@dataclass(slots=True, repr=False)  # a failing run would print thousands of them
class Seen:
    """What one connection to an upstream carried, and how the proxy ended it."""

    requests: list[Message]
    rest: bytes
    end: str
    raw: bytes = b""
    tls: str = ""


@dataclass(slots=True, repr=False)  # a failing run would print thousands of them
class Observation:
    """Everything that is compared for a case; `refused`: why the proxy did not take its configuration.

    `log` has the lines of its access log, `said` the different lines that its Wasm modules logged."""

    exchanges: list[Exchange] = field(default_factory=list)
    seen: dict[str, list[Seen]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    stats: dict[str, int] = field(default_factory=dict)
    refused: str = ""


@contextmanager
def allocated(cases: Iterable[Case]) -> Iterator[dict[str, Ports]]:
    """Ports for all cases; they, the refusing and the stuck port are bound as long as the context lasts."""
    dead, _ = refused_port()
    stuck, crowd = stuck_port()
    names = {case.id: upstream_names(case) for case in cases}
    ports, holders = reserved_ports(sum(1 + len(each) for each in names.values()))
    try:
        yield {
            case: Ports(ports.pop(), {name: ports.pop() for name in each}, dead, stuck) for case, each in names.items()
        }
    finally:
        for kept in (*crowd, *holders):
            kept.close()


def observe(
    proxy: Proxy, cases: list[Case], ports: dict[str, Ports], folder: Path, at_once: int = AT_ONCE
) -> dict[str, Observation]:
    """Run all cases through `proxy`, once for each number of workers; its files are written to `folder`."""
    observed: dict[str, Observation] = {}
    for workers in sorted({case.workers for case in cases}):
        chosen = [case for case in cases if case.workers == workers]
        observed |= _observe(proxy, chosen, ports, folder / f"{workers}-workers", at_once)
    return observed


def _observe(
    proxy: Proxy, cases: list[Case], ports: dict[str, Ports], folder: Path, at_once: int
) -> dict[str, Observation]:
    folder.mkdir(parents=True, exist_ok=True)
    admin_port = free_port()
    refused: dict[str, str] = {}
    try:
        return _serve(proxy, cases, ports, folder, admin_port, at_once)
    except StartError as failure:
        refused = refused_cases(proxy, cases, ports, folder)
        if not refused:
            raise failure
    good = [case for case in cases if case.id not in refused]
    observed = _serve(proxy, good, ports, folder, admin_port, at_once) if good else {}
    return observed | {case: Observation(refused=reason) for case, reason in refused.items()}


def refused_cases(proxy: Proxy, cases: list[Case], ports: dict[str, Ports], folder: Path) -> dict[str, str]:
    """Which cases `proxy` does not accept, and what it says: by the places it names, else by halving."""
    path = write(cases, ports, free_port(), folder, "check")
    done = subprocess.run(proxy.validate(path), capture_output=True, text=True, timeout=START_S, check=False)
    if done.returncode == 0:
        return {}
    said = done.stdout + done.stderr
    if len(cases) == 1:
        return {cases[0].id: said[-3000:]}
    if found := _named(cases, said):
        rest = [case for case in cases if case.id not in found]
        return found | (refused_cases(proxy, rest, ports, folder) if rest else {})
    middle = len(cases) // 2
    halves = (cases[:middle], cases[middle:])
    return refused_cases(proxy, halves[0], ports, folder) | refused_cases(proxy, halves[1], ports, folder)


def _named(cases: list[Case], said: str) -> dict[str, str]:
    """Cases whose listener or cluster an error names by its index."""
    owners = {"listeners": [case.id for case in cases], "clusters": cluster_owners(cases)}
    found: dict[str, str] = {}
    for line in said.splitlines():
        place = _PLACE.search(line)
        if place and "error" in line:
            case = owners[place[1]][int(place[2])]
            found[case] = found.get(case, "") + line[line.index("static_resources") :] + "\n"
    return found


def write(cases: list[Case], ports: dict[str, Ports], admin_port: int, folder: Path, name: str) -> Path:
    """Write the bootstrap as JSON, which every YAML reader takes."""
    path = folder / f"{name}.json"
    path.write_text(json.dumps(bootstrap(cases, ports, admin_port, folder), indent=1))
    return path


def _serve(
    proxy: Proxy, cases: list[Case], ports: dict[str, Ports], folder: Path, admin_port: int, at_once: int
) -> dict[str, Observation]:
    path = write(cases, ports, admin_port, folder, "bootstrap")
    server = Server(proxy.serve(path, cases[0].workers), folder / "proxy.log")
    try:
        server.wait_ready(admin_ready(admin_port), START_S)
        observed = asyncio.run(_exchange_all(cases, ports, at_once))
        time.sleep(0.4)
        stats = by_case(read_stats(admin_port))
        _assert_alive(server)
    finally:
        server.stop()
    said = lines_of_modules((folder / "proxy.log").read_text("utf-8", "backslashreplace"))
    for case in cases:
        observed[case.id].said = said.get(case.id, [])
        observed[case.id].stats = stats.get(case.id, {})
        log = folder / f"{case.id}.log"
        observed[case.id].log = log.read_text("latin-1").splitlines() if log.exists() else []
    return observed


def _assert_alive(server: Server) -> None:
    if server.process.poll() is not None:
        raise AssertionError(f"the proxy ended during the cases\n{server.log_tail()}")


def read_stats(admin_port: int) -> dict[str, int]:
    """Counters and gauges of /stats."""
    found = {}
    for line in http_get(admin_port, "/stats").splitlines():
        name, _, value = line.rpartition(": ")
        if value.lstrip("-").isdigit():
            found[name] = int(value)
    return found


def lines_of_modules(text: str) -> dict[str, list[str]]:
    """What Wasm modules logged, by the case whose id is a word before the colon (its VM id).

    Each line once: Envoy starts a plugin several times, to try it and for each of its threads."""
    found: dict[str, dict[str, None]] = {}
    for match in _SAID.finditer(text):
        for word in match["who"].split():
            found.setdefault(word, {})[f"{match['who'].strip()}: {match['text']}"] = None
    return {word: list(lines) for word, lines in found.items()}


def by_case(stats: dict[str, int]) -> dict[str, dict[str, int]]:
    """The statistics of each case: its id is the first or second word of the name, perhaps with a cluster's suffix."""
    found: dict[str, dict[str, int]] = {}
    for name, value in stats.items():
        words = name.split(".", 2)
        for word in words[:2]:
            owner = _SUFFIX.sub("", word) if words[0] == "cluster" else word
            found.setdefault(owner, {})[name] = value
    return found


async def _exchange_all(cases: list[Case], ports: dict[str, Ports], at_once: int) -> dict[str, Observation]:
    gate = asyncio.Semaphore(at_once)

    async def bounded(case: Case) -> tuple[str, Observation]:
        async with gate:
            return case.id, await _exchange(case, ports[case.id])

    return dict(await asyncio.gather(*(bounded(case) for case in cases)))


async def _exchange(case: Case, ports: Ports) -> Observation:
    observation = Observation()
    async with AsyncExitStack() as stack:
        upstreams = {}
        for name, port in ports.upstreams.items():
            upstreams[name] = upstream = Upstream(case.upstream.get(name, Script()), port)
            await upstream.start()
            stack.push_async_callback(upstream.stop)
        clients = [
            await _converse(case, steps, ports.listener, tls_of(case, number)) for number, steps in enumerate(case.send)
        ]
        for client in clients:
            client.close()
        await asyncio.sleep(0.15)
        observation.exchanges = [_exchange_of(case, *pair) for pair in zip(clients, case.send, strict=True)]
        observation.seen = {name: [_seen(case, peer) for peer in up.connections] for name, up in upstreams.items()}
    return observation


async def _converse(case: Case, steps: tuple[Step, ...], port: int, tls: Tls | None) -> Peer:
    """Run the client's steps, then wait for a late end: Envoy closes a second after an error reply."""
    peer = await connect(port, tls)
    await peer.run(step.replace(b"$port", b"%d" % port) if isinstance(step, bytes) else step for step in steps)
    sent = sum(1 for step in steps if isinstance(step, Answers))
    if case.http and not sent and case.settle_s is None:
        await peer.until(lambda: peer.final_responses() > 0, LONG_S)
    patience_s = _settle_s(case, peer)
    await peer.until_end(patience_s)
    if case.settle_s is None and patience_s < (later_s := _settle_s(case, peer)):
        await peer.until_end(later_s)  # the answer that announces the end came late
    return peer


def _settle_s(case: Case, peer: Peer) -> float:
    if case.settle_s is not None:
        return case.settle_s
    announced = b"connection: close" in peer.received.lower() or any(
        one.kind == h2wire.GOAWAY for one in h2wire.frames(bytes(peer.received)) if peer.sent[:3] == b"PRI"
    )
    return SHORT_S if case.http and peer.final_responses() and not announced else LONG_S


def _exchange_of(case: Case, peer: Peer, steps: tuple[Step, ...]) -> Exchange:
    raw = bytes(peer.received)
    if not case.http:
        return Exchange(raw=raw, end=peer.end, tls=_facts(peer))
    if peer.sent.startswith(h2wire.PREFACE):
        found, rest = h2wire.responses(raw)
        return Exchange(found, rest, raw, peer.end)
    found, rest = responses(raw, methods(steps), peer.end != "open")
    return Exchange(found, rest, raw, peer.end, _facts(peer))


def _facts(peer: Peer) -> str:
    return "" if peer.session is None else peer.session.facts


def _seen(case: Case, peer: Peer) -> Seen:
    data = bytes(peer.received)
    found, rest = requests(data) if case.http else ([], data)
    return Seen(found, rest, peer.end, data, _facts(peer))
