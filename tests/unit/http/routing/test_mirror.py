"""Copies of requests: their head, their body while there is no connection, and when they are given up."""

from types import SimpleNamespace

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.mirror import MirrorPolicy, Shadow, shadow_host
from pyvoy.stats.store import memory_store
from pyvoy.testing.fakes import FakeServices
from tests.unit.upstream.hosts import cluster, endpoint, static


class Codec:
    stream_id = 1

    def __init__(self):
        self.log = []

    def send_headers(self, stream_id, headers, end):
        self.log.append("head" + ("|" if end else ""))

    def send_data(self, stream_id, data, end):
        self.log.append(data.decode() + ("|" if end else ""))

    def send_trailers(self, stream_id, trailers):
        self.log.append("trailers|")


def shadow(*, limit_bytes=10, end=False):
    """A copy that has asked for a connection, and the cluster it goes to."""
    found = cluster(static(endpoint(1), per_connection_buffer_limit_bytes=limit_bytes))
    return Shadow(FakeServices().services, found, HeaderMap(), None, end), found


def connected(made):
    codec = Codec()
    made.on_pool_ready(SimpleNamespace(codec=codec, request=made, cancel=lambda: codec.log.append("cancel")))
    return codec


@pytest.mark.parametrize(
    ("authority", "wanted"),
    [
        (b"a.test", b"a.test-shadow"),
        (b"a.test:80", b"a.test-shadow:80"),
        (b"[::1]:80", b"[::1]-shadow:80"),
        (b"[::1]", b"[::1]-shadow"),
    ],
)
def test_the_host_says_that_it_is_a_copy(authority, wanted):
    assert shadow_host(authority) == wanted


def test_the_body_waits_for_the_connection():
    made, _ = shadow()
    made.send_data(b"a", False)
    made.send_data(b"b", False)
    codec = connected(made)
    made.send_data(b"c", False)
    made.send_trailers(HeaderMap())
    assert codec.log == ["head", "ab", "c", "trailers|"]


def test_a_whole_request_goes_out_as_one():
    made, _ = shadow(end=True)
    assert connected(made).log == ["head|"]


def test_a_cluster_that_cannot_follow_loses_the_copy():
    made, found = shadow()
    made.send_data(b"x" * 11, False)
    assert made.done
    assert found.stats.retry_or_shadow_abandoned.value == 1


def test_so_does_one_that_reads_too_slowly():
    made, _ = shadow()
    codec = connected(made)
    made.on_high_watermark()
    made.send_data(b"x" * 8, False)
    made.on_low_watermark()
    made.send_data(b"y" * 8, False)
    assert not made.done
    made.on_high_watermark()
    made.send_data(b"z" * 11, False)
    assert codec.log[-1] == "cancel"


@pytest.mark.parametrize(("end", "given_up"), [(False, True), (True, False)])
def test_only_a_request_that_is_not_whole_takes_its_copy_along(end, given_up):
    made, _ = shadow(end=end)
    connected(made)
    made.abandon()
    assert made.done is given_up


def test_no_copy_without_a_cluster_or_by_chance():
    services = FakeServices().services
    counter = memory_store().root.counter("rq_total")
    for name, header, chosen in ((None, b"x-where", True), ("unknown", None, True), (None, b"x-not", True)):
        policy = MirrorPolicy(name, header, lambda chosen=chosen: chosen, None, True, b"10.0.0.1", counter)
        assert policy.begin(services, HeaderMap([(b"x-where", b"nowhere")]), 1.0, True) is None
    assert counter.value == 0
