"""The original destination filter, with a socket that answers as the kernel does."""

from __future__ import annotations

import socket
import struct

import pytest

from pyvoy.filters.listener.original_dst import OriginalDst
from pyvoy.network.address import Address
from pyvoy.network.listener_filter import ListenerVerdict
from tests.support.building import Place
from tests.support.connections import FakeAccepted

V4 = struct.pack("=H", socket.AF_INET) + struct.pack("!H4s8x", 8080, socket.inet_aton("198.51.100.9"))
V6 = struct.pack("=H", socket.AF_INET6) + struct.pack(
    "!H4x16s4x", 8443, socket.inet_pton(socket.AF_INET6, "2001:db8::9")
)


class FakeSocket:
    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.asked: list[tuple[int, int, int]] = []

    def getsockopt(self, level: int, option: int, length: int) -> bytes:
        self.asked.append((level, option, length))
        if self.answer is None:
            raise FileNotFoundError(2, "No such file or directory")
        return self.answer


@pytest.mark.parametrize(
    ("local", "answer", "expected"),
    [
        (Address("10.0.0.1", 443), V4, "198.51.100.9:8080"),
        (Address("::1", 443), V6, "[2001:db8::9]:8443"),
        (Address("10.0.0.1", 443), None, "10.0.0.1:443"),
        (Address("", 0, "/run/x"), V4, "/run/x"),
    ],
)
def test_the_kernels_answer_becomes_the_local_address(local: Address, answer: bytes | None, expected: str) -> None:
    accepted = FakeAccepted(FakeSocket(answer))
    accepted.info.local = accepted.info.direct_local = local
    assert accepted.run(OriginalDst(Place().plan(OriginalDst))) is ListenerVerdict.CONTINUE
    assert accepted.info.local.text == expected
    assert accepted.info.direct_local is local


def test_the_real_socket_of_a_connection_that_was_not_redirected() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
        sock, _ = server.accept()
        with sock:
            accepted = FakeAccepted(sock)
            accepted.info.local = Address(*client.getpeername())
            accepted.run(OriginalDst(None))
            assert accepted.info.local.text == "{}:{}".format(*client.getpeername())
