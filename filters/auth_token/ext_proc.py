"""auth_token beside Envoy: a request needs a token that the auth service (AUTH_ADDRESS) knows."""

import asyncio
import http.client
import os
import threading
from collections.abc import Mapping

from pyvoy.bench.ext_proc.processor import Answer, Change, Processor

PATH, TIMEOUT_S = "/check", 1.0
kept = threading.local()


class AuthToken(Processor):
    """Fails closed: no answer of the auth service is a 503."""

    async def on_request_headers(self, headers: Mapping[str, str]) -> Change | Answer:
        token = headers.get("authorization")
        if not token:
            return Answer(401, "no token\n", {"www-authenticate": "Bearer"})
        try:
            status, user = await asyncio.to_thread(ask, token)
        except (OSError, http.client.HTTPException):
            return Answer(503, "cannot check the token\n")
        if not 200 <= status <= 299:
            return Answer(403, "unknown token\n")
        return Change(set={"x-user": user})


def ask(token: str) -> tuple[int, str]:
    """The status and the user that the auth service tells, over a connection that each thread keeps."""
    connection = getattr(kept, "connection", None)
    if connection is None:
        connection = kept.connection = http.client.HTTPConnection(os.environ["AUTH_ADDRESS"], timeout=TIMEOUT_S)
    try:
        connection.request("GET", PATH, headers={"authorization": token})
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        connection.close()
        raise
    return answer.status, answer.getheader("x-user", "unknown")
