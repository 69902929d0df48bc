"""What a redirect of the upstream makes of a request, and which ones are left to the client."""

from types import SimpleNamespace

import pytest

from pyvoy.http.headers import HeaderMap
from pyvoy.http.routing.internal_redirect import (
    Hop,
    InternalRedirectPlan,
    Travelled,
    allow_listed,
    previous_routes,
    safe_cross_scheme,
)
from pyvoy.http.stats import HttpStats
from pyvoy.observe.stream_info import StreamInfo
from pyvoy.stats.store import memory_store


class Stream:
    """A stream whose route table is a dict of authority to route name."""

    def __init__(self, routes):
        self.routes = routes
        self.info = StreamInfo()
        self.info.route_name = "first"
        self.travelled = self.request_trailers = None
        self.store = memory_store()
        self.request_headers = HeaderMap(
            [
                (b":method", b"POST"),
                (b":scheme", b"http"),
                (b":authority", b"a"),
                (b":path", b"/old?q"),
                (b"content-length", b"4"),
            ]
        )

        plan = SimpleNamespace(stats=HttpStats(self.store.root, "h", None))
        self.manager = SimpleNamespace(plan=plan)
        self.services = SimpleNamespace(clusters={})

    def clear_route_cache(self):
        pass

    @property
    def route(self):
        name = self.routes.get(self.request_headers.map[b":authority"].decode())
        return SimpleNamespace(name=name, cluster=None) if name else None

    def count(self, name):
        return self.store.root.counter(f"http.h.passthrough_internal_redirect_{name}").value


def redirect(location, status=b"302", **more):
    pairs = [(b":status", status), (b"location", location)]
    return HeaderMap(pairs + [(name.encode(), value) for name, value in more.items()])


def follow(location, *, plan=None, status=b"302", routes=None, **more):
    stream = Stream(routes or {"b": "second"})
    body = (plan or InternalRedirectPlan()).convert(stream, redirect(location, status, **more), b"body")
    return stream, body


def head(stream):
    values = stream.request_headers.map
    return b"%b %b://%b%b" % (values[b":method"], values[b":scheme"], values[b":authority"], values[b":path"])


def test_the_request_becomes_another_one():
    stream, body = follow(b"http://b/new?x#part")
    assert (head(stream), body) == (b"POST http://b/new?x", b"body")
    assert stream.request_headers.map[b"x-envoy-original-url"] == b"http://a/old?q"
    assert stream.travelled.redirects == 1


def test_see_other_asks_with_get_and_without_a_body():
    stream, body = follow(b"http://b/new", status=b"303")
    assert (head(stream), body) == (b"GET http://b/new", b"")
    assert b"content-length" not in stream.request_headers.map


def test_headers_of_the_response_may_come_along():
    stream, _ = follow(b"http://b/new", plan=InternalRedirectPlan(copied=(b"token",)), token=b"t")
    assert stream.request_headers.map[b"token"] == b"t"


@pytest.mark.parametrize(
    ("location", "counter", "plan"),
    [
        (b"/relative", "bad_location", InternalRedirectPlan()),
        (b"ftp://b/", "bad_location", InternalRedirectPlan()),
        (b"https://b/", "unsafe_scheme", InternalRedirectPlan()),
        (b"http://nowhere/", "no_route", InternalRedirectPlan()),
        (b"http://b/", "too_many_redirects", InternalRedirectPlan(max_redirects=0)),
        (b"http://b/", "predicate", InternalRedirectPlan(predicates=(allow_listed(frozenset()),))),
    ],
)
def test_what_is_not_followed_leaves_the_request_alone(location, counter, plan):
    stream, body = follow(location, plan=plan)
    assert body is None
    assert head(stream) == b"POST http://a/old?q"
    assert stream.count(counter) == 1


def test_another_scheme_if_it_is_allowed():
    assert follow(b"https://b/", plan=InternalRedirectPlan(cross_scheme=True))[1] == b"body"


def hop(**more):
    return Hop(**{"route_name": "a", "target_name": "b", "from_https": False, "to_https": False, **more})


def test_predicates():
    travelled = Travelled()
    assert allow_listed(frozenset(("b",)))(hop(travelled=travelled))
    assert previous_routes(hop(travelled=travelled))
    assert not previous_routes(hop(travelled=travelled))
    assert previous_routes(hop(route_name="c", travelled=travelled))
    assert not safe_cross_scheme(hop(to_https=True, travelled=travelled))
    assert safe_cross_scheme(hop(from_https=True, to_https=True, travelled=travelled))
