"""The fake stream that users test their filters with."""

import pytest

from pyvoy.api import CallFailed, Filter, Response, StreamFilter
from pyvoy.config.problems import ConfigErrors
from pyvoy.extensions.http_call import Failure, UnknownCluster
from pyvoy.testing.filters import FakeStream, Reply


class Header(Filter):
    async def on_request(self, request):
        request.headers["x-a"] = self.config.get("value", "1")

    async def on_response(self, response):
        response.headers["x-b"] = "1"
        self.counter("responses").inc()


class Auth(Filter):
    async def on_request(self, request):
        try:
            answer = await self.call("auth", "/check", headers={"x-token": request.headers.get("x-token", "")})
        except CallFailed as error:
            return Response(503, error.failure.name)
        except UnknownCluster:
            return Response(501)
        return None if answer.ok else Response(403, answer.text)


class Lower(StreamFilter):
    def on_request_data(self, stream, data, end):
        stream.replace_request_data(self, data.upper())


def test_three_lines():
    stream = FakeStream(Header)
    stream.request("GET", "/a")
    assert stream.forwarded.headers["x-a"] == "1"


def test_both_ways():
    stream = FakeStream(Header, {"value": "v"})
    assert stream.forwarded is None
    stream.request("POST", "/a", {"x-in": "1"}, [b"ab", b"c"]).respond(201, {"x-up": "1"}, "body")
    request, response = stream.forwarded, stream.response
    assert (request.method, request.path, request.headers["x-a"], request.body) == ("POST", "/a", "v", b"abc")
    assert (response.status, response.headers["x-b"], response.text, response.ended) == (201, "1", "body", True)
    assert stream.counter("responses") == 1


def test_trailers_both_ways():
    stream = FakeStream(Lower)
    stream.request("POST", "/", body=b"ab", trailers={"x-t": "1"}).respond(200, body=b"x", trailers={"x-u": "2"})
    assert (stream.forwarded.body, stream.forwarded.trailers["x-t"]) == (b"AB", "1")
    assert stream.response.trailers["x-u"] == "2"


def test_a_file(tmp_path):
    file = tmp_path / "filter.py"
    file.write_text("from pyvoy.api import *\nclass F(Filter):\n  def on_request(self, r): return Response(418)\n")
    stream = FakeStream(file)
    stream.request()
    assert stream.response.status == 418
    assert stream.details == "python_response"
    assert stream.forwarded is None


def test_a_filter_of_any_kind():
    stream = FakeStream(
        {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.buffer.v3.Buffer",
            "max_request_bytes": 3,
        }
    )
    stream.request("POST", body=b"abcd")
    assert stream.response.status == 413


def test_the_route_has_its_own_configuration():
    stream = FakeStream(Header, {"value": "v"}, route={"value": "r"})
    stream.request()
    assert stream.forwarded.headers["x-a"] == "r"


def test_calls_are_answered():
    stream = FakeStream(Auth, calls={"auth": lambda call: Reply(200 if call.headers["x-token"] == "t" else 401, "no")})
    stream.request(headers={"x-token": "t"})
    assert stream.forwarded is not None
    stream.request(headers={"x-token": "u"})
    assert stream.response.status == 403
    assert stream.response.text == "no"
    assert [call.path for call in stream.calls] == ["/check", "/check"]


def test_calls_take_time_and_fail():
    stream = FakeStream(Auth, calls={"auth": Reply(after_s=2)})
    stream.request()
    assert stream.forwarded is None
    assert stream.advance(2).forwarded is not None
    late = FakeStream(Auth, calls={"auth": Reply(after_s=10)})
    assert late.request().advance(5).response.text == "TIMEOUT"
    cut = FakeStream(Auth, calls={"auth": Reply(503, failure=Failure.RESET)})
    assert cut.request().response.text == "RESET"
    assert FakeStream(Auth).request().response.status == 501


def test_the_client_leaves():
    stream = FakeStream(Auth, calls={"auth": Reply(after_s=2)})
    stream.request(body=b"x", method="POST", end=False)
    stream.reset()
    stream.advance(5)
    assert stream.forwarded is None


def test_problems_are_raised():
    with pytest.raises(ConfigErrors, match="cannot read"):
        FakeStream("nothing.py")
    with pytest.raises(LookupError, match="no HTTP filter"):
        FakeStream({"@type": "type.googleapis.com/nothing"})
