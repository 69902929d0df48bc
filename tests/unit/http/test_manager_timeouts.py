"""What may last how long on a downstream connection, and what a client sees when it does not end."""

from __future__ import annotations

from typing import Any

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.network.network_filter import CloseType
from tests.unit.http.test_manager import BODY, GET, HEAD, OK, OK_CLOSE, Wire

PLAIN = {"stream_idle_timeout_s": None}


def timed_out(wire: Wire, status: bytes, detail: str) -> None:
    """The request was answered by a time-out's local reply."""
    assert wire.sent.startswith(b"HTTP/1.1 " + status)
    assert wire.stage.log.logged[-1][1] == detail


@pytest.mark.parametrize(
    ("plan", "request_", "status", "detail", "counter"),
    [
        ({"stream_idle_timeout_s": 2.0}, HEAD, b"408", "stream_idle_timeout", "downstream_rq_idle_timeout"),
        ({"stream_idle_timeout_s": 2.0}, BODY, b"408", "stream_idle_timeout", "downstream_rq_idle_timeout"),
        ({"stream_idle_timeout_s": 2.0}, GET, b"504", "stream_idle_timeout", "downstream_rq_idle_timeout"),
        ({**PLAIN, "request_timeout_s": 2.0}, BODY, b"408", "request_overall_timeout", "downstream_rq_timeout"),
        ({**PLAIN, "request_timeout_s": 2.0}, HEAD, b"408", "request_overall_timeout", "downstream_rq_timeout"),
        ({**PLAIN, "request_headers_timeout_s": 2.0}, HEAD, b"408", "request_header_timeout",
         "downstream_rq_header_timeout"),
        ({**PLAIN, "max_stream_duration_s": 2.0}, GET, b"504", "max_duration_timeout",
         "downstream_rq_max_duration_reached"),
        ({**PLAIN, "max_stream_duration_s": 2.0}, BODY, b"408", "max_duration_timeout",
         "downstream_rq_max_duration_reached"),
    ],
)  # fmt: skip
def test_time_outs_of_requests(plan: dict[str, Any], request_: bytes, status: bytes, detail: str, counter: str) -> None:
    wire = Wire(**plan)
    wire.feed(request_)
    wire.fakes.loop.advance(1.9)
    assert wire.sent == b""
    wire.fakes.loop.advance(0.2)
    timed_out(wire, status, detail)
    assert wire.moved(counter) == (1,)
    assert wire.connection.closed is (None if status == b"504" else CloseType.FLUSH_AND_DELAY)


@pytest.mark.parametrize(
    ("plan", "request_"),
    [
        ({**PLAIN, "request_timeout_s": 2.0}, GET),
        ({**PLAIN, "request_headers_timeout_s": 2.0}, BODY),
        ({"stream_idle_timeout_s": None}, HEAD),
    ],
    ids=["whole in time", "head in time", "no limit"],
)
def test_what_is_in_time_goes_on(plan: dict[str, Any], request_: bytes) -> None:
    wire = Wire(**plan)
    wire.feed(request_)
    wire.fakes.loop.advance(10_000)
    assert wire.sent == b""
    assert wire.streams


def test_a_slow_head_that_gets_whole_is_served() -> None:
    wire = Wire(**PLAIN, request_headers_timeout_s=2.0)
    wire.feed(GET[:7])
    wire.fakes.loop.advance(1.5)
    wire.feed(GET[7:])
    wire.fakes.loop.advance(10)
    wire.answer()
    assert wire.sent == OK


def test_what_moves_is_not_idle() -> None:
    wire = Wire(stream_idle_timeout_s=2.0)
    wire.feed(BODY)
    for _ in range(4):
        wire.fakes.loop.advance(1.5)
        wire.feed(b"x")
    assert wire.sent == b""
    wire.fakes.loop.advance(2.1)
    timed_out(wire, b"408", "stream_idle_timeout")


def test_an_answer_that_runs_is_cut() -> None:
    wire = Wire(stream_idle_timeout_s=2.0)
    wire.feed(GET)
    wire.streams[0].respond_headers(HeaderMap([(b":status", b"200"), (b"content-length", b"9")]), False)
    wire.fakes.loop.advance(2.1)
    assert not wire.streams
    assert wire.stage.log.logged[-1][:2] == (200, "stream_idle_timeout")
    assert not wire.connection.is_open


def test_a_stream_may_have_its_own_duration() -> None:
    wire = Wire(**PLAIN, max_stream_duration_s=2.0)
    wire.feed(GET)
    wire.manager.limit_duration(wire.streams[0], 5.0)
    wire.fakes.loop.advance(4)
    assert wire.streams
    wire.fakes.loop.advance(1.1)
    timed_out(wire, b"504", "max_duration_timeout")
    wire.feed(GET)
    wire.manager.limit_duration(wire.streams[0], None)
    wire.fakes.loop.advance(100)
    assert wire.streams


def test_an_idle_connection_that_has_spoken_drains() -> None:
    wire = Wire(idle_timeout_s=3.0, drain_timeout_s=1.0)
    wire.feed(GET)
    wire.fakes.loop.advance(10)
    assert wire.connection.is_open  # a request that waits is not idleness
    wire.answer()
    wire.fakes.loop.advance(3.1)
    assert wire.connection.is_open
    assert wire.moved("downstream_cx_idle_timeout") == (1,)
    wire.fakes.loop.advance(1.1)
    assert wire.connection.closed is CloseType.FLUSH_AND_DELAY


def test_a_half_head_is_not_idle() -> None:
    wire = Wire(idle_timeout_s=3.0)
    wire.feed(HEAD)
    wire.fakes.loop.advance(100)
    assert wire.connection.is_open


def test_an_idle_connection_that_never_spoke_is_closed() -> None:
    wire = Wire(idle_timeout_s=3.0)
    wire.fakes.loop.advance(3.1)
    assert wire.connection.closed is CloseType.FLUSH


def test_a_connection_over_its_duration_says_so_and_ends_after_the_drain_time() -> None:
    wire = Wire(max_connection_duration_s=3.0, drain_timeout_s=2.0)
    wire.feed(GET)
    wire.answer()
    assert wire.sent == OK
    wire.fakes.loop.advance(3.1)
    wire.feed(GET)
    wire.answer()
    assert wire.sent == OK_CLOSE
    assert wire.connection.is_open
    wire.fakes.loop.advance(2.1)
    assert wire.connection.closed is CloseType.FLUSH_AND_DELAY
    assert wire.moved("downstream_cx_max_duration_reached") == (1,)


def test_a_request_at_the_end_of_the_drain_time_is_answered() -> None:
    wire = Wire(max_connection_duration_s=3.0, drain_timeout_s=2.0)
    wire.feed(GET)
    wire.fakes.loop.advance(6)
    assert wire.connection.is_open
    wire.answer()
    assert wire.sent == OK_CLOSE
    assert not wire.connection.is_open


def test_nothing_is_armed_when_the_connection_is_gone() -> None:
    wire = Wire(idle_timeout_s=3.0, max_connection_duration_s=3.0, request_headers_timeout_s=3.0)
    wire.feed(HEAD)
    wire.leave()
    assert wire.fakes.timers.pending == 0
