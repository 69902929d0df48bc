"""The connection manager with its real codec: bytes in, bytes out, how the connection ends and what is counted."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pyvoy.http.h1.limits import Http1Plan
from pyvoy.http.headers import HeaderMap, Pair
from pyvoy.http.manager import HttpConnectionManager
from pyvoy.http.rejection import Rejection
from pyvoy.http.stream import HttpStream
from pyvoy.network.network_filter import CloseType
from pyvoy.testing.fakes import FakeConnection, FakeServices
from pyvoy.testing.recorder import Record
from pyvoy.testing.stage import Stage

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"
CLOSE = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"
HEAD = b"GET / HT"
BODY = b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello"
WEBSOCKET = b"GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
OK_CLOSE = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"


class Wire:
    """One connection of a manager whose requests are answered by the test."""

    def __init__(self, **plan: Any) -> None:
        idle_timeout_s = plan.pop("idle_timeout_s", None)
        self.fakes = FakeServices()
        self.stage = Stage(self.fakes, [], **plan)
        self.plan = self.stage.plan
        self.plan.idle_timeout_s = idle_timeout_s
        self.stage.close()
        self.connection = FakeConnection(self.fakes.services, Record())
        self.manager = HttpConnectionManager(self.plan)
        self.before = self.counters()
        self.manager.on_new_connection(cast("Any", self.connection))

    def counters(self) -> dict[str, int]:
        self.fakes.loop.settle()
        stats = self.plan.stats
        names = [name for name, kind in type(stats).__annotations__.items() if kind in ("Counter", "Gauge")]
        return {name: getattr(stats, name).value for name in names}

    def moved(self, *names: str) -> tuple[int, ...]:
        """How far these statistics have moved since the connection began."""
        now = self.counters()
        return tuple(now[name] - self.before[name] for name in names)

    def feed(self, *pieces: bytes) -> None:
        for data in pieces:
            self.manager._receive(data)
            self.fakes.loop.settle()

    @property
    def streams(self) -> list[HttpStream]:
        return [cast("HttpStream", stream) for stream in self.manager.streams.values()]

    def answer(self, status: bytes = b"200", body: bytes = b"ok", *pairs: Pair) -> None:
        """A whole response to the running request."""
        length = [(b"content-length", b"%d" % len(body))]
        self.streams[0].respond(HeaderMap([(b":status", status), *length, *pairs]), body)
        self.fakes.loop.settle()

    def begin_answer(self, *pairs: Pair, status: bytes = b"200") -> None:
        self.streams[0].respond_headers(HeaderMap([(b":status", status), *pairs]), False)

    def leave(self) -> None:
        """The client goes away."""
        self.connection.ended_by_peer = True
        self.manager.on_close(cast("Any", self.connection))
        self.fakes.loop.settle()

    @property
    def sent(self) -> bytes:
        """What was sent, since the last time this was asked."""
        data = bytes(self.connection.written)
        self.connection.written.clear()
        return data


def test_requests_on_one_connection() -> None:
    wire = Wire()
    for _ in range(3):
        wire.feed(GET)
        wire.answer()
        assert wire.sent == OK
    assert wire.connection.is_open
    assert wire.moved("downstream_rq_total", "downstream_rq_completed", "downstream_rq_active") == (3, 3, 0)
    wire.leave()
    assert wire.moved("downstream_cx_destroy_remote", "downstream_cx_destroy_local", "downstream_cx_active") == (
        1,
        0,
        0,
    )
    assert wire.moved("downstream_rq_rx_reset", "downstream_cx_destroy_active_rq") == (0, 0)


def test_a_connection_is_http1_with_its_first_bytes() -> None:
    wire = Wire()
    names = ("downstream_cx_total", "downstream_cx_http1_total", "downstream_cx_http1_active")
    assert wire.moved(*names) == (1, 0, 0)
    wire.feed(GET)
    assert wire.moved(*names) == (1, 1, 1)
    wire.leave()
    assert wire.moved(*names) == (1, 1, 0)


# ---- how a connection ends ----


def test_a_client_that_asks_to_close_gets_it_at_once() -> None:
    wire = Wire()
    wire.feed(CLOSE)
    wire.answer()
    assert wire.sent == OK_CLOSE
    assert wire.connection.closed is CloseType.FLUSH


def test_an_answer_before_the_request_is_whole_closes_with_delay() -> None:
    wire = Wire()
    wire.feed(BODY)
    wire.answer()
    assert wire.sent == OK_CLOSE
    assert wire.connection.closed is CloseType.FLUSH_AND_DELAY
    assert wire.moved("downstream_rq_response_before_rq_complete", "downstream_rq_rx_reset") == (1, 1)


def test_a_malformed_request_is_answered_and_the_connection_closed_with_delay() -> None:
    wire = Wire()
    wire.feed(b"nonsense\r\n\r\n")
    out = wire.sent
    assert out.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nconnection: close\r\n" in out
    assert wire.connection.closed is CloseType.FLUSH_AND_DELAY
    assert wire.moved("downstream_cx_protocol_error", "downstream_rq_total", "downstream_rq_rx_reset") == (1, 1, 1)


def test_a_fault_in_the_body_ends_an_answer_that_runs() -> None:
    wire = Wire()
    wire.feed(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.begin_answer((b"content-length", b"9"))
    wire.feed(b"zz\r\n")
    assert not wire.streams
    assert wire.connection.closed is CloseType.FLUSH_AND_DELAY
    assert wire.moved("downstream_rq_tx_reset", "downstream_rq_rx_reset") == (1, 1)


def test_a_client_that_leaves_ends_its_requests() -> None:
    wire = Wire()
    wire.feed(GET)
    wire.leave()
    assert not wire.streams
    assert wire.stage.log.logged[-1][1] == "downstream_remote_disconnect"
    names = ("downstream_cx_destroy_active_rq", "downstream_cx_destroy_remote_active_rq", "downstream_rq_rx_reset")
    assert wire.moved(*names) == (1, 1, 1)


def test_a_half_head_is_a_request_that_ends_with_its_connection() -> None:
    wire = Wire()
    wire.feed(HEAD)
    assert wire.moved("downstream_rq_total", "downstream_rq_active") == (1, 1)
    wire.leave()
    assert wire.stage.log.logged[-1] == (0, "downstream_remote_disconnect", wire.stage.log.logged[-1][2])
    assert wire.moved("downstream_rq_active", "downstream_rq_rx_reset") == (0, 1)


@pytest.mark.parametrize("limit", [1, 2])
def test_requests_per_connection(limit: int) -> None:
    wire = Wire(max_requests_per_connection=limit)
    for number in range(1, limit + 1):
        wire.feed(GET)
        wire.answer()
        assert wire.sent == (OK_CLOSE if number == limit else OK)
    assert wire.connection.closed is CloseType.FLUSH
    assert wire.moved("downstream_cx_max_requests_reached") == (1,)


def test_a_rejection_of_the_rules_says_whether_the_connection_ends() -> None:
    for close, kind in ((True, CloseType.FLUSH_AND_DELAY), (False, None)):
        wire = Wire()
        rejection = Rejection(404, "detail", close=close)
        wire.plan.request_rules = lambda *_, rejection=rejection: rejection
        wire.feed(GET)
        assert wire.sent.startswith(b"HTTP/1.1 404 Not Found\r\n")
        assert wire.connection.closed is kind


# ---- HTTP/1.0 ----

OLD = b"GET / HTTP/1.0\r\nHost: h\r\n\r\n"
OLD_KEPT = b"GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n"
OLD_PLAN = Http1Plan(accept_http_10=True)


def test_http_10_closes_unless_asked() -> None:
    wire = Wire(codec=OLD_PLAN)
    wire.feed(OLD_KEPT)
    wire.answer()
    assert wire.sent == b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: keep-alive\r\n\r\nok"
    wire.feed(OLD)
    wire.answer()
    assert wire.sent == b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
    assert wire.connection.closed is CloseType.FLUSH


def test_http_10_without_length_ends_with_the_connection() -> None:
    wire = Wire(codec=OLD_PLAN)
    wire.feed(OLD_KEPT)
    wire.begin_answer()
    wire.streams[0].respond_data(b"ok", True)
    assert wire.sent == b"HTTP/1.0 200 OK\r\nconnection: close\r\n\r\nok"
    assert wire.connection.closed is CloseType.FLUSH


# ---- pipelines ----


def test_the_next_request_begins_behind_the_running_event() -> None:
    wire = Wire()
    wire.feed(GET + GET + GET)
    assert len(wire.streams) == 1
    assert wire.connection.read_disabled == 1
    stream = wire.streams[0]
    stream.respond(HeaderMap([(b":status", b"200"), (b"content-length", b"0")]), b"")
    assert not wire.streams  # the upstream's read is not worked off yet
    wire.fakes.loop.settle()
    assert len(wire.streams) == 1
    wire.answer()
    wire.answer()
    assert wire.connection.read_disabled == 0
    assert wire.moved("downstream_rq_total", "downstream_rq_active") == (3, 0)


def test_what_is_pipelined_behind_a_close_is_dropped() -> None:
    wire = Wire()
    wire.feed(CLOSE + GET)
    wire.answer()
    assert wire.sent == OK_CLOSE
    assert not wire.streams


def test_a_malformed_second_request_is_answered_in_its_turn() -> None:
    wire = Wire()
    wire.feed(GET + b"nonsense\r\n\r\n")
    assert wire.sent == b""
    wire.answer()
    out = wire.sent
    assert out.startswith(OK + b"HTTP/1.1 400 Bad Request\r\n")
    assert wire.connection.closed is CloseType.FLUSH_AND_DELAY


# ---- upgrades ----


def upgraded(**plan: Any) -> Wire:
    wire = Wire(upgrades={b"websocket": True}, **plan)
    wire.feed(WEBSOCKET)
    return wire


def test_a_granted_upgrade_tunnels() -> None:
    wire = upgraded()
    wire.begin_answer((b"connection", b"upgrade"), (b"upgrade", b"websocket"), status=b"101")
    assert b"connection: close" not in wire.sent
    wire.feed(b"ping")
    wire.streams[0].respond_data(b"pong", False)
    assert wire.sent == b"pong"
    assert wire.moved("downstream_cx_upgrades_total", "downstream_cx_upgrades_active") == (1, 1)
    wire.leave()
    assert wire.moved("downstream_cx_upgrades_active", "downstream_rq_active", "downstream_cx_active") == (0, 0, 0)
    assert wire.stage.log.logged[-1][:2] == (101, "downstream_remote_disconnect")


def test_a_refused_upgrade_closes_with_delay() -> None:
    wire = upgraded()
    wire.answer(b"403")
    assert b"connection: close" in wire.sent
    assert wire.connection.closed is CloseType.FLUSH_AND_DELAY


def test_an_upgrade_that_nobody_allowed() -> None:
    wire = Wire()
    wire.feed(WEBSOCKET)
    assert wire.sent.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert wire.moved("downstream_rq_ws_on_non_ws_route", "downstream_cx_upgrades_total") == (1, 0)


def test_expect_is_answered_and_counted() -> None:
    wire = Wire()
    wire.feed(b"POST / HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n")
    assert wire.sent == b"HTTP/1.1 100 Continue\r\n\r\n"
    wire.feed(b"x")
    wire.answer()
    assert wire.sent == OK
    assert wire.moved("downstream_rq_completed") == (2,)


# ---- drains ----


def test_a_draining_listener_ends_idle_connections_now_and_others_behind_their_answer() -> None:
    idle = Wire()
    idle.feed(GET)
    idle.answer()
    idle.manager.on_drain(cast("Any", idle.connection))
    assert idle.connection.closed is CloseType.FLUSH
    busy = Wire()
    busy.feed(GET)
    busy.manager.on_drain(cast("Any", busy.connection))
    assert busy.connection.is_open
    busy.answer()
    assert busy.sent == OK_CLOSE
    assert not busy.connection.is_open
    assert busy.moved("downstream_cx_drain_close") == (1,)
