"""Control frames: what is sent arrives whole, in order, with its descriptors."""

import os
import socket

import pytest

from pyvoy.server import control
from pyvoy.server.control import Channel, ChannelClosed


@pytest.fixture
def pair():
    left, right = Channel.pair()
    yield left, right
    left.close()
    right.close()


def collect(receiver: Channel, sender: Channel, count: int) -> list[control.Message]:
    found: list[control.Message] = []
    while len(found) < count:
        sender.flush()
        found += receiver.receive()
    return found


def test_fields_and_blob_arrive(pair):
    left, right = pair
    left.send("config", {"version": 3, "keys": {"a": ["x"]}}, b"\x00\xff" * 10)
    (message,) = right.receive()
    assert (message.kind, message.fields, message.blob) == (
        "config",
        {"version": 3, "keys": {"a": ["x"]}},
        b"\x00\xff" * 10,
    )
    assert right.receive() == []


def test_frames_keep_their_order_and_their_descriptors(pair, tmp_path):
    left, right = pair
    files = [open(tmp_path / name, "w+b") for name in "abc"]  # noqa: SIM115
    left.send("one", fds=[files[0].fileno(), files[1].fileno()])
    left.send("none")
    left.send("two", fds=[files[2].fileno()])
    for file in files:
        file.close()
    messages = right.receive()
    assert [(message.kind, len(message.fds)) for message in messages] == [("one", 2), ("none", 0), ("two", 1)]
    paths = [os.readlink(f"/proc/self/fd/{fd}") for message in messages for fd in message.fds]
    assert [os.path.basename(path) for path in paths] == ["a", "b", "c"]
    for message in messages:
        for fd in message.fds:
            os.close(fd)


def test_a_frame_larger_than_the_sockets_buffer_waits_for_its_reader(pair):
    left, right = pair
    blob = os.urandom(4 << 20)
    waits = []
    left.on_backlog = lambda: waits.append(1)
    left.send("big", blob=blob)
    assert left.has_backlog
    assert waits
    left.send("small")
    big, small = collect(right, left, 2)
    assert big.blob == blob
    assert small.kind == "small"
    assert not left.has_backlog


def test_what_was_sent_before_the_end_is_still_read(pair):
    left, right = pair
    left.send("last words")
    left.sock.close()
    assert [message.kind for message in right.receive()] == ["last words"]
    with pytest.raises(ChannelClosed):
        right.receive()


def test_sending_to_nobody_says_so(pair):
    left, right = pair
    right.sock.close()
    with pytest.raises(ChannelClosed):
        left.send("anything")


def test_a_peer_that_never_reads_is_given_up(pair, monkeypatch):
    left, _ = pair
    monkeypatch.setattr(control, "LIMIT_BYTES", 1 << 20)

    def keep_sending():
        for _ in range(100):
            left.send("data", blob=bytes(100_000))

    with pytest.raises(ChannelClosed, match="does not read"):
        keep_sending()


def test_an_impossible_length_is_refused(pair):
    left, right = pair
    left.sock.send(b"\xff" * 12)
    with pytest.raises(ChannelClosed, match="too large"):
        right.receive()


def test_too_many_descriptors_for_one_frame(pair):
    left, _ = pair
    with pytest.raises(ValueError, match="descriptors"):
        left.send("x", fds=[0] * (control.MAX_FDS + 1))


def test_closing_closes_descriptors_that_nobody_took():
    left, right = Channel.pair()
    with socket.socket() as sock:
        left.send("x", fds=[sock.fileno()])
        right.receive()
        before = len(os.listdir("/proc/self/fd"))
        left.send("y", fds=[sock.fileno()])
        right.sock.setblocking(False)
        _, ancillary, _, _ = right.sock.recvmsg(5, socket.CMSG_SPACE(64))  # half a frame
        right._take_fds(ancillary)
        right.close()
        left.close()
    assert len(os.listdir("/proc/self/fd")) <= before
