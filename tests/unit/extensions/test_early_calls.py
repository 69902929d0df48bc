"""Calls that are made while the configuration is built: they wait for the clusters, and for a host."""

import asyncio

import pytest

from pyvoy.config.context import Environment
from pyvoy.config.problems import Problems
from pyvoy.extensions.early_calls import PATIENCE_S, EarlyCaller
from pyvoy.extensions.http_call import DEFAULT_OPTIONS, CallRefused, UnknownCluster
from pyvoy.http.headers import HeaderMap
from tests.support.relay import Relay, answer


class Scene:
    """A caller whose clusters come into force when the test says so."""

    def __init__(self, *, tried=False, **relay):
        self.relay = Relay(**relay)
        fakes = self.relay.fakes
        self.environment = Environment(Problems(), fakes.scope, fakes.arena)
        self.environment.clusters = {"up"}
        self.environment.services = None if tried else fakes.services
        self.there = fakes.services.clusters
        fakes.services.clusters = {}
        self.caller = EarlyCaller(self.environment)
        self.results = []

    def call(self, *pairs, cluster="up"):
        headers = HeaderMap([(b":method", b"GET"), (b":path", b"/"), (b":authority", b"a"), *pairs])
        return self.caller.call(cluster, headers, b"", None, DEFAULT_OPTIONS, self.results.append)

    def come_into_force(self):
        self.relay.fakes.services.clusters = self.there
        for warm in self.environment.warming:
            asyncio.run(warm())
        self.relay.settle()


class Events:
    """What a stream is told."""

    def __init__(self):
        self.status = b""

    def on_headers(self, headers, end):
        self.status = headers.map[b":status"]

    def __getattr__(self, name):
        return lambda *_: None


def test_a_call_waits_for_the_clusters():
    scene = Scene()
    call = scene.call()
    scene.relay.settle()
    assert (call.done, scene.relay.connecting, scene.results) == (False, 0, [])
    scene.come_into_force()
    scene.relay.accept().sends(answer(200, body=b"late"))
    assert scene.results[0].body == b"late"


def test_behind_that_calls_are_made_at_once():
    scene = Scene()
    scene.come_into_force()
    scene.call()
    scene.relay.settle()
    scene.relay.accept().sends(answer(204, body=b""))
    assert scene.results[0].status == 204
    assert not scene.environment.warming


def test_a_stream_keeps_what_it_is_sent():
    scene = Scene()
    events = Events()
    headers = HeaderMap([(b":method", b"POST"), (b":path", b"/"), (b":authority", b"a"), (b"content-length", b"5")])
    stream = scene.caller.stream("up", headers, DEFAULT_OPTIONS, events)
    stream.send_data(b"he", False)
    stream.pause(False)
    assert not stream.full
    scene.come_into_force()
    stream.send_data(b"llo", True)
    upstream = scene.relay.accept()
    assert upstream.wire.out.endswith(b"hello")
    upstream.sends(answer(201))
    assert events.status == b"201"


def test_a_call_that_is_given_up_before_it_begins():
    scene = Scene()
    scene.call().cancel()
    scene.come_into_force()
    assert (scene.relay.connecting, scene.results) == (0, [])


def test_a_configuration_that_does_not_come_into_force():
    scene = Scene()
    call = scene.call()
    for retire in scene.environment.retire:
        retire()
    assert call.done


def test_a_cluster_that_has_no_host_yet_is_waited_for_but_not_for_ever():
    scene = Scene(hosts="0")
    scene.call()
    scene.come_into_force()
    assert scene.results == []
    scene.relay.wait(PATIENCE_S + 1)
    scene.relay.settle()
    assert scene.results[0].body == b"no healthy upstream"


def test_where_a_configuration_is_only_tried_nothing_is_sent():
    scene = Scene(tried=True)
    assert not scene.call().done
    assert not scene.environment.warming


def test_what_is_refused_is_refused_at_once():
    scene = Scene()
    with pytest.raises(UnknownCluster):
        scene.call(cluster="nobody")
    with pytest.raises(CallRefused):
        scene.call((b"x y", b"1"))
