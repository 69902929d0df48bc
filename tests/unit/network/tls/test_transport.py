"""TLS as a transport: what the protocol behind it and the peer before it notice.  Two real ends, no sockets."""

from __future__ import annotations

import asyncio
import gc
import ssl
import weakref
from typing import Any

import pytest

from pyvoy.network.tls.context import CertificatePlan, TlsContext, TlsPlan, make_context
from pyvoy.network.tls.stats import TlsStats
from pyvoy.network.tls.transport import TlsTransport
from pyvoy.network.tls.verify import ValidationPlan
from pyvoy.stats.store import memory_store
from tests.support.certificates import authority, issued
from tests.support.tls import Session, Tls

SERVER = issued("server", ("a.test",))
CLIENT = issued("client", ("c.test",))


class Raw:
    """The socket's transport: bytes go straight to the peer."""

    def __init__(self) -> None:
        self.peer: Session | None = None
        self.received = b""
        self.closed = ""
        self.paused = False
        self.unsent = 0
        self.writes = 0
        self.protocol: Any = None
        self.corked = bytearray()

    def write(self, data: bytes) -> None:
        assert not self.closed
        self.corked += data
        self.writes += 1

    def close(self) -> None:
        self.closed = self.closed or "closed"

    def abort(self) -> None:
        self.closed = "aborted"

    def is_closing(self) -> bool:
        return bool(self.closed)

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def set_write_buffer_limits(self, high: int | None, low: int | None) -> None:
        self.limits = high, low

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return 1, 2

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": ("1.2.3.4", 5)}.get(name, default)

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol


class Plain(asyncio.Protocol):
    """The protocol behind TLS, which writes down what happens."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.keeps_open = True

    def data_received(self, data: bytes) -> None:
        if self.events and isinstance(self.events[-1], bytes):
            self.events[-1] += data
        else:
            self.events.append(data)

    def eof_received(self) -> bool:
        self.events.append("end")
        return self.keeps_open

    def connection_lost(self, exc: Exception | None) -> None:
        self.events.append("lost")

    def pause_writing(self) -> None:
        self.events.append("pause")

    def resume_writing(self) -> None:
        self.events.append("resume")


class Side(TlsTransport):
    """One that writes down what its side of a connection does."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__(protocol)
        self.opened = 0
        self.failed: list[str] = []

    def _established(self) -> None:
        self.opened += 1

    def _broken(self, text: str) -> None:
        self.failed.append(text)


class Ends:
    """A TlsTransport as server and a peer as client."""

    def __init__(self, peer: Tls | None = None, plan: TlsPlan | None = None) -> None:
        self.store = memory_store()
        self.context = server_context(self.store, plan)
        self.raw = Raw()
        self.plain = Plain()
        self.tls = Side(self.plain)
        self.tls.raw = self.raw  # type: ignore[assignment]
        self.tls.begin_server(self.context)
        self.raw.protocol = self.tls
        self.to_server = bytearray()
        self.peer = (peer or Tls()).session(self._send, server_side=False)
        self.got = b""

    def _send(self, data: bytes) -> None:
        self.to_server += data

    def run(self) -> None:
        """Carry bytes until both are silent."""
        while self.to_server or self.raw.corked:
            up, down = bytes(self.to_server), bytes(self.raw.corked)
            self.to_server.clear()
            self.raw.corked.clear()
            if up:
                self.raw.protocol.data_received(up)
            if down:
                self.got += self.peer.receive(down)

    def shake(self) -> Ends:
        """Do the handshake."""
        self.peer.start()
        self.run()
        return self


def server_context(store: Any, plan: TlsPlan | None = None) -> TlsContext:
    certificates = (CertificatePlan(SERVER.cert.encode(), SERVER.key.encode()),)
    plan = plan or TlsPlan(certificates)
    return make_context(plan, TlsStats(store.root.scope("listener.l")), server_side=True)


def test_bytes_go_both_ways_and_are_plain_behind() -> None:
    ends = Ends().shake()
    ends.peer.write(b"question")
    ends.run()
    ends.tls.write(b"answer")
    ends.run()
    assert (ends.plain.events, ends.got, ends.tls.opened) == ([b"question"], b"answer", 1)
    assert ends.store.root.counter("listener.l.ssl.handshake").value == 1


@pytest.mark.parametrize(("size", "writes"), [(1, 1), (16384, 1), (16385, 2), (300_000, 2)])
def test_the_last_bytes_are_followed_by_the_end(size: int, writes: int) -> None:
    ends = Ends().shake()
    before = ends.raw.writes
    ends.tls.write_last(b"r" * size)
    assert (ends.raw.writes - before, ends.raw.closed, ends.tls.is_closing()) == (writes, "closed", True)
    ends.run()
    assert (ends.got, ends.peer.ended) == (b"r" * size, True)


@pytest.mark.parametrize("size", [1, 16384, 16385, 300_000])
def test_bytes_of_any_size_pass_whole(size: int) -> None:
    ends = Ends().shake()
    ends.peer.write(b"q" * size)
    ends.tls.write(memoryview(b"r" * size))
    ends.run()
    assert ends.plain.events == [b"q" * size]
    assert ends.got == b"r" * size


def test_the_peer_is_shown_what_was_loaded_and_nothing_that_the_trusted_certificates_would_add() -> None:
    trust = ValidationPlan(trusted_ca=authority().cert.encode())
    plan = TlsPlan((CertificatePlan(SERVER.cert.encode(), SERVER.key.encode()),), trust)
    ends = Ends(plan=plan).shake()
    assert len(ends.peer.object._sslobj.get_unverified_chain()) == 1  # type: ignore[attr-defined]


def test_a_handshake_that_comes_byte_by_byte_is_the_same() -> None:
    ends = Ends()
    ends.peer.start()
    for _ in range(2):
        for byte in bytes(ends.to_server):
            ends.raw.protocol.data_received(bytes([byte]))
        ends.to_server.clear()
        ends.peer.receive(bytes(ends.raw.corked))
        ends.raw.corked.clear()
    assert ends.tls.opened == 1


def test_what_is_written_before_the_handshake_waits_for_it() -> None:
    ends = Ends()
    ends.tls.write(b"early ")
    ends.tls.writelines([b"b", b"ird"])
    assert ends.tls.get_write_buffer_size() == 10
    ends.shake()
    assert ends.got == b"early bird"
    assert ends.tls.get_write_buffer_size() == 0


def test_bytes_right_behind_the_handshake_are_not_lost() -> None:
    ends = Ends()
    ends.peer.write(b"at once")
    ends.shake()
    assert ends.plain.events == [b"at once"]


def test_close_notify_is_the_peers_end_and_ours_can_still_speak() -> None:
    ends = Ends().shake()
    ends.peer.write(b"question")
    ends.peer.say_goodbye()
    ends.run()
    ends.tls.write(b"late answer")
    ends.run()
    assert ends.plain.events == [b"question", "end"]
    assert ends.got == b"late answer"
    assert not ends.raw.closed


def test_a_protocol_that_does_not_stay_ends_with_the_peer() -> None:
    ends = Ends().shake()
    ends.plain.keeps_open = False
    ends.peer.say_goodbye()
    ends.run()
    assert ends.raw.closed == "closed"
    assert ends.peer.ended


def test_an_end_without_close_notify_is_an_end_and_is_told_once() -> None:
    ends = Ends().shake()
    assert ends.tls.eof_received()
    assert ends.tls.eof_received()
    assert ends.plain.events == ["end"]


def test_our_end_is_a_close_notify_alone_and_bytes_still_come() -> None:
    ends = Ends().shake()
    ends.tls.write(b"last words")
    ends.tls.write_eof()
    ends.run()
    assert (ends.got, ends.peer.ended, ends.raw.closed) == (b"last words", True, "")
    ends.peer.write(b"and mine")
    ends.run()
    assert ends.plain.events == [b"and mine"]
    ends.tls.write(b"too late")
    assert not ends.raw.corked


def test_an_end_before_the_handshake_is_sent_behind_it() -> None:
    ends = Ends()
    ends.tls.write(b"all there is")
    ends.tls.write_eof()
    ends.shake()
    assert (ends.got, ends.peer.ended) == (b"all there is", True)


def test_closing_says_goodbye() -> None:
    ends = Ends().shake()
    ends.tls.close()
    ends.tls.close()
    ends.run()
    assert (ends.peer.ended, ends.raw.closed, ends.tls.is_closing()) == (True, "closed", True)


def test_aborting_says_goodbye_unless_bytes_are_in_the_way() -> None:
    ends = Ends().shake()
    ends.tls.abort()
    assert ends.raw.closed == "closed"
    stuck = Ends().shake()
    stuck.raw.unsent = 5
    stuck.tls.abort()
    assert stuck.raw.closed == "aborted"


def test_closing_before_the_handshake_drops_what_waits() -> None:
    ends = Ends()
    ends.tls.write(b"unheard")
    ends.tls.close()
    assert ends.raw.closed == "closed"
    assert not ends.raw.corked


def test_garbage_breaks_the_connection_with_a_reason() -> None:
    ends = Ends()
    ends.raw.protocol.data_received(b"GET / HTTP/1.1\r\n\r\n")
    text = "TLS_error:|268435612:SSL_routines:OPENSSL_internal:HTTP_REQUEST:TLS_error_end"
    assert (ends.tls.failed, ends.raw.closed, ends.tls.opened) == ([text], "closed", 0)
    assert ends.store.root.counter("listener.l.ssl.connection_error").value == 1


def test_a_client_that_leaves_in_the_handshake_is_no_tls_error() -> None:
    ends = Ends()
    assert ends.tls.eof_received()
    assert (ends.tls.failed, ends.raw.closed) == ([""], "closed")
    assert ends.store.root.counter("listener.l.ssl.connection_error").value == 0


def test_a_broken_record_ends_an_open_connection() -> None:
    ends = Ends().shake()
    ends.raw.protocol.data_received(b"\x17\x03\x03\x00\x20" + b"x" * 32)
    assert ends.raw.closed == "closed"
    assert "BAD_RECORD_MAC" in ends.tls.failed[0]


def test_reading_pauses_only_when_the_handshake_is_done() -> None:
    ends = Ends()
    ends.tls.pause_reading()
    assert not ends.raw.paused
    ends.shake()
    assert ends.raw.paused
    ends.tls.resume_reading()
    assert not ends.raw.paused


def test_marks_and_socket_are_the_raw_transports() -> None:
    ends = Ends().shake()
    ends.tls.set_write_buffer_limits(high=10, low=5)
    ends.tls.pause_writing()
    ends.tls.resume_writing()
    ends.tls.connection_lost(None)
    assert ends.raw.limits == (10, 5)
    assert ends.tls.get_write_buffer_limits() == (1, 2)
    assert ends.tls.get_extra_info("peername") == ("1.2.3.4", 5)
    assert ends.tls.can_write_eof()
    assert ends.plain.events == ["pause", "resume", "lost"]


def test_a_connection_that_is_gone_is_no_garbage_for_the_collector() -> None:
    ends = Ends().shake()
    gone = weakref.ref(ends.plain)
    ends.tls.connection_lost(None)
    gc.disable()
    try:
        ends.plain = Plain()
        assert gone() is None
    finally:
        gc.enable()


def test_bytes_go_to_the_protocol_that_was_set_last() -> None:
    ends, other = Ends().shake(), Plain()
    ends.tls.set_protocol(other)
    ends.peer.write(b"for the other")
    ends.run()
    assert ends.tls.get_protocol() is other
    assert other.events == [b"for the other"]


def test_a_client_without_a_certificate_does_not_pass() -> None:
    trust = ValidationPlan(trusted_ca=authority().cert.encode())
    certificates = (CertificatePlan(SERVER.cert.encode(), SERVER.key.encode()),)
    plan = TlsPlan(certificates, trust, require_certificate=True)
    bare = Ends(Tls(maximum=ssl.TLSVersion.TLSv1_2), plan).shake()
    assert bare.tls.opened == 0
    assert bare.store.root.counter("listener.l.ssl.fail_verify_no_cert").value == 1
    assert Ends(Tls(certificate=CLIENT), plan).shake().tls.opened == 1
