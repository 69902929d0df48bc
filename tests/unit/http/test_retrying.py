"""The retries of one request: decisions are counted and flagged, the body is kept, back-offs end."""

from types import SimpleNamespace

import pytest

from pyvoy.http.charging import Charging
from pyvoy.http.headers import HeaderMap
from pyvoy.http.retrying import Retrying
from pyvoy.http.routing.retry import RetryOn, RetryPlan, RetryState
from pyvoy.observe.details import Flag, Reset
from pyvoy.testing.fakes import FakeServices
from pyvoy.upstream.cluster_stats import ClusterStats


class Resource:
    """A retry breaker."""

    def __init__(self, *, full=False):
        self.count = 0
        self.full = full

    def can_create(self):
        return not self.full

    def inc(self):
        self.count += 1

    def dec(self):
        self.count -= 1


class Scene:
    """A request that may be tried again on 5xx."""

    def __init__(self, *, retries=1, full=False, limit_bytes=10):
        self.fakes = FakeServices()
        self.resource = Resource(full=full)
        self.again = 0
        info = SimpleNamespace(response_flags=0)
        self.stream = SimpleNamespace(
            services=self.fakes.services, info=info, finished=False, request_buffer_limit_bytes=limit_bytes
        )
        stats = ClusterStats(self.fakes.scope.scope("cluster.up"))
        state = RetryState(RetryPlan(retry_on=RetryOn.FIVE_XX, num_retries=retries), HeaderMap(), self.resource)
        self.retrying = Retrying(self.stream, state, Charging(self.stream, stats), self._try)

    def _try(self):
        self.again += 1

    def count(self, name):
        return self.fakes.counter("cluster.up.upstream_rq_retry" + name)

    def answer(self, status):
        return self.retrying.after_headers(status, HeaderMap())


def test_a_retry_comes_after_its_back_off():
    scene = Scene()
    assert scene.answer(503)
    assert (scene.retrying.waiting, scene.again, scene.resource.count) == (True, 0, 1)
    scene.fakes.loop.advance(0.1)
    assert (scene.retrying.waiting, scene.again) == (False, 1)
    assert not scene.answer(200)
    assert (scene.count(""), scene.count("_success"), scene.count("_backoff_exponential")) == (1, 1, 1)
    assert scene.resource.count == 0


@pytest.mark.parametrize(
    ("options", "counted", "flag"),
    [
        ({"retries": 0}, "_limit_exceeded", Flag.UPSTREAM_RETRY_LIMIT_EXCEEDED),
        ({"full": True}, "_overflow", Flag.UPSTREAM_OVERFLOW),
    ],
)
def test_what_keeps_a_retry_from_happening_is_counted_and_flagged(options, counted, flag):
    scene = Scene(**options)
    assert not scene.answer(500)
    assert (scene.count(counted), scene.stream.info.response_flags) == (1, flag)
    assert not scene.retrying.waiting


def test_an_answer_that_is_no_failure_is_no_matter():
    scene = Scene()
    assert not scene.answer(404)
    assert (scene.count(""), scene.count("_success"), scene.stream.info.response_flags) == (0, 0, 0)


def test_a_reset_is_tried_again():
    scene = Scene()
    assert scene.retrying.after_reset(Reset.CONNECTION_TERMINATION, started=True)
    assert scene.retrying.waiting


def test_the_body_is_kept_up_to_its_limit():
    scene = Scene(limit_bytes=5)
    assert scene.retrying.keep(b"abc")
    assert scene.retrying.keep(b"de")
    assert scene.retrying.body == b"abcde"
    assert not scene.retrying.keep(b"f")


def test_stopping_ends_the_back_off_and_gives_the_place_back():
    scene = Scene()
    scene.answer(503)
    scene.retrying.stop()
    scene.retrying.stop()
    scene.fakes.loop.advance(10)
    assert (scene.again, scene.resource.count, scene.retrying.waiting) == (0, 0, False)


def test_a_finished_stream_is_not_tried_again():
    scene = Scene()
    scene.answer(503)
    scene.stream.finished = True
    scene.fakes.loop.advance(10)
    assert scene.again == 0
