"""auth_token: a request needs a token that the auth service knows."""

from dataclasses import dataclass

from pyvoy.api import CallFailed, Filter, Request, Response


@dataclass
class Config:
    """`cluster` is asked `GET path` with the token; its `x-user` header becomes the request's."""

    cluster: str = "auth"
    path: str = "/check"
    timeout_s: float = 1.0


class AuthToken(Filter):
    """Fails closed: no answer of the auth service is a 503."""

    config: Config

    async def on_request(self, request: Request) -> Response | None:
        config = self.config
        request.headers.remove("x-user")
        token = request.headers.get("authorization")
        if not token:
            return Response(401, "no token\n", {"www-authenticate": "Bearer"})
        try:
            answer = await self.call(
                config.cluster, config.path, headers={"authorization": token}, timeout_s=config.timeout_s
            )
        except CallFailed:
            self.counter("unavailable").inc()
            return Response(503, "cannot check the token\n")
        if not answer.ok:
            self.counter("denied").inc()
            return Response(403, "unknown token\n")
        self.counter("allowed").inc()
        request.headers["x-user"] = answer.headers.get("x-user", "unknown") or "unknown"
        return None
