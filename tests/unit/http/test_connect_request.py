"""A CONNECT's attempts: the tunnel to a TCP host, and what waits for an upstream's 2xx."""

from types import SimpleNamespace

import pytest

from pyvoy.http import connect_request
from pyvoy.http.connect_request import ConnectRequest, ForwardedConnect
from pyvoy.http.headers import HeaderMap
from pyvoy.observe.details import Reset
from pyvoy.observe.stream_info import StreamInfo
from pyvoy.stats.store import memory_store
from pyvoy.upstream.cluster_stats import ClusterStats


class Owner:
    """The router's side; `events` has what it was told."""

    def __init__(self):
        self.events = []
        plan = SimpleNamespace(meters=False)
        self.stream = SimpleNamespace(
            info=StreamInfo(),
            active_s=1.0,
            services=SimpleNamespace(clock=lambda: 1.0),
            request_buffer_limit_bytes=10,
            pause_request=lambda pause: self.events.append("pause" if pause else "resume"),
            request_headers=HeaderMap([(b":method", b"CONNECT")]),
            manager=SimpleNamespace(codec=None, feeding=False, plan=plan),
        )

    def upstream_headers(self, attempt, headers, end):
        self.events.append(headers.map[b":status"].decode())

    def upstream_data(self, attempt, data, end):
        self.events.append(data.decode() + ("|" if end else ""))

    def upstream_reset(self, attempt, reason, detail):
        self.events.append(reason)


class Upstream:
    """A TCP connection as the attempt uses it."""

    local = None
    connection_id = 7

    def __init__(self):
        self.log = []
        self.cluster = SimpleNamespace(stats=ClusterStats(memory_store().root))

    def write(self, data):
        self.log.append(data.decode())

    def __getattr__(self, name):
        return lambda *args: self.log.append(name)


@pytest.fixture
def upstream(monkeypatch):
    made = Upstream()
    monkeypatch.setattr(connect_request, "open_tcp", lambda *args: made)
    return made


def started(owner, *, end=False):
    attempt = ConnectRequest(owner, None, SimpleNamespace(services=None, cluster=None), end)
    attempt.start()
    return attempt


def test_the_connection_opens_the_tunnel(upstream):
    owner = Owner()
    attempt = started(owner)
    attempt.send_data(b"early", False)
    attempt.on_upstream_connected(upstream)
    attempt.send_data(b"late", True)
    attempt._receive(b"answer")
    assert owner.events == ["200", "answer"]
    assert upstream.log == ["early", "late", "end"]


def test_either_side_may_end_first(upstream):
    owner = Owner()
    attempt = started(owner)
    attempt.on_upstream_connected(upstream)
    attempt.on_upstream_end()
    assert owner.events == ["200", "|"]
    attempt.cancel()
    assert upstream.log == ["drop"]


@pytest.mark.parametrize(
    ("detail", "reason"),
    [("delayed_connect_error:_x", Reset.REMOTE_CONNECTION_FAILURE), ("", Reset.CONNECTION_TIMEOUT)],
)
def test_no_connection(upstream, detail, reason):
    owner = Owner()
    started(owner).on_upstream_failed(detail)
    assert owner.events == [reason]


def test_a_connection_that_breaks_resets_the_stream(upstream):
    owner = Owner()
    attempt = started(owner)
    attempt.on_upstream_connected(upstream)
    attempt.on_upstream_closed(reset=True)
    assert owner.events == ["200", Reset.CONNECTION_TERMINATION]


def test_too_many_waiting(monkeypatch):
    monkeypatch.setattr(connect_request, "open_tcp", lambda *args: None)
    owner = Owner()
    started(owner)
    assert owner.events == [Reset.OVERFLOW]


def test_a_client_that_leaves_before_the_connection(upstream):
    started(Owner()).cancel()
    assert upstream.log == ["cancel"]


def test_a_slow_host_pauses_the_client(upstream):
    owner = Owner()
    attempt = started(owner)
    attempt.send_data(b"x" * 11, False)
    attempt.on_upstream_connected(upstream)
    attempt.on_upstream_watermark(True)
    attempt.on_upstream_watermark(False)
    attempt.pause_response(True)
    assert owner.events == ["pause", "200", "resume", "pause", "resume"]
    assert upstream.log[-1] == "pause_reading"


class Codec:
    stream_id = 1
    protocol = "HTTP/1.1"

    def __init__(self):
        self.log = []

    def send_headers(self, stream_id, headers, end):
        self.log.append("head")

    def send_data(self, stream_id, data, end):
        self.log.append(data.decode() + ("|" if end else ""))


@pytest.mark.parametrize(("status", "sent"), [(b"200", ["head", "early", "late|"]), (b"403", ["head"])])
def test_a_forwarded_tunnel_waits_for_the_upstream(status, sent):
    owner, codec = Owner(), Codec()
    attempt = ForwardedConnect(owner, None, None, False)
    attempt.send_data(b"early", False)
    attempt.on_pool_ready(SimpleNamespace(codec=codec, local=None, tls=None, connection_id=1))
    assert codec.log == ["head"]
    attempt.on_headers(HeaderMap([(b":status", status)]), False)
    attempt.send_data(b"late", True)
    assert codec.log == sent
