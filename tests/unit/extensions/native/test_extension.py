"""What every Python filter has: calls, metrics, shared data, timers, tasks, log."""

import asyncio
import logging

import pytest

from pyvoy.api import CallFailed, CallRefused, Failure, Filter, Response, UnknownCluster
from pyvoy.testing.filters import FakeStream, Reply


class Calling(Filter):
    async def on_request(self, request):
        answer = await self.call(
            "api", "/p", method="PUT", headers={"x-a": "1"}, body="data", authority="a.test", timeout_s=2, hash_on="k"
        )
        return Response(answer.status, {"json": answer.json(), "ok": answer.ok, "h": answer.headers["x-b"]})


def test_a_call_and_its_answer():
    stream = FakeStream(Calling, calls={"api": Reply(201, "[1]", {"x-b": "2"})})
    stream.request()
    assert stream.response.status == 201
    assert stream.response.text == '{"json": [1], "ok": true, "h": "2"}'
    (call,) = stream.calls
    assert dict(call.headers.raw.items()) == {
        b":method": b"PUT",
        b":path": b"/p",
        b":authority": b"a.test",
        b"x-a": b"1",
    }
    assert (call.body, call.options.timeout_s, call.options.hash_on) == (b"data", 2, b"k")


@pytest.mark.parametrize("failure", Failure)
def test_failures_are_told_apart(failure):
    class Telling(Filter):
        async def on_request(self, request):
            try:
                await self.call("api")
            except CallFailed as error:
                return Response(503, error.failure.name)

    stream = FakeStream(Telling, calls={"api": Reply(503, failure=failure)})
    assert stream.request().response.text == failure.name


def test_an_unknown_cluster_is_told_apart_too():
    class Telling(Filter):
        async def on_request(self, request):
            with pytest.raises(UnknownCluster) as caught:
                await self.call("nowhere")
            assert isinstance(caught.value, CallRefused)
            return Response(200)

    assert FakeStream(Telling).request().response.status == 200


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"body": {"a": 1}}, "a body is bytes or text, not dict"),
        ({"path": "/a b"}, "'/a b' cannot be the value of :path"),
        ({"method": "GET /x"}, "'GET /x' cannot be the value of :method"),
        ({"authority": "a b"}, "'a b' cannot be the value of :authority"),
        ({"method": None}, "a header is two texts, not ':method': None"),
    ],
)
def test_a_call_that_would_break_the_request_is_refused(arguments, text):
    class Telling(Filter):
        async def on_request(self, request):
            try:
                await self.call("api", **arguments)
            except (TypeError, ValueError) as error:
                return Response(400, str(error))

    stream = FakeStream(Telling, calls={"api": Reply(200)})
    assert stream.request().response.text == text
    assert not stream.calls


def test_a_grpc_message_that_is_not_serialized_is_refused():
    class Telling(Filter):
        async def on_request(self, request):
            try:
                await self.grpc_call("api", "a.B", "C", {"a": 1})
            except TypeError as error:
                return Response(400, str(error))

    stream = FakeStream(Telling, calls={"api": Reply.grpc(b"")})
    assert stream.request().response.text == "a gRPC message is bytes (SerializeToString()), not dict"


def test_calls_side_by_side():
    class Both(Filter):
        async def on_request(self, request):
            one, two = await asyncio.gather(self.call("api", "/1"), self.call("api", "/2"))
            return Response(200, one.text + two.text)

    stream = FakeStream(Both, calls={"api": lambda call: Reply(200, call.path, after_s=1)})
    assert stream.request().advance(1).response.text == "/1/2"


def test_a_call_ends_with_its_stream_and_a_task_does_not():
    class Spawning(Filter):
        async def on_request(self, request):
            self.spawn(self.later())
            await self.call("api")
            self.counter("answered").inc()

        async def later(self):
            await asyncio.sleep(3)
            self.counter("later").inc()
            raise ValueError

    stream = FakeStream(Spawning, calls={"api": Reply(after_s=2)})
    stream.request()
    stream.reset()
    stream.advance(5)
    assert (stream.counter("answered"), stream.counter("later"), stream.counter("errors")) == (0, 1, 1)
    assert not stream.fakes.services.tasks


def test_metrics_shared_data_queues_and_timers(caplog):
    class Everything(Filter):
        @classmethod
        def on_load(cls):
            cls.ticks = []
            cls.every(1.0, lambda: cls.ticks.append(1))
            cls.call_later(0.5, lambda: 1 / 0)
            cls.jobs = cls.shared_queue("test", "jobs")
            cls.jobs.watch(lambda: cls.counter("job").inc(len(cls.jobs.pop() or b"")))

        def on_request(self, request):
            self.gauge("level").set(4)
            self.histogram("size", "bytes").record(10)
            self.shared_data("test").set(b"k", b"v")
            self.jobs.push(b"abc")
            self.log("warning", "seen")
            return Response(200, self.shared_data("test").get(b"k")[0])

    with caplog.at_level(logging.INFO, "pyvoy.python"):
        stream = FakeStream(Everything)
        assert stream.request().response.text == "v"
        stream.advance(3.1)
    assert "seen" in caplog.text
    assert stream.counter("job") == 3
    assert stream.counter("errors") == 1, "the timer that failed"
    assert stream.fakes.gauge("http.test.python.Everything.level") == 4
    assert len(stream.stage.plan.chain.specs[0].cls.ticks) == 3
