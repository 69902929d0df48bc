"""canary beside Envoy: who asks for it gets the new version."""

from collections.abc import Mapping

from pyvoy.bench.ext_proc.processor import Change, Processor

WANTED = frozenset(("1", "true", "always"))


class Canary(Processor):
    """Puts `x-stage` on the request, which the routes match; what the client says there does not count."""

    def on_request_headers(self, headers: Mapping[str, str]) -> Change:
        wants = headers.get("x-canary", "").lower() in WANTED
        return Change(set={"x-stage": "canary" if wants else "stable"}, clear_route_cache=True)
