"""Put load on a URL and count what comes back: `run_load(plan)`.

The plan says what to ask and how often; the engine is wrk or h2load where they can do what the plan says, else the
embedded generator, which alone keeps a fixed rate without coordinated omission.
"""

from pyvoy.bench.load.engines import run_load
from pyvoy.bench.load.latencies import Latencies
from pyvoy.bench.load.plan import LoadError, LoadPlan, PlanError
from pyvoy.bench.load.result import Generator, LoadResult

__all__ = ["Generator", "Latencies", "LoadError", "LoadPlan", "LoadResult", "PlanError", "run_load"]
