"""The scenarios, in the order of the report: those of the proxy, then those of filters."""

from benchmarks.filtered import added, one, wasm
from benchmarks.load import Load
from benchmarks.scenarios import SCENARIOS as PROXY
from benchmarks.scenarios import Scenario

SCENARIOS: tuple[Scenario, ...] = (
    *PROXY,
    Scenario("wasm", "HTTP keep-alive with a Wasm filter of ten host calls", one(wasm("headers"), Load()), 0.6),
    Scenario("wasm-adds", "What a Wasm filter of ten host calls adds", added(wasm("headers"), Load())),
)
