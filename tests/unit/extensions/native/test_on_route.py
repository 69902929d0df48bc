"""A Python filter of a route's own, in the place of the listener's filter of that name."""

import textwrap

import pytest
import yaml

from pyvoy.config.problems import ConfigErrors
from pyvoy.filters.http.python import TYPE, PythonFilter
from pyvoy.http.chain import FilterSpec
from pyvoy.http.http_filter import CONTINUE, HttpFilter
from pyvoy.http.routing.table import Route, VirtualHost
from pyvoy.testing.configuring import Configuration
from pyvoy.testing.fakes import FakeServices
from pyvoy.testing.filters import FakeStream
from pyvoy.testing.playbook import (
    Play,
    data,
    filter_spec,
    forwarded,
    forwarded_data,
    headers,
    play,
    reply,
    reset,
    sent,
    sent_data,
    whole_response,
)
from pyvoy.testing.stage import Stage
from tests.unit.extensions.native.python_play import IMPORTS, python

LISTENER = """
    class L(StreamFilter):
        seen = []
        def on_request_headers(self, stream, headers, end):
            headers.set(b"x-by", b"listener")
        def on_response_headers(self, stream, headers, end):
            headers.set(b"x-by", b"listener")
        def on_log(self, stream):
            self.counter("logged").inc()
"""
EVENTS = """
    from dataclasses import dataclass

    @dataclass
    class Config:
        text: str = "default"

    class R(StreamFilter):
        config: Config
        def __init__(self):
            self.saw = []
        def on_request_headers(self, stream, headers, end):
            self.saw.append("head")
            headers.set(b"x-by", self.config.text.encode())
        def on_request_data(self, stream, piece, end):
            self.saw.append("data")
            stream.replace_request_data(self, piece.upper())
        def on_response_headers(self, stream, headers, end):
            headers.set(b"x-saw", ",".join(self.saw).encode())
        def on_response_data(self, stream, piece, end):
            stream.replace_response_data(self, piece[::-1])
        def on_log(self, stream):
            self.counter("logged").inc()
        def on_destroy(self, stream):
            self.counter("destroyed").inc()
"""


def own(code, **fields):
    """What stands on a route: a filter with this code."""
    return {"@type": f"t/{TYPE}", "code": {"inline_string": IMPORTS + textwrap.dedent(code)}, **fields}


def test_all_events_of_the_stream_are_its_own():
    p = python(LISTENER, route=own(EVENTS, config={"text": "route"}))
    p >> headers("POST") << forwarded(x_by="route", end=False)
    p >> data(b"ab", end=True) << forwarded_data(b"AB", end=True)
    (
        p
        >> whole_response(200, b"xyz")
        << sent(200, x_by=None, x_saw="head,data", end=False)
        << sent_data(b"zyx", end=True)
    )
    assert p.counter("http.test.python.R.logged") == p.counter("http.test.python.R.destroyed") == 1
    assert p.counter("http.test.python.L.logged") == 0
    p.end()


def test_other_routes_have_the_listeners():
    p = python(LISTENER, route=own(EVENTS))
    p.stage.routes.route = Route("other", VirtualHost("host"), cluster="upstream")
    p >> headers() << forwarded(x_by="listener") >> whole_response(200) << sent(200, x_by="listener", end=True)
    p.stage.routes.route = None
    p >> headers() << forwarded(x_by="listener") >> whole_response(200) << sent(200, x_by="listener", end=True)
    p.stage.routes.route = p.stage.route
    p >> headers() << forwarded(x_by="default") >> whole_response(200) << sent(200, x_saw="head", end=True)
    assert p.counter("http.test.python.L.logged") == 2
    assert p.counter("http.test.python.R.logged") == 1
    p.end()


def test_a_filter_that_sees_nothing_of_requests_is_replaced_too():
    responses = "class L(StreamFilter):\n  def on_response_headers(self, s, headers, end): headers.set(b'x-by', b'l')"
    p = python(responses, route=own(EVENTS))
    p >> headers() << forwarded(x_by="default") >> whole_response(200) << sent(200, x_by=None, x_saw="head", end=True)
    p.end()
    p = python(EVENTS, route=own(responses))
    p >> headers() << forwarded(x_by=None) >> whole_response(200) << sent(200, x_by="l", end=True)
    p.end()


UPPER = """
    class U(Filter):
        async def on_request(self, request):
            self.body = await request.body()
            request.headers["x-by"] = "upper"
        async def on_response(self, response):
            response.headers["x-body"] = self.body.decode()
            await response.body()
"""
LATE = """
    import asyncio
    class A(StreamFilter):
        async def on_request_headers(self, stream, headers, end):
            await asyncio.sleep(0.1)
            headers.set(b"x-by", b"late")
        async def on_response_headers(self, stream, headers, end):
            await asyncio.sleep(0.1)
            headers.set(b"x-body", b"late")
"""


@pytest.mark.parametrize("listener", [LISTENER, EVENTS, UPPER, LATE])
def test_levels_and_coroutines_take_each_others_places(listener):
    stream = FakeStream(own(listener), route=own(UPPER))
    stream.request("POST", body=[b"ab", b"cd"])
    assert stream.forwarded.headers["x-by"] == "upper"
    assert stream.forwarded.body == b"abcd"
    stream.respond(200, body=b"hello")
    assert (stream.response.headers["x-body"], stream.response.body) == ("abcd", b"hello")
    p = python(listener, route=own(LATE))
    p >> headers("POST")
    p >> data(b"x", end=True)
    p.stage.advance(0.2)
    p << forwarded(x_by="late", end=False) << forwarded_data(b"x", end=True)
    p >> whole_response(200, b"hello")
    p.stage.advance(0.2)
    p << sent(200, x_body="late", end=False) << sent_data(b"hello", end=True)
    p.end()


# ---- several levels ----


CONFIGURED = """
    class L(StreamFilter):
        def on_request_headers(self, stream, headers, end):
            headers.set(b"x-by", self.config.get("by", "listener").encode())
"""


@pytest.mark.parametrize(
    ("levels", "by"),
    [
        ([own(EVENTS, config={"text": "host"}), own(EVENTS, config={"text": "route"})], "route"),
        ([own(EVENTS), {"config": {"by": "listener, as the route says"}}], "listener, as the route says"),
        ([{"config": {"by": "never"}}, own(EVENTS, config={"text": "route"})], "route"),
    ],
)
def test_the_most_specific_level_says_what_stands_there(levels, by):
    filter_ = yaml.safe_dump({key: value for key, value in own(CONFIGURED).items() if key != "@type"})
    p = play(PythonFilter, filter_, route=[yaml.safe_dump(level) for level in levels])
    p >> headers() << forwarded(x_by=by)
    p.stage.close()


# ---- when it is decided ----


class Before(HttpFilter):
    """Answers, or sends the request another way, before the Python filter sees it."""

    def __init__(self, plan):
        self.plan = plan

    def request_headers(self, stream, fields, end):
        if b"x-answer" in fields:
            stream.send_local_reply(403, b"no", details="no")
        elif b"x-elsewhere" in fields:
            self.plan()
            stream.clear_route_cache()
        return CONTINUE


class Behind(Before):
    """The same afterwards."""


def between(before=lambda: None, behind=lambda: None):
    """The listener's filter between two others, on a route with one of its own; and another such route."""
    fakes = FakeServices()
    configuration = Configuration(fakes.scope, fakes.arena, services=fakes.services)
    plans = [
        configuration.http_filter_on_route(PythonFilter, yaml.safe_dump(own(EVENTS, config={"text": name})))
        for name in ("route", "other")
    ]
    message = {key: value for key, value in own(LISTENER).items() if key != "@type"}
    spec = filter_spec(configuration, PythonFilter, yaml.safe_dump(message), 0, plans)
    filters = [FilterSpec("before", Before, before), spec, FilterSpec("behind", Behind, behind)]
    stage = Stage(fakes, filters, {spec.name: (plans[0],)})
    other = Route("other", VirtualHost("host"), cluster="upstream", filter_plans={spec.name: (plans[1],)})
    return Play(stage), other


def test_a_reply_of_an_earlier_filter_passes_the_routes_filter():
    p, _ = between()
    p >> headers(x_answer="1") << reply(403, x_by=None, x_saw="", detail="no")
    assert p.counter("http.test.python.R.logged") == p.counter("http.test.python.R.destroyed") == 1
    assert p.counter("http.test.python.L.logged") == 0
    p.end()


def test_a_reply_of_an_earlier_filter_finds_the_routes_configuration():
    code = """
        class C(StreamFilter):
            def on_local_reply(self, stream, reply):
                reply.body = self.config["text"].encode()
            def on_response_headers(self, stream, headers, end):
                headers.set(b"x-by", self.config["text"].encode())
    """
    fakes = FakeServices()
    configuration = Configuration(fakes.scope, fakes.arena, services=fakes.services)
    route_plan = configuration.http_filter_on_route(PythonFilter, "config: {text: route}")
    configuration.environment.route_plans.append(("c", route_plan))
    message = {key: value for key, value in own(code, config={"text": "listener"}).items() if key != "@type"}
    spec = filter_spec(configuration, PythonFilter, yaml.safe_dump(message), 0, [route_plan])
    p = Play(Stage(fakes, [FilterSpec("before", Before, None), spec], {spec.name: (route_plan,)}))
    p >> headers(x_answer="1") << reply(403, b"route", x_by="route")
    p.stage.routes.route = None
    p >> headers(x_answer="1") << reply(403, b"listener", x_by="listener")
    p.end()


def test_a_reply_without_a_route_passes_the_listeners():
    p, _ = between()
    p.stage.routes.route = None
    p >> headers(x_answer="1") << reply(403, x_by="listener", detail="no")
    assert p.counter("http.test.python.L.logged") == 1
    p.end()


def test_a_stream_that_ends_before_its_filter_has_seen_it_is_logged_by_the_routes():
    class Holds(HttpFilter):
        async def request_headers(self, stream, fields, end):
            await stream.services.loop.create_future()

    p, _ = between()
    specs = p.stage.plan.chain.specs
    p.stage.plan.chain = type(p.stage.plan.chain)((FilterSpec("holds", Holds, None), *specs))
    p >> headers("POST", end=False)
    p >> reset()
    assert p.counter("http.test.python.R.logged") == p.counter("http.test.python.R.destroyed") == 1
    assert p.counter("http.test.python.L.logged") == 0
    p.stage.close()


def test_it_is_that_of_the_route_when_the_request_comes_to_it():
    elsewhere = []
    p, other = between(before=lambda: elsewhere.append(p.stage.routes.__setattr__("route", other)))
    p >> headers(x_elsewhere="1") << forwarded(x_by="other")
    assert elsewhere
    p.stage.close()


def test_it_stays_when_a_later_filter_changes_the_route():
    p, other = between(behind=lambda: p.stage.routes.__setattr__("route", other))
    p >> headers(x_elsewhere="1") << forwarded(x_by="route") >> whole_response(200) << sent(200, x_saw="head", end=True)
    assert p.counter("http.test.python.R.logged") == 1
    p.end()


def test_so_does_the_listeners():
    p, other = between(behind=lambda: p.stage.routes.__setattr__("route", other))
    p.stage.routes.route = None
    p >> headers(x_elsewhere="1") << forwarded(x_by="listener")
    p >> whole_response(200) << sent(200, x_by="listener", x_saw=None, end=True)
    assert p.counter("http.test.python.L.logged") == 1
    p.end()


# ---- failures ----


BROKEN = "class B(StreamFilter):\n  def on_request_headers(self, stream, headers, end): raise ValueError"


def test_its_failure_policy_is_its_own():
    p = python(LISTENER, failure_policy="FAIL_OPEN", route=own(BROKEN))
    p >> headers() << reply(500, detail="extension_failed{B}")
    assert p.counter("http.test.python.B.errors") == 1
    p.end()
    p = python(LISTENER, route=own(BROKEN, failure_policy="FAIL_OPEN", stat_prefix="b"))
    p >> headers() << forwarded(x_by=None)
    assert p.counter("http.test.python.b.failed_open") == 1
    p.stage.close()


def test_it_is_loaded_anew_after_a_failure(tmp_path):
    file = tmp_path / "r.py"
    file.write_text(IMPORTS + BROKEN)
    p = python(LISTENER, route={"@type": f"t/{TYPE}", "code": {"filename": str(file)}, "failure_policy": "FAIL_RELOAD"})
    file.write_text(IMPORTS + textwrap.dedent(EVENTS))
    p >> headers() << reply(500)
    p >> headers() << forwarded(x_by="default")
    assert p.counter("http.test.python.B.reloads") == 1
    p.stage.close()


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (own("class F(:"), "<inline python of typed_per_filter_config>:2: invalid syntax"),
        (own(EVENTS, config={"txt": "a"}), "Config has no field 'txt'; did you mean \"text\"?"),
        ({"@type": f"t/{TYPE}", "code": {}}, "needs one of module, filename, inline_string"),
        (own(EVENTS, **{"class": "X"}), "there is no class 'X'; there is R"),
    ],
)
def test_what_is_wrong_is_said_at_load(route, text):
    with pytest.raises(ConfigErrors) as caught:
        python(LISTENER, route=route)
    assert text in str(caught.value)
