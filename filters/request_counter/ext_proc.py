"""request_counter beside Envoy: what comes and goes, counted in the server's own process."""

from collections import Counter
from collections.abc import Mapping

from pyvoy.bench.ext_proc.processor import Processor

METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"))


class RequestCounter(Processor):
    """Requests by method, responses by class of the status; the end of a stream is not among ext_proc's events."""

    counts: Counter[str] = Counter()

    def on_request_headers(self, headers: Mapping[str, str]) -> None:
        method = headers.get(":method", "")
        self.counts["requests"] += 1
        self.counts[f"method.{method if method in METHODS else 'other'}"] += 1

    def on_response_headers(self, headers: Mapping[str, str]) -> None:
        self.counts[f"status.{headers.get(':status', '?')[0]}xx"] += 1
