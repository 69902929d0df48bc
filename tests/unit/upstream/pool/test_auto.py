"""The pool whose connections find out what they speak: what becomes of requests that wait when it is known."""

import pytest

from pyvoy.config.problems import ConfigErrors
from pyvoy.observe.tls_info import TlsInfo
from pyvoy.upstream.pool.auto import UnknownConnection
from tests.support import h2wire as h2
from tests.support.h2wire import data, head, settings
from tests.support.relay import Relay, answer, get

OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
TYPED = f"{OPTIONS}: {{'@type': type.googleapis.com/{OPTIONS}, auto_config: {{}}}}"
SOCKET = f"transport_socket: {{name: tls, typed_config: {{'@type': {TLS}}}}}"


@pytest.fixture
def agreed(monkeypatch):
    """What TLS agrees on with every host; the bytes are plain."""
    chosen = TlsInfo()
    chosen.alpn = "h2"

    def protocol(connection, _):
        connection.tls = chosen
        return connection

    monkeypatch.setattr(UnknownConnection, "_protocol", protocol)
    return chosen


def start(more="alt_stat_name: up", socket=SOCKET, **options):
    return Relay(cluster=f"{{typed_extension_protocol_options: {{{TYPED}}}, {socket}, {more}}}", **options)


def ask(relay, *paths):
    """Requests on client connections of their own."""
    for path in paths or ("/",):
        relay.connect()
        relay.sends(get(path=path))


def reply(stream):
    return head(stream, fields=[(b":status", b"200")], end=False) + data(stream, b"ok")


def test_requests_share_a_connection_that_speaks_http2(agreed):
    relay = start()
    ask(relay, "/1", "/2", "/3")
    assert relay.connecting == 1
    upstream = relay.accept()
    assert sorted(h2.messages(upstream.wire.out, b":method")) == [1, 3, 5]
    upstream.sends(settings() + reply(5))
    assert relay.response.body == b"ok"
    ask(relay)
    assert (relay.connecting, 7 in h2.messages(upstream.wire.out, b":method")) == (0, True)
    assert relay.counts("cx_total cx_http2_total cx_http1_total") == {
        "cx_total": 2,  # as in Envoy: once made, once known
        "cx_http2_total": 1,
        "cx_http1_total": 0,
    }
    assert relay.level("upstream_cx_active") == 1


@pytest.mark.parametrize("alpn", ["http/1.1", ""])
def test_http1_takes_one_request_and_the_others_get_connections(agreed, alpn):
    agreed.alpn = alpn
    relay = start()
    ask(relay, "/1", "/2", "/3")
    upstream = relay.accept()
    assert (upstream.heads, relay.connecting) == (1, 2)
    upstream.sends(answer())
    assert (upstream.heads, relay.level("upstream_rq_pending_active")) == (2, 1)
    relay.accept()
    upstream.sends(answer())
    ask(relay)
    assert (upstream.heads, relay.count("upstream_cx_http1_total")) == (3, 2)


def test_a_connection_that_fails_fails_all_who_wait(agreed):
    relay = start()
    ask(relay, "/1", "/2")
    relay.refuse()
    assert relay.response.status == 503
    assert (relay.count("upstream_rq_pending_failure_eject"), relay.level("upstream_rq_pending_active")) == (2, 0)
    ask(relay)
    assert relay.connecting == 1


def test_a_lost_connection_is_replaced_for_those_who_wait(agreed):
    agreed.alpn = "http/1.1"
    relay = start(more="circuit_breakers: {thresholds: [{max_connections: 1}]}")
    ask(relay, "/1", "/2")
    upstream = relay.accept()
    assert (relay.connecting, relay.count("upstream_cx_overflow")) == (0, 2)
    upstream.ends()
    assert relay.connecting == 1
    assert relay.accept().heads == 1


def test_a_waiting_request_that_is_given_up_leaves_the_queue(agreed):
    relay = start(route="timeout: 1s")
    ask(relay)
    relay.wait(1.1)
    assert relay.response.status == 504
    assert (relay.level("upstream_rq_pending_active"), relay.count("upstream_rq_cancelled")) == (0, 1)


def test_the_short_ways_are_not_taken(agreed):
    agreed.alpn = "http/1.1"
    relay = start(plain="yes")
    for number in range(3):
        ask(relay)
        upstream = relay.upstreams[0] if number else relay.accept()
        upstream.sends(answer())
        assert relay.response.status == 200
    assert (len(relay.upstreams), relay.count("upstream_rq_200")) == (1, 3)


def test_every_host_has_to_be_spoken_to_by_tls():
    with pytest.raises(ConfigErrors, match="ALPN configured for cluster up which has a non-ALPN transport socket"):
        start("transport_socket_matches: [{name: plain, match: {}}]")


def test_a_host_that_leaves_lets_its_connections_run_dry(agreed):
    relay = start()
    ask(relay)
    upstream = relay.accept()
    host = next(iter(relay.fakes.services.clusters.get("up").hosts()))
    host.drain_pools()
    assert not upstream.closed
    upstream.sends(settings() + reply(1))
    assert relay.response.status == 200
    assert upstream.closed
