"""The filters' own time: what counts, what does not, which requests are timed, and that nothing else changes."""

import asyncio
import random
from copy import copy
from dataclasses import replace

import pytest

from pyvoy.api import Filter
from pyvoy.extensions.failure import FailurePolicy
from pyvoy.extensions.native.http import plan_of_class
from pyvoy.http.chain import ChainPlan, FilterSpec
from pyvoy.http.filter_timing import FilterTiming
from pyvoy.http.http_filter import CONTINUE, STOP, HttpFilter
from pyvoy.http.traced_chain import traced
from pyvoy.stats.bins import bounds
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.playbook import Play, data, headers, reply, response, response_data, sent, trailers
from pyvoy.testing.stage import Stage
from tests.unit.http.test_plain_exchange import CASES, CHAINS, run

SCOPE = "http.in.filter_time"


class Time:
    """Nanoseconds that pass when a filter says so."""

    now_ns = 0


def work(ns: int) -> None:
    Time.now_ns += ns


class Both(HttpFilter):
    """Takes 1, 10 and 100 for the request's events, 2, 20 and 200 for the response's."""

    def request_headers(self, stream, fields, end):
        work(1)
        return CONTINUE

    def request_data(self, stream, piece, end):
        work(10)
        return CONTINUE

    def request_trailers(self, stream, fields):
        work(100)
        return CONTINUE

    def response_headers(self, stream, fields, end):
        work(2)
        return CONTINUE

    def response_data(self, stream, piece, end):
        work(20)
        return CONTINUE

    def response_trailers(self, stream, fields):
        work(200)
        return CONTINUE

    def on_log(self, stream):
        work(5000)


class Injects(HttpFilter):
    """Hands on each piece twice, from inside its callback."""

    def request_headers(self, stream, fields, end):
        work(3)
        return CONTINUE

    def request_data(self, stream, piece, end):
        work(30)
        stream.inject_request_data(self, piece, False)
        stream.inject_request_data(self, piece, end)
        work(30)
        return STOP


class Waits(HttpFilter):
    async def request_headers(self, stream, fields, end):
        work(7)
        await asyncio.sleep(0.5)
        work(70)
        await asyncio.sleep(0.5)
        work(700)
        return CONTINUE


class Upper(Filter):
    async def on_request(self, request):
        work(4)
        await asyncio.sleep(0.5)
        work(40)

    async def on_response(self, answer):
        work(50)


class Answers(HttpFilter):
    def request_headers(self, stream, fields, end):
        work(9)
        stream.send_local_reply(403, b"no", details="no")
        return CONTINUE


class Copies(HttpFilter):
    """Puts a copy of itself in its place for the rest of the stream, as a Lua script that waits does."""

    stateless = True
    response_data = None

    def request_headers(self, stream, fields, end):
        work(6)
        stream.replace_filter(self, copy(self))
        return CONTINUE

    def request_data(self, stream, piece, end):
        work(60)
        return CONTINUE


class Destroyed(HttpFilter):
    stateless = True
    count = 0

    def request_headers(self, stream, fields, end):
        return CONTINUE

    def on_destroy(self, stream):
        Destroyed.count += 1


class Scene:
    def __init__(self, *filters, fraction=(1, 1), seed=1, prepare=lambda specs: specs):
        self.fakes = FakeServices()
        self.stage = Stage(self.fakes, [self.spec(one) for one in filters])
        self.plan = self.stage.plan
        self.plan.chain = self.plain = ChainPlan(prepare(self.plan.chain.specs))
        self.timing = FilterTiming(random.Random(seed), lambda: Time.now_ns)
        self.remove = self.timing.add(self.plan, self.fakes.scope.scope("http.in"), fraction)
        self.stage.connect()
        self.play = Play(self.stage)

    def spec(self, one):
        if not issubclass(one, Filter):
            return FilterSpec(one.__name__, one, None)
        fakes = self.fakes
        context = Configuration(fakes.scope, fakes.arena, services=fakes.services).context("filter")
        plan = plan_of_class(one, {}, FailurePolicy.CLOSED, context)
        return FilterSpec(one.__name__, plan.filter_class, plan)

    def times(self, name, side="request"):
        """The recorded values in nanoseconds, two digits of them; None when there is no such histogram."""
        histograms = self.fakes.store._histograms
        found = histograms.get(f"{SCOPE}.{name}.{side}_ns")
        if found is None:
            return None
        cells = enumerate(found.cells[found.index : found.index + 1000])
        return [round(bounds(place)[0]) for place, count in cells for _ in range(count)]


def test_a_streams_events_are_added_up_by_direction():
    scene = Scene(Both)
    play = scene.play
    play >> headers("POST") >> data(b"a") >> data(b"b") >> trailers(x="1")
    play >> response(200) >> response_data(b"c", end=True)
    assert scene.times("Both") == [120]  # 121, to two digits
    assert scene.times("Both", "response") == [22]


def test_a_direction_without_events_has_no_histogram():
    scene = Scene(Waits)
    assert scene.times("Waits") == []
    assert scene.times("Waits", "response") is None


def test_the_upstreams_filter_is_not_timed():
    scene = Scene(Both)
    scene.play >> headers() >> response(200, end=True)
    assert not [name for name in scene.fakes.store._histograms if "upstream" in name and "filter_time" in name]


def test_what_another_filter_does_inside_is_that_ones():
    scene = Scene(Injects, Both)
    scene.play >> headers("POST") >> data(b"x", end=True) >> response(200, end=True)
    assert scene.times("Injects") == [63]
    assert scene.times("Both") == [21]


@pytest.mark.parametrize(("cls", "request_ns"), [(Waits, 770), (Upper, 44)])
def test_waiting_is_left_out(cls, request_ns):
    scene = Scene(cls)
    scene.play >> headers()
    for _ in range(2):
        Time.now_ns += 10**9
        scene.stage.advance(0.5)
    scene.play >> response(200, end=True) << sent(200)
    assert scene.times(cls.__name__) == [request_ns]
    if cls is Upper:
        assert scene.times("Upper", "response") == [50]


def test_a_client_that_leaves_while_a_filter_waits():
    scene = Scene(Waits)
    scene.play >> headers()
    scene.stage.client_reset()
    scene.stage.advance(1.0)
    assert scene.times("Waits") == [7]


def test_a_filter_that_puts_a_copy_in_its_place_goes_on_with_the_same_sum():
    scene = Scene(Copies)
    for _ in range(2):
        scene.play >> headers("POST") >> data(b"x", end=True) >> response(200, end=True)
    assert scene.times("Copies") == [66, 66]
    assert scene.times("Copies", "response") is None


def test_a_reply_passes_the_filters_that_are_timed():
    scene = Scene(Both, Answers)
    scene.play >> headers() << reply(403)
    assert scene.times("Both") == [1]
    assert scene.times("Both", "response") == [22]
    assert scene.times("Answers") == [9]


def test_on_destroy_is_called_as_ever_and_once_a_stream():
    Destroyed.count = 0
    scene = Scene(Destroyed)
    for _ in range(3):
        scene.play >> headers() >> response(200, end=True)
    assert Destroyed.count == 3
    assert scene.times("Destroyed") == [0, 0, 0]


def test_filters_that_a_route_disables():
    scene = Scene(Both, Answers)
    scene.stage.route.disabled_filters = frozenset(("Answers",))
    scene.play >> headers() >> response(200, end=True)
    assert scene.times("Both") == [1]
    assert scene.times("Answers") == []


def test_a_chain_that_is_traced_can_be_timed_too():
    scene = Scene(Both, prepare=lambda specs: traced(specs, lambda trace: None))
    scene.play >> headers() >> response(200, end=True)
    assert scene.times("Both") == [1]
    assert not [name for name in scene.fakes.store._histograms if "pyvoy.trace" in name]


@pytest.mark.parametrize("first", ["request", "reply"])
def test_what_a_route_has_in_a_filters_place_is_timed_under_its_name(first):
    def prepare(specs):
        before = (FilterSpec("Answers", Answers, None),) if first == "reply" else ()
        return (*before, replace(specs[0], in_place=lambda cls: cls), *specs[1:])

    scene = Scene(Waits, prepare=prepare)
    scene.stage.route.filter_plans = {"Waits": (scene.spec(Upper).plan,)}
    scene.play >> headers()
    for _ in range(2):
        Time.now_ns += 10**9
        scene.stage.advance(0.5)
    if first == "request":
        scene.play >> response(200, end=True)
    assert scene.times("Waits") == ([44] if first == "request" else [])
    assert scene.times("Waits", "response") == [50]


def ask(scene, times):
    for _ in range(times):
        scene.play >> headers() >> response(200, end=True)


def test_off_is_the_plain_chain_and_no_histogram():
    scene = Scene(Both, fraction=(0, 100))
    ask(scene, 3)
    assert scene.plan.chain is scene.plain
    assert scene.times("Both") is None


def test_switching_while_it_runs():
    scene = Scene(Both, fraction=(0, 100))
    scene.timing.override((1, 1))
    ask(scene, 3)
    scene.timing.override((0, 1))
    ask(scene, 3)
    assert scene.plan.chain is scene.plain
    assert len(scene.times("Both")) == 3
    scene.timing.override((1, 1))
    ask(scene, 2)
    assert len(scene.times("Both")) == 5
    scene.timing.override(None)  # what the configuration says
    assert scene.plan.chain is scene.plain


def test_a_plan_that_is_gone_is_switched_no_more():
    scene = Scene(Both, fraction=(0, 100))
    scene.remove()
    scene.timing.override((1, 1))
    assert scene.plan.chain is scene.plain


def test_a_plan_that_comes_later_is_sampled_as_the_admin_has_asked():
    scene = Scene(Both, fraction=(0, 100))
    scene.timing.override((1, 1))
    other = Scene(Both, fraction=(0, 100))
    scene.timing.add(other.plan, other.fakes.scope.scope("http.in"), (0, 100))
    ask(other, 1)
    assert other.times("Both") == [1]


@pytest.mark.parametrize("fraction", [(1, 10), (1, 2), (9, 10)])
def test_a_fraction_of_the_requests_is_timed(fraction):
    scene = Scene(Both, fraction=fraction, seed=7)
    ask(scene, 600)
    expected = 600 * fraction[0] / fraction[1]
    assert abs(len(scene.times("Both")) - expected) < 0.25 * expected


@pytest.mark.parametrize("chain", ["mutation", "fault", "delay", "buffer"])
def test_conversations_are_the_same_with_timed_filters(chain, monkeypatch):
    def sampled(proxy, client):
        manager = client.runner.filters[-1]
        timing = FilterTiming(random.Random(3))
        timing.add(manager.plan, proxy.store.root.scope("http.in"), (1, 2))
        timings.append(proxy.store)

    timings = []
    for name, steps in CASES.items():
        plain = run(steps, "filtered", monkeypatch, CHAINS[chain])
        timed = run(steps, "filtered", monkeypatch, CHAINS[chain], sampled)
        assert timed == plain, name
        histograms = [one for key, one in timings[-1]._histograms.items() if ".filter_time." in key]
        assert histograms
    assert any(one.count for one in histograms)
