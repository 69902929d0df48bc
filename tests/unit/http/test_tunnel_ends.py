"""The ends of a tunnel reach the other side: of a WebSocket over HTTP/1, and of one that came over HTTP/2."""

from tests.support import h2wire as h2
from tests.support.h2wire import GET, data, head, opening, window
from tests.support.relay import Relay, get

HCM = "{upgrade_configs: [{upgrade_type: websocket}], http2_protocol_options: {allow_connect: true}}"
UPGRADE = ("Connection: Upgrade", "Upgrade: websocket")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
CONNECT = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]]


def test_the_upstreams_end_reaches_an_http1_client_at_once():
    relay = Relay(hcm=HCM).sends(get(*UPGRADE))
    upstream = relay.accept()
    upstream.sends(SWITCHED + b"bye")
    assert "write_eof" not in relay.wire.events
    upstream.ends()
    assert relay.wire.out.endswith(b"bye")
    assert relay.wire.events[-1] == "write_eof"
    assert not relay.wire.closed, "the client may still be sending"
    relay.leaves()


def test_an_answer_that_is_no_tunnel_ends_as_ever():
    relay = Relay(hcm=HCM).sends(get(*UPGRADE))
    upstream = relay.accept()
    upstream.sends(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
    assert "write_eof" not in relay.wire.events
    relay.leaves()


def test_the_end_of_an_http2_clients_stream_half_closes_the_upstream():
    relay = Relay(hcm=HCM).sends(opening() + head(1, fields=CONNECT, end=False))
    upstream = relay.accept()
    upstream.sends(SWITCHED)
    relay.sends(data(1, b"last", end=True))
    assert upstream.wire.out.endswith(b"last")
    assert upstream.wire.events[-1] == "write_eof"
    relay.leaves()


def test_what_an_upstream_said_last_waits_for_an_http2_clients_window():
    relay = Relay(hcm=HCM).sends(opening((4, 3)) + head(1, fields=CONNECT, end=False))
    upstream = relay.accept()
    upstream.sends(SWITCHED + b"goodbye")
    upstream.ends()
    assert h2.messages(relay.wire.out, b":status")[1][0].body == b"goo"
    relay.sends(window(1, 100))
    (message,) = h2.messages(relay.wire.out, b":status")[1]
    assert (message.body, message.framing) == (b"goodbye", "reset 10")
    relay.leaves()
