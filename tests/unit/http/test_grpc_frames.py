"""gRPC's messages in a body, cut in every way."""

import pytest

from pyvoy.http.grpc_frames import FrameReader, MessageCounter, frame

BODY = b"\0\0\0\0\2hi" + b"\0\0\0\0\0" + b"\1\0\0\1\0" + b"x" * 256


def pieces(size):
    return [BODY[at : at + size] for at in range(0, len(BODY), size)]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 100, 1000])
def test_messages_are_counted_and_cut_however_they_come(size):
    counter, whole, bare = MessageCounter(), FrameReader(), FrameReader()
    frames, messages = [], []
    for piece in pieces(size):
        counter.take(piece)
        whole.feed(piece)
        frames += iter(whole.frame, None)
        bare.feed(piece)
        messages += iter(bare.message, None)
    assert counter.count == 3
    assert b"".join(frames) == BODY
    assert [len(message) for message in frames] == [7, 5, 261]
    assert messages == [b"hi", b"", b"x" * 256]
    assert whole.held_bytes == bare.held_bytes == 0


def test_the_head_is_known_before_the_message_is_there():
    reader = FrameReader()
    reader.feed(BODY[:5])
    assert reader.head() == (0, 2)
    assert reader.message() is None
    assert reader.held_bytes == 5
    reader.feed(BODY[5:17])
    assert (reader.message(), reader.message()) == (b"hi", b"")
    assert reader.head() == (1, 256)
    reader.feed(BODY[17:-1])
    assert reader.frame() is None
    assert reader.held_bytes == 260


def test_what_was_taken_is_not_kept():
    reader = FrameReader()
    for _ in range(3):
        reader.feed(frame(b"one") + frame(b"two"))
        assert [*iter(reader.message, None)] == [b"one", b"two"]
        assert not reader._data
