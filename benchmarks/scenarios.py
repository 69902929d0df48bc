"""What is measured: each scenario runs all contenders, interleaved round by round, and gives rows of figures."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from benchmarks.contenders import Contender, Ports, Running, bootstrap, start
from benchmarks.filters import (
    EMPTY_LOWER,
    EMPTY_UPPER,
    LUA_BODY,
    LUA_CALL,
    LUA_COUNT,
    LUA_EMPTY,
    LUA_HEADERS,
    filter_cost,
    lua,
    python,
    python_file,
    with_filter,
)
from benchmarks.load import Load, open_idle, run
from pyvoy.bench.measure import cpu_s, pss_bytes

PROXY_CPU, LOAD_CPU = {0}, {1}


@dataclass(frozen=True, slots=True)
class Setting:
    """Rounds and seconds of a run, and where the upstream is."""

    rounds: int
    seconds: float
    upstream: int
    body_upstream: int
    """One that reads the whole body before it answers; nginx's own replies do not."""
    folder: Path
    connections: int = 5000
    http2_upstream: int = 0
    """One that speaks HTTP/2; 0 where there is none."""


@dataclass(slots=True)
class Row:
    """One contender in one scenario; `ratio` to Envoy is the median over the rounds."""

    contender: str
    value: float
    unit: str
    ratio: float | None = None
    rounds: list[float] = field(default_factory=list)
    detail: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A named measurement; `bar`: the ratio to Envoy that pyvoy must not exceed."""

    name: str
    title: str
    measure: Callable[[list[Contender], Setting], list[Row]]
    bar: float | None = None


def requests(load: Load, *, tcp: bool = False, workers: int = 1) -> Callable[[list[Contender], Setting], list[Row]]:
    """CPU microseconds for each request of a load."""

    def measure(contenders: list[Contender], setting: Setting) -> list[Row]:
        special = load.secure or bool(load.streams)
        able = [each for each in contenders if (each.tcp or not tcp) and (each.bootstrapped or not special)]
        cpus = PROXY_CPU if workers == 1 else PROXY_CPU | LOAD_CPU
        upstream = setting.body_upstream if load.body_bytes else setting.upstream
        running = _start_all(able, setting, workers, cpus, upstream)
        try:
            return _rounds(running, load, setting, tcp=tcp, load_cpus=LOAD_CPU if workers == 1 else cpus)
        finally:
            for each in running:
                each.server.stop()

    return measure


def over_http2(load: Load) -> Callable[[list[Contender], Setting], list[Row]]:
    """CPU microseconds for each request of a load that goes on to an HTTP/2 upstream; no rows without one."""

    def measure(contenders: list[Contender], setting: Setting) -> list[Row]:
        if not setting.http2_upstream:
            return []
        able = [replace(each, configure=partial(bootstrap, http2=True)) for each in contenders if each.bootstrapped]
        return requests(load)(able, replace(setting, upstream=setting.http2_upstream))

    return measure


def idle(contenders: list[Contender], setting: Setting) -> list[Row]:
    """Bytes of user memory for each idle connection: one that said nothing, and one that made a request."""
    rows = []
    for contender in contenders:
        each = start(contender, setting.upstream, 1, PROXY_CPU, setting.folder)
        try:
            silent = _per_connection(each, setting.connections, ask=False)
            served = _per_connection(each, setting.connections, ask=True)
        finally:
            each.server.stop()
        rows.append(Row(contender.name, silent, "bytes a connection", detail={"after one request": served}))
    return with_ratios(rows)


def rest(contenders: list[Contender], setting: Setting) -> list[Row]:
    """Memory (PSS) of the whole proxy a second after its start, with one worker."""
    rows = []
    for contender in contenders:
        each = start(contender, setting.upstream, 1, PROXY_CPU, setting.folder)
        try:
            time.sleep(1.0)
            rows.append(Row(contender.name, pss_bytes(each.server.pid) / 2**20, "MiB"))
        finally:
            each.server.stop()
    return with_ratios(rows)


def start_up(contenders: list[Contender], setting: Setting) -> list[Row]:
    """Milliseconds from the start of the process until it accepts."""
    rows = []
    for contender in contenders:
        taken = []
        for _ in range(setting.rounds):
            began = time.monotonic()
            each = start(contender, setting.upstream, 1, PROXY_CPU, setting.folder)
            taken.append((time.monotonic() - began) * 1000)
            each.server.stop()
        rows.append(Row(contender.name, statistics.median(taken), "ms", rounds=taken))
    return with_ratios(rows)


def _start_all(
    contenders: list[Contender], setting: Setting, workers: int, cpus: set[int], upstream: int
) -> list[Running]:
    running: list[Running] = []
    try:
        for each in contenders:
            running.append(start(each, upstream, workers, cpus, setting.folder))
    except BaseException:
        for started in running:
            started.server.stop()
        raise
    return running


def _rounds(running: list[Running], load: Load, setting: Setting, *, tcp: bool, load_cpus: set[int]) -> list[Row]:
    rows = [Row(each.contender.name, 0.0, "CPU µs a request") for each in running]
    users: list[list[float]] = [[] for _ in running]
    ports = [_port(each.ports, load, tcp=tcp) for each in running]
    for port in ports:
        run(load, port, min(1.0, setting.seconds), load_cpus)
    for _ in range(setting.rounds):
        for place, each in enumerate(running):
            before = cpu_s(each.server.pid)
            answered = run(load, ports[place], setting.seconds, load_cpus)
            after = cpu_s(each.server.pid)
            user, kernel = after[0] - before[0], after[1] - before[1]
            rows[place].rounds.append((user + kernel) * 1e6 / answered)
            users[place].append(user * 1e6 / answered)
    for row, user_times in zip(rows, users, strict=True):
        row.value = statistics.median(row.rounds)
        row.detail["user µs"] = statistics.median(user_times)
    return with_ratios(rows)


def _port(ports: Ports, load: Load, *, tcp: bool) -> int:
    if load.secure:
        return ports.tls
    return ports.tcp if tcp else ports.http


def _per_connection(each: Running, count: int, *, ask: bool) -> float:
    before = pss_bytes(each.server.pid)
    opened = open_idle(each.ports.http, count, ask=ask)
    try:
        time.sleep(1.0)
        return (pss_bytes(each.server.pid) - before) / count
    finally:
        for client in opened:
            client.close()
        time.sleep(0.5)


def with_ratios(rows: list[Row]) -> list[Row]:
    """The rows with their ratios to Envoy's."""
    base = next((row for row in rows if row.contender == "envoy"), None)
    for row in rows if base else []:
        assert base is not None
        if row.rounds and len(row.rounds) == len(base.rounds):
            pairs = zip(row.rounds, base.rounds, strict=True)
            row.ratio = statistics.median(mine / theirs for mine, theirs in pairs)
        elif base.value:
            row.ratio = row.value / base.value
    return rows


SMALL, LARGE = 64 * 1024, 10 * 1024 * 1024
SCENARIOS: tuple[Scenario, ...] = (
    Scenario("http", "HTTP keep-alive, 32 connections, 180-byte JSON", requests(Load()), 0.65),
    Scenario(
        "http2",
        "HTTP/2 keep-alive, 4 connections of 10 streams, HTTP/1 upstream",
        requests(Load(connections=4, streams=10)),
        1.0,
    ),
    Scenario("upstream-http2", "HTTP/1 keep-alive, HTTP/2 upstream", over_http2(Load())),
    Scenario(
        "http2-upstream-http2",
        "HTTP/2 keep-alive, 4 connections of 10 streams, HTTP/2 upstream",
        over_http2(Load(connections=4, streams=10)),
    ),
    Scenario("http-paths", "HTTP keep-alive, another path with each request", requests(Load(unique_paths=True))),
    Scenario("http-post", "HTTP keep-alive, POST of 1 KiB", requests(Load(body_bytes=1024))),
    Scenario("tcp", "TCP (tcp_proxy), 32 connections", requests(Load(), tcp=True), 0.95),
    Scenario("new-connection", "A new connection for each request", requests(Load(connections=8, close=True)), 1.0),
    Scenario("tls", "TLS, HTTP/1 keep-alive, 32 connections", requests(Load(secure=True)), 0.8),
    Scenario(
        "tls-handshake",
        "A full TLS 1.3 handshake (ECDSA P-256) for each request",
        requests(Load(connections=8, close=True, secure=True)),
        1.5,
    ),
    Scenario("down-64k", "64 KiB response body", requests(Load("/64k"))),
    Scenario("up-64k", "64 KiB request body", requests(Load(body_bytes=SMALL))),
    Scenario("down-10m", "10 MiB response body", requests(Load("/10m", connections=4))),
    Scenario("up-10m", "10 MiB request body", requests(Load(body_bytes=LARGE, connections=4))),
    Scenario("http-2-workers", "HTTP keep-alive, two workers on both cores", requests(Load(), workers=2)),
    Scenario("tcp-2-workers", "TCP, two workers on both cores", requests(Load(), tcp=True, workers=2)),
    Scenario("idle", "5,000 idle connections", idle),
    Scenario("rest", "Memory at rest of the whole proxy (PSS)", rest),
    Scenario("start", "From start to accepting", start_up),
    Scenario("lua-empty", "An empty Lua script", with_filter(lua(LUA_EMPTY), Load())),
    Scenario("lua", "A Lua script that adds and replaces a header", with_filter(lua(LUA_HEADERS), Load()), 0.6),
    Scenario("lua-body", "A Lua script that rewrites a 4 KiB body", with_filter(lua(LUA_BODY), Load("/4k"))),
    Scenario("lua-call", "A Lua script that makes a call for each request", with_filter(lua(LUA_CALL), Load())),
    Scenario(
        "filter-lua-empty", "What an empty Lua script adds", filter_cost(lua(LUA_EMPTY), 3.0, PROXY_CPU, LOAD_CPU)
    ),
    Scenario(
        "filter-lua-count",
        "What a Lua script that touches no headers adds, its hooks not empty",
        filter_cost(lua(LUA_COUNT), 3.0, PROXY_CPU, LOAD_CPU),
    ),
    Scenario(
        "filter-lua-headers",
        "What a Lua script that adds and replaces a header adds",
        filter_cost(lua(LUA_HEADERS), 12.0, PROXY_CPU, LOAD_CPU),
    ),
    Scenario(
        "filter-python-lower",
        "What an empty Python filter adds, lower level",
        filter_cost(python(EMPTY_LOWER), 2.0, PROXY_CPU, LOAD_CPU),
    ),
    Scenario(
        "filter-python-add-header",
        "What add_header in Python adds",
        filter_cost(python_file("add_header"), 5.0, PROXY_CPU, LOAD_CPU),
    ),
    Scenario(
        "filter-python-upper",
        "What an empty async Python filter adds, upper level",
        filter_cost(python(EMPTY_UPPER), 6.0, PROXY_CPU, LOAD_CPU),
    ),
)
