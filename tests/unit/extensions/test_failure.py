"""What a failure of an extension leads to."""

import logging

import pytest

from pyvoy.extensions.failure import FailurePolicy, Failures
from pyvoy.network.network_filter import CloseType
from pyvoy.stats.store import memory_store

LOG = logging.getLogger("pyvoy.test")


class Peer:
    """A stream and a connection: what is done to them."""

    def __init__(self):
        self.done = None

    def send_local_reply(self, status, body, *, details):
        self.done = (status, body, details)

    def close(self, kind, details):
        self.done = (kind, details)


class Scene:
    def __init__(self, policy, **more):
        self.scope = memory_store().root.scope("x")
        self.now = 100.0
        self.reloaded = 0
        self.failures = Failures(
            "my filter", policy, self.scope, LOG, reload=self._reload, clock=lambda: self.now, **more
        )

    def _reload(self):
        self.reloaded += 1

    def count(self, name):
        return self.scope.counter(name).value


def error(text="broken"):
    try:
        raise ValueError(text)
    except ValueError as caught:
        return caught


def test_fail_closed():
    scene, peer = Scene(FailurePolicy.CLOSED), Peer()
    assert not scene.failures.end_stream(peer, error())
    assert peer.done == (500, b"", "extension_failed{my_filter}")
    assert not scene.failures.end_connection(peer, error())
    assert peer.done == (CloseType.NO_FLUSH, "extension_failed{my_filter}")
    assert (scene.count("errors"), scene.reloaded) == (2, 0)


def test_fail_open():
    scene, peer = Scene(FailurePolicy.OPEN), Peer()
    assert scene.failures.end_stream(peer, error())
    assert scene.failures.end_connection(peer, error())
    assert peer.done is None
    assert (scene.count("errors"), scene.count("failed_open")) == (2, 2)


def test_reload_has_a_gap():
    scene, peer = Scene(FailurePolicy.RELOAD), Peer()
    for _ in range(3):
        assert not scene.failures.end_stream(peer, error())
    assert scene.reloaded == scene.count("reloads") == 1
    scene.now += 1.0
    scene.failures.end_connection(peer, error())
    assert scene.reloaded == 2


def test_development_tells_the_client():
    scene, peer = Scene(FailurePolicy.CLOSED, development=True), Peer()
    scene.failures.end_stream(peer, error("broken ä"))
    assert peer.done[1].startswith(b"Traceback")
    assert "broken ä" in peer.done[1].decode()


def test_each_distinct_error_is_logged_once(caplog):
    scene = Scene(FailurePolicy.CLOSED)
    with caplog.at_level(logging.INFO, "pyvoy.test"):
        for n in range(3):
            scene.failures.note(error(str(n)))
        scene.failures.note(KeyError("other"))
        scene.failures.note(KeyError("other"))
        scene.failures.note(KeyError("third"))
    assert [record.getMessage().partition(" (")[0] for record in caplog.records] == ["my filter failed"] * 3
    assert scene.count("errors") == 6


def test_the_memory_of_errors_is_bounded(caplog):
    scene = Scene(FailurePolicy.CLOSED)
    with caplog.at_level(logging.INFO, "pyvoy.test"):
        for n in range(600):
            scene.failures.note(KeyError(n))
    assert len(scene.failures._seen) <= 256


@pytest.mark.parametrize("problem", [ValueError("x"), SystemExit(1)])
def test_a_reload_that_fails_is_counted(problem, caplog):
    scene = Scene(FailurePolicy.RELOAD)

    def fail():
        raise problem

    scene.failures.reload = fail
    scene.failures.end_stream(Peer(), error())
    assert scene.count("reload_failures") == 1
    assert "cannot be loaded anew" in caplog.text
