"""A connection to an upstream: how it comes about, fails, and what is counted of its life."""

import pytest

from pyvoy.network.address import Address
from pyvoy.observe.details import Reset
from pyvoy.testing.fakes import FakeServices
from pyvoy.upstream.cluster import Cluster
from pyvoy.upstream.pool.connection import UpstreamConnection
from tests.support.relay import Wire
from tests.unit.upstream.hosts import endpoint, static


class Connection(UpstreamConnection):
    """Notes what happens to it."""

    in_use = False

    def __init__(self, services, cluster):
        super().__init__(services, cluster, next(cluster.hosts()), cluster.resources())
        self.events = []

    @property
    def busy(self):
        return self.in_use

    def on_connected(self):
        self.events.append("connected")

    def on_connect_failed(self, reason, detail):
        self.events.append((reason, detail))

    def on_closed(self, exc):
        self.events.append("closed")


class Scene:
    """One connection that is being made; `error` is what the system says instead."""

    def __init__(self, *, error=None, hang=False, **plan):
        self.fakes = FakeServices()
        self.asked = []

        async def connect(factory, *where):
            self.asked.append(where)
            if hang:
                await self.fakes.loop.create_future()
            if error is not None:
                raise error
            factory().connection_made(self.wire)

        self.fakes.loop.create_connection = self.fakes.loop.create_unix_connection = connect
        self.wire = Wire()
        services = self.fakes.services
        self.cluster = Cluster(static(endpoint(1), **plan), self.fakes.scope, self.fakes.arena, services.random)
        self.connection = Connection(services, self.cluster)
        self.connection.connect()
        self.fakes.loop.settle()

    def counts(self, words):
        return {word: self.fakes.counter("cluster.c.upstream_cx_" + word) for word in words.split()}

    @property
    def active(self):
        return self.fakes.gauge("cluster.c.upstream_cx_active"), self.cluster.resources().connections.count


def test_a_connection_is_counted_while_it_lives():
    scene = Scene()
    assert (scene.connection.events, scene.active) == (["connected"], (1, 1))
    assert scene.connection.local.text == "127.0.0.1:1234"
    scene.connection.connection_lost(None)
    assert (scene.connection.events, scene.active) == (["connected", "closed"], (0, 0))
    assert scene.counts("total destroy destroy_remote destroy_local") == {
        "total": 1,
        "destroy": 1,
        "destroy_remote": 1,
        "destroy_local": 0,
    }


def test_a_refusal_has_the_system_s_words():
    scene = Scene(error=ConnectionRefusedError(111, "whatever"))
    assert scene.connection.events == [
        (Reset.REMOTE_CONNECTION_FAILURE, "delayed_connect_error:_Connection_refused"),
    ]
    assert scene.counts("connect_fail destroy_remote") == {"connect_fail": 1, "destroy_remote": 1}
    assert scene.active == (0, 0)


def test_connecting_has_a_limit():
    scene = Scene(hang=True, connect_timeout_s=2.0)
    scene.fakes.loop.advance(1.9)
    assert scene.connection.events == []
    scene.fakes.loop.advance(0.2)
    assert scene.connection.events == [(Reset.CONNECTION_TIMEOUT, "")]
    assert scene.counts("connect_timeout connect_fail destroy_local") == {
        "connect_timeout": 1,
        "connect_fail": 1,
        "destroy_local": 1,
    }
    assert not scene.fakes.services.tasks


def test_a_connection_that_comes_after_it_was_given_up_is_dropped():
    scene = Scene(hang=True)
    scene.connection.close()
    scene.connection.connection_made(scene.wire)
    assert scene.wire.events == ["abort"]
    assert scene.connection.events == []


@pytest.mark.parametrize("local", [True, False])
def test_an_end_under_a_request_is_counted(local):
    scene = Scene()
    scene.connection.in_use = True
    if local:
        scene.connection.close()
        scene.connection.close()
    else:
        scene.connection.connection_lost(ConnectionResetError())
    side = "local" if local else "remote"
    counts = scene.counts("destroy_with_active_rq destroy_local_with_active_rq destroy_remote_with_active_rq")
    assert counts == {
        "destroy_with_active_rq": 1,
        "destroy_local_with_active_rq": int(side == "local"),
        "destroy_remote_with_active_rq": int(side == "remote"),
    }


def test_what_is_written_is_counted_until_the_end():
    scene = Scene()
    scene.connection.write(b"abc")
    scene.connection.close()
    scene.connection.write(b"def")
    assert scene.wire.out == b"abc"
    assert scene.fakes.counter("cluster.c.upstream_cx_tx_bytes_total") == 3


@pytest.mark.parametrize(("path", "asked"), [("/tmp/x", "/tmp/x"), ("@x", b"\0x")])
def test_a_pipe_is_a_unix_socket(path, asked):
    scene = Scene(hang=True)
    host = scene.connection.host
    host.address = Address("", 0, path)
    Connection.connect(scene.connection)
    scene.fakes.loop.settle()
    assert scene.asked[-1] == (asked,)
