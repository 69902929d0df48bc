"""Tracing a request through its filters: what each saw, changed, decided and cost; and nothing of it when it is off."""

import asyncio

import pytest

from pyvoy.http.chain import ChainPlan, FilterSpec
from pyvoy.http.http_filter import CONTINUE, STOP_AND_BUFFER, HttpFilter
from pyvoy.http.traced_chain import PER_SECOND, traced
from pyvoy.observe.filter_trace import SAMPLE_BYTES, changes
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.playbook import Play, data, forwarded, headers, reply, response, response_data, sent, trailers
from pyvoy.testing.stage import Stage


class Change(HttpFilter):
    def request_headers(self, stream, fields, end):
        fields.set(b"x-new", b"1")
        fields.remove(b"x-old")
        return CONTINUE

    def request_trailers(self, stream, fields):
        fields.set(b"x-t", b"2")
        return CONTINUE

    def response_headers(self, stream, fields, end):
        fields.set(b"server", b"ours")
        return CONTINUE


class Buffer(HttpFilter):
    def request_data(self, stream, piece, end):
        if end:
            stream.replace_request_body(self, b"short")
            stream.replace_request_data(self, b"")
            return CONTINUE
        return STOP_AND_BUFFER


class Slow(HttpFilter):
    async def request_headers(self, stream, fields, end):
        await asyncio.sleep(0.5)
        fields.set(b"x-late", b"1")
        return CONTINUE


class Refuse(HttpFilter):
    def request_headers(self, stream, fields, end):
        stream.send_local_reply(403, b"no", details="refused")
        return CONTINUE


class Broken(HttpFilter):
    def request_headers(self, stream, fields, end):
        raise ValueError


class Scene:
    def __init__(self, *classes):
        self.traces = []
        fakes = FakeServices()
        specs = [one if isinstance(one, FilterSpec) else FilterSpec(one.__name__, one, None) for one in classes]
        stage = Stage(fakes, specs)
        stage.plan.chain = ChainPlan(traced(stage.plan.chain.specs, self.traces.append))
        stage.connect()
        self.play = Play(stage)

    @property
    def trace(self):
        (trace,) = self.traces
        return trace

    def changes(self, index, direction="request"):
        before, after = self.trace[direction][index : index + 2]
        return changes(before, after) if direction == "request" else changes(after, before)

    def did(self, index):
        return [step["did"] for step in self.trace["steps"] if step["filter"] == index]


TRACED = {"x_pyvoy_trace": "my id!"}


def test_what_a_filter_changes():
    scene = Scene(Change, Buffer)
    play = scene.play
    play >> headers("GET", "/a", x_old="0", **TRACED) << forwarded(x_pyvoy_trace=None, x_new="1")
    play >> response(200, server="theirs") << sent(200, server="ours")
    play >> response_data(b"body", end=True)
    trace = scene.trace
    assert (trace["id"], trace["status"], trace["details"]) == ("myid", 200, "via_upstream")
    assert [entry["name"] for entry in trace["filters"]][:2] == ["Change", "Buffer"]
    assert scene.changes(0) == ["- x-old: 0", "+ x-new: 1"]
    assert scene.changes(1) == []
    assert scene.changes(0, "response") == ["- server: theirs", "+ server: ours"]
    assert scene.did(0) == ["goes on", "goes on"]
    assert trace["response"][0]["body"] == "body"
    assert all(step["cost_us"] > 0 for step in trace["steps"])


def test_what_a_route_has_in_a_filters_place():
    scene = Scene(FilterSpec("Buffer", Buffer, None, in_place=lambda cls: cls))
    own = type("Plan", (), {"filter_class": Change})
    scene.play.stage.route.filter_plans = {"Buffer": (own(),)}
    scene.play >> headers(x_old="0", **TRACED) << forwarded(x_new="1") >> response(200, end=True)
    assert scene.changes(0) == ["- x-old: 0", "+ x-new: 1"]
    assert scene.did(0) == ["goes on", "goes on"]


def test_bodies_and_trailers():
    scene = Scene(Change, Buffer)
    play = scene.play
    play >> headers("POST", **TRACED) >> data(b"long ") >> data(b"body") >> trailers(x_t="1")
    play >> response(200, end=True)
    assert scene.changes(0) == ["+ x-new: 1", "- x-t: 1 (trailer)", "+ x-t: 2 (trailer)"]
    assert scene.did(1) == ["holds (STOP_AND_BUFFER)", "holds (STOP_AND_BUFFER)"]
    scene = Scene(Buffer)
    scene.play >> headers("POST", **TRACED) >> data(b"long body ") >> data(b"end", end=True) >> response(200, end=True)
    assert scene.changes(0) == ["~ body: 13 -> 5 bytes", "- long body end (body)", "+ short (body)"]


def test_a_filter_that_waits():
    scene = Scene(Slow)
    scene.play >> headers(**TRACED)
    scene.play.stage.advance(0.5)
    scene.play >> response(200, end=True)
    assert scene.changes(0) == ["+ x-late: 1"]
    assert scene.did(0) == ["goes on, with waiting"]
    assert scene.trace["steps"][0]["cost_us"] == pytest.approx(500_000, rel=0.01)
    assert scene.trace["request"][1]["at_us"] == pytest.approx(500_000, rel=0.01)


def test_a_filter_that_answers_and_one_that_fails():
    scene = Scene(Change, Refuse)
    scene.play >> headers(**TRACED) << reply(403)
    assert scene.did(1) == ["reply 403 refused"]
    assert scene.trace["request"][2] is None
    assert scene.changes(0, "response") == ["+ server: ours"]
    scene = Scene(Broken)
    scene.play >> headers(**TRACED) << reply(500)
    assert scene.did(0) == ["failed"]


def test_large_bodies_are_kept_in_part():
    scene = Scene(Change)
    scene.play >> headers("POST", **TRACED) >> data(b"x" * 10_000) >> data(b"y" * 10_000, end=True)
    scene.play >> response(200, end=True)
    assert scene.trace["request"][0]["body_bytes"] == 20_000
    assert len(scene.trace["request"][0]["body"]) == SAMPLE_BYTES


def test_requests_that_do_not_ask_leave_no_trace():
    scene = Scene(Change, Slow, Buffer)
    scene.play >> headers("POST") >> data(b"x", end=True)
    scene.play.stage.advance(1)
    scene.play >> response(200, end=True)
    assert scene.traces == []


def test_so_many_requests_of_a_second_are_traced_and_no_more():
    scene = Scene(Change)
    for _ in range(PER_SECOND + 10):
        scene.play >> headers("GET", "/a", **TRACED) << forwarded(x_pyvoy_trace=None)
        scene.play >> response(200, end=True)
    assert len(scene.traces) == PER_SECOND
    scene.play.stage.advance(1)
    scene.play >> headers(**TRACED) >> response(200, end=True)
    assert len(scene.traces) == PER_SECOND + 1


def test_a_client_that_vanishes_leaves_a_trace_too():
    scene = Scene(Slow)
    scene.play >> headers(**TRACED)
    scene.play.stage.client_reset()
    assert scene.trace["status"] == 0
