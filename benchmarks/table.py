"""The scenarios, in the order of the report."""

from benchmarks.filtered import added, one, wasm
from benchmarks.load import Load
from benchmarks.scenarios import Scenario, idle, requests, rest, start_up

SMALL, LARGE = 64 * 1024, 10 * 1024 * 1024
SCENARIOS: tuple[Scenario, ...] = (
    Scenario("http", "HTTP keep-alive, 32 connections, 180-byte JSON", requests(Load()), 0.65),
    Scenario("tcp", "TCP (tcp_proxy), 32 connections", requests(Load(), tcp=True), 0.95),
    Scenario("new-connection", "A new connection for each request", requests(Load(connections=8, close=True)), 1.0),
    Scenario("wasm", "HTTP keep-alive with a Wasm filter of ten host calls", one(wasm("headers"), Load()), 0.6),
    Scenario("wasm-adds", "What a Wasm filter of ten host calls adds", added(wasm("headers"), Load())),
    Scenario("down-64k", "64 KiB response body", requests(Load("/64k"))),
    Scenario("up-64k", "64 KiB request body", requests(Load(body_bytes=SMALL))),
    Scenario("down-10m", "10 MiB response body", requests(Load("/10m", connections=4))),
    Scenario("up-10m", "10 MiB request body", requests(Load(body_bytes=LARGE, connections=4))),
    Scenario("http-2-workers", "HTTP keep-alive, two workers on both cores", requests(Load(), workers=2)),
    Scenario("tcp-2-workers", "TCP, two workers on both cores", requests(Load(), tcp=True, workers=2)),
    Scenario("idle", "5,000 idle connections", idle),
    Scenario("rest", "Memory at rest of the whole proxy (PSS)", rest),
    Scenario("start", "From start to accepting", start_up),
)
