"""One attempt: what it sends when its connection comes, what it tells the router, and what it lets go."""

from types import SimpleNamespace

import pytest

from pyvoy.http.h1.heads import ResponseHead
from pyvoy.http.headers import HeaderMap
from pyvoy.http.upstream_request import UpstreamRequest
from pyvoy.observe.details import Reset
from pyvoy.testing.fakes import FakeServices
from tests.unit.upstream.hosts import host


class Codec:
    """Notes what is sent."""

    protocol = "HTTP/1.1"
    stream_id = 1
    corked = False

    def __init__(self):
        self.sent = []

    def send_headers(self, stream_id, headers, end):
        self.sent.append(("head", end))

    def send_data(self, stream_id, data, end):
        self.sent.append((data, end))

    def send_trailers(self, stream_id, trailers):
        self.sent.append(("trailers", True))


class Connection:
    """A pool's connection that carries the attempt."""

    local = None
    tls = None
    connection_id = 7
    closed = False
    downstream = None

    def __init__(self, request):
        self.codec = Codec()
        self.request = request
        self.events = []

    def cancel(self):
        self.events.append("cancel")

    def pause_reading(self, pause):
        self.events.append("pause" if pause else "resume")


class Owner:
    """The router's part; `told` is what it hears, `paused` what the client is asked."""

    def __init__(self, limit_bytes=10):
        self.fakes = FakeServices()
        self.told = []
        self.paused = []
        info = SimpleNamespace(upstream_host=None)
        plan = SimpleNamespace(meters=False)
        manager = SimpleNamespace(codec=object(), feeding=False, corked=[], plan=plan)
        self.stream = SimpleNamespace(
            services=self.fakes.services,
            info=info,
            manager=manager,
            request_headers=HeaderMap(),
            request_buffer_limit_bytes=limit_bytes,
            active_s=0.0,
            pause_request=self.paused.append,
        )

    def __getattr__(self, name):
        return lambda attempt, *what: self.told.append((name.removeprefix("upstream_"), *what))


class Pool:
    """Keeps what is asked of it."""

    def __init__(self):
        self.asked = []
        self.cancelled = []
        self.acquire = self.asked.append
        self.cancel_pending = self.cancelled.append


@pytest.fixture
def owner():
    return Owner()


def waiting(owner, *, end=False):
    attempt = UpstreamRequest(owner, host(1), Pool(), end)
    attempt.start()
    return attempt


def attached(owner, *, end=True):
    attempt = waiting(owner, end=end)
    attempt.on_pool_ready(Connection(attempt))
    return attempt, attempt.connection


def test_what_came_before_the_connection_is_sent_in_order(owner):
    attempt = waiting(owner)
    attempt.send_data(b"ab", False)
    attempt.send_data(b"cd", False)
    attempt.send_trailers(HeaderMap())
    connection = Connection(attempt)
    attempt.on_pool_ready(connection)
    assert connection.codec.sent == [("head", False), (b"abcd", False), ("trailers", True)]


def test_a_request_without_a_body_is_its_head(owner):
    assert attached(owner)[1].codec.sent == [("head", True)]


def test_too_much_for_the_buffer_stops_the_client_until_the_connection_comes(owner):
    attempt = waiting(owner)
    attempt.send_data(b"x" * 11, False)
    attempt.send_data(b"x", False)
    attempt.on_pool_ready(Connection(attempt))
    assert owner.paused == [True, False]


def test_an_attempt_that_fails_lets_the_client_go_on(owner):
    attempt = waiting(owner)
    attempt.send_data(b"x" * 11, False)
    attempt.on_pool_failure(Reset.REMOTE_CONNECTION_FAILURE, "why", attempt.host)
    assert owner.paused == [True, False]
    assert owner.told == [("reset", Reset.REMOTE_CONNECTION_FAILURE, "why")]
    assert owner.stream.info.upstream_host is attempt.host


def test_an_attempt_that_came_to_no_host_has_none(owner):
    attempt = waiting(owner)
    owner.stream.info.upstream_host = attempt.host
    attempt.on_pool_failure(Reset.OVERFLOW, "", None)
    assert owner.stream.info.upstream_host is None


def test_nothing_is_told_after_the_end(owner):
    attempt, _ = attached(owner)
    attempt.on_response(ResponseHead({b":status": b"200"}, 0, 0), b"")
    attempt.on_data(b"x", True)
    attempt.on_trailers(HeaderMap())
    attempt.on_informational(HeaderMap())
    attempt.on_reset(Reset.CONNECTION_TERMINATION, "")
    assert [what[0] for what in owner.told] == ["response"]


def test_a_slow_upstream_stops_the_client_once(owner):
    attempt, _ = attached(owner, end=False)
    attempt.on_high_watermark()
    attempt.on_high_watermark()
    attempt.on_low_watermark()
    attempt.on_low_watermark()
    assert owner.paused == [True, False]


def test_a_slow_client_stops_the_upstream_only_while_the_connection_is_ours(owner):
    attempt, connection = attached(owner)
    attempt.pause_response(True)
    attempt.pause_response(False)
    connection.request = object()
    attempt.pause_response(True)
    assert connection.events == ["pause", "resume"]


def test_giving_up_leaves_the_queue_or_ends_the_connection(owner):
    attempt = waiting(owner)
    attempt.cancel()
    assert attempt.pool.cancelled == [attempt]
    attempt, connection = attached(owner)
    attempt.cancel()
    attempt.cancel()
    assert connection.events == ["cancel"]


def test_giving_up_does_not_touch_a_connection_that_serves_another(owner):
    attempt, connection = attached(owner)
    connection.request = object()
    attempt.cancel()
    assert connection.events == []


def test_limits_end_with_the_attempt(owner):
    attempt, _ = attached(owner)
    attempt.limit(1.0, lambda one: owner.told.append(("limit", one)))
    attempt.idle_timeout_s = 0.5
    attempt.watch_silence()
    owner.fakes.loop.advance(0.4)
    attempt.on_headers(HeaderMap(), False)
    owner.fakes.loop.advance(0.4)
    attempt.on_data(b"x", False)
    assert [what[0] for what in owner.told] == ["headers", "data"]
    owner.fakes.loop.advance(0.6)
    assert [what[0] for what in owner.told[2:]] == ["limit", "idle"]
    attempt.limit(1.0, lambda one: owner.told.append(("limit", one)))
    attempt.on_data(b"", True)
    owner.fakes.loop.advance(9)
    assert [what[0] for what in owner.told[4:]] == ["data"]
