"""canary: who asks for it gets the new version."""

from pyvoy.api import Filter, Request

WANTED = frozenset(("1", "true", "always"))


class Canary(Filter):
    """Puts `x-stage` on the request, which the routes match; what the client says there does not count."""

    def on_request(self, request: Request) -> None:
        wants = (request.headers.get("x-canary") or "").lower() in WANTED
        request.headers["x-stage"] = "canary" if wants else "stable"
        if wants:
            self.counter("canary").inc()
        request.clear_route_cache()
