"""Floods are cut off where Envoy cuts them, and what is no flood goes on."""

import pytest

from pyvoy.http.h2.floods import FloodError, FloodGuard
from pyvoy.http.h2.limits import Http2Plan
from tests.support.h2server import Server
from tests.support.h2wire import (
    CONTINUATION,
    END_HEADERS,
    END_STREAM,
    GET,
    HEADERS,
    PING,
    POST,
    PRIORITY,
    block,
    data,
    frame,
    head,
    settings,
    window,
)

OPEN = head(1, fields=POST, end=False)
PING_FRAME = frame(PING, 0, 0, b"12345678")
PRIORITY_FRAME = frame(PRIORITY, 0, 1, b"\0\0\0\0\1")


@pytest.mark.parametrize(
    ("flood", "counter"),
    [
        pytest.param([OPEN, data(1, b"", False) * 2], "inbound_empty_frames_flood", id="empty-data"),
        pytest.param(
            [frame(HEADERS, END_STREAM, 1, block(*GET)), frame(CONTINUATION, 0, 1) * 2],
            "inbound_empty_frames_flood",
            id="empty-continuation",
        ),
        pytest.param([PRIORITY_FRAME * 101], "inbound_priority_frames_flood", id="priority"),
        pytest.param([OPEN, window(0, 1) * 8], "inbound_window_update_frames_flood", id="window-update"),
        pytest.param([PING_FRAME * 1001], "outbound_control_flood", id="ping"),
        pytest.param([settings() * 1001], "outbound_control_flood", id="settings"),
    ],
)
def test_a_flood_ends_the_connection(flood, counter):
    server = Server()
    server.feed(*flood)
    assert server.goaway == 11
    assert getattr(server.stats, counter).value == 1


def test_just_below_each_limit_the_connection_goes_on():
    server = Server()
    server.feed(OPEN, data(1, b"", False), data(1, b"x", False), data(1, b"", False))
    server.feed(PRIORITY_FRAME * 200, window(0, 1) * 7)
    assert server.goaway is None


def test_answers_that_were_written_out_do_not_count():
    server = Server()
    for _ in range(3000):
        server.feed(PING_FRAME)
    assert server.goaway is None


def test_answers_that_the_client_does_not_read_count():
    server = Server(unwritten=1 << 30)
    for _ in range(1001):
        server.feed(PING_FRAME)
    assert server.goaway == 11


def test_a_head_that_never_ends_is_cut_at_its_limit():
    server = Server(head_limit_bytes=1000)
    server.feed(frame(HEADERS, END_STREAM, 1, block(*GET)))
    for _ in range(100):
        server.feed(frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b" * 10))
    assert server.reset_codes() == {1: 2}
    assert server.goaway is None
    for _ in range(20):
        server.feed(frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b" * 3000))
    assert server.goaway == 11


def test_a_head_that_is_too_large_ends_its_stream_alone_and_the_table_goes_on():
    server = Server(head_limit_bytes=1000)
    entry = b"\x40\x01a\x01b"
    server.feed(frame(HEADERS, END_STREAM, 1, block(*GET) + entry))
    for _ in range(100):
        server.feed(frame(CONTINUATION, 0, 1, b"\x00\x01a\x01b" * 10))
    server.feed(frame(CONTINUATION, END_HEADERS, 1), frame(HEADERS, END_HEADERS | END_STREAM, 3, block(*GET) + b"\xbe"))
    assert server.reset_codes() == {1: 2}
    assert server.requests[3].headers.map[b"a"] == b"b"


def test_a_small_block_that_unfolds_to_a_large_head_is_cut_while_it_is_decoded():
    server = Server()
    bomb = b"\x40\x01a\x7f\x80\x1e" + b"x" * (127 + 15 * 256) + b"\xbe" * 12000
    server.feed(frame(HEADERS, 5, 1, bomb[:16000]))
    assert server.goaway in (9, 11)


def test_limits_are_the_configurations():
    server = Server(max_outbound_control_frames=2, max_empty_frames=5)
    server.feed(OPEN, data(1, b"", False) * 5)
    assert server.goaway is None
    server.feed(PING_FRAME * 3)
    assert server.goaway == 11


class Output:
    """A connection's output: gathered, then in the transport, then with the peer."""

    def __init__(self, limit: int) -> None:
        self.gathered: list[bytes] = []
        self.unwritten = 0
        self.frames = 0
        plan = Http2Plan(max_outbound_frames=limit, max_outbound_control_frames=limit)
        self.guard = FloodGuard(plan, Server().stats, self.gathered, lambda: self.unwritten)

    def write(self, *, gathers: bool = False) -> None:
        """A frame more."""
        self.guard.note_frame()
        self.frames += 1
        self.gathered.append(data(1, b"x", False))
        if not gathers:
            self.flush()

    def flush(self) -> None:
        size = sum(map(len, self.gathered))
        self.gathered.clear()
        self.guard.sent_bytes += size
        self.unwritten += size


@pytest.mark.parametrize("at_once", [1, 2, 3, 7])
def test_frames_that_are_written_do_not_count_whatever_is_gathered_when_the_count_is_full(at_once):
    output = Output(100)
    for _ in range(300):
        for _ in range(at_once):
            output.write(gathers=True)
        output.flush()
        output.unwritten = 0
    assert output.frames == 300 * at_once


def test_a_client_that_is_always_behind_but_reads_is_no_flood():
    output = Output(1000)
    size = len(data(1, b"x", False))
    for number in range(20_000):
        output.write()
        if number > 500:
            output.unwritten -= size
    assert output.frames == 20_000


@pytest.mark.parametrize("reads", [0, 700])
def test_as_many_frames_as_may_wait_end_the_connection(reads):
    output = Output(1000)
    for _ in range(reads):
        output.write()
    output.unwritten = 0
    for _ in range(1000 - 1000 // 64):
        output.write()
    with pytest.raises(FloodError):
        write_many(output, 1 + 2 * 1000 // 64)


def write_many(output: Output, count: int) -> None:
    for _ in range(count):
        output.write()
