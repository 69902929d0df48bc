"""The short way of an ordinary request (see `plain_exchange`) on an HTTP/2 connection.

The answer's head differs from one response to the next in its service time alone: the rest is encoded once and stays
valid as long as the connection's header table, the time goes behind it as a literal that enters no table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyvoy.http.charging import CANARY
from pyvoy.http.headers import HeaderMap
from pyvoy.http.plain_exchange import PlainExchange
from pyvoy.http.plain_plan import SERVICE_TIME

if TYPE_CHECKING:
    from pyvoy.http.h1.heads import ResponseHead
    from pyvoy.http.manager_h2 import Http2ConnectionManager


class Http2Exchange(PlainExchange):
    """One ordinary request of an HTTP/2 client under way, its upstream HTTP/1."""

    __slots__ = ()

    manager: Http2ConnectionManager

    def on_response(self, head: ResponseHead, body: bytes) -> None:
        """A whole response: count it, write it out, and be done."""
        manager = self.manager
        plain = manager.share.plain
        if plain is None or CANARY in head.values or manager.draining or manager.services.draining():
            self._promote(attached=True).on_response(head, body)
            return
        now_s = manager.services.clock()
        took_ms = int((now_s - self.active_s) * 1000)
        status = head.values[b":status"]
        tally = self._pool.outcome(status) or self._pool.new_outcome(status)
        if not tally.count:
            tally.board.note(tally)
        tally.count += 1
        tally.values.append(took_ms)
        manager.plain_over(self.stream_id, status, took_ms, now_s)
        codec = manager.codec
        if not codec.send_answer(self.stream_id, head, took_ms, body, int(manager.services.wall())):
            codec.send_new_answer(self.stream_id, head, self._without_time(head), took_ms, body)
        codec.finish(self.stream_id)

    def _without_time(self, head: ResponseHead) -> HeaderMap:
        """The response's headers for the client but for the service time."""
        headers = head.headers()
        headers.map.pop(SERVICE_TIME, None)
        self.manager.plan.response_rules(headers, self)
        return headers
