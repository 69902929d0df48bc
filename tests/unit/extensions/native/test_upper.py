"""Filters of the upper level: requests and responses as a whole."""

import pytest

from pyvoy.testing.playbook import (
    after,
    data,
    forwarded,
    forwarded_data,
    forwarded_trailers,
    headers,
    held,
    paused,
    reply,
    reset,
    response,
    response_data,
    response_trailers,
    resumed,
    sent,
    sent_data,
    sent_trailers,
    trailers,
    upstream_cut,
    whole_response,
)  # fmt: skip
from tests.unit.extensions.native.python_play import python


def test_a_request_is_changed():
    p = python("""
        class F(Filter):
            async def on_request(self, request):
                request.headers["X-A"] = "1"
                request.headers.add("x-a", "2")
                del request.headers["x-b"]
                request.path = "/new"
                request.method = "PUT"
                request.host = "b.test"
    """)
    p >> headers("GET", "/old", x_b="gone") << forwarded("/new", (":method", "PUT"), (":authority", "b.test"), x_b=None)
    p.end()
    assert p.stream.request_headers.get_all(b"x-a") == [b"1", b"2"]


def test_a_plain_method_does_too():
    p = python("""
        class F(Filter):
            def on_request(self, request):
                request.headers["x-a"] = "1"
            def on_response(self, response):
                response.headers["x-b"] = response.request.headers["x-a"] + str(response.status)
    """)
    p >> headers() << forwarded(x_a="1")
    p >> whole_response(200, b"ok") << sent(200, x_b="1200") << sent_data(b"ok", end=True)
    p.end()


def test_a_request_is_answered():
    p = python("""
        class F(Filter):
            async def on_request(self, request):
                return Response(403, "no\\n", {"x-why": "because", "set-cookie": ["a=1", "b=2"]})
    """)
    p >> headers() << reply(403, b"no\n", detail="python_response", x_why="because")
    p.end()


def test_an_answer_in_json():
    p = python("""
        class F(Filter):
            def on_request(self, request):
                return Response(200, {"path": request.path, "q": request.query}, details="my own")
    """)
    (
        p
        >> headers("GET", "/a?x=1&x=2")
        << reply(
            200, b'{"path": "/a?x=1&x=2", "q": {"x": ["1", "2"]}}', detail="my_own", content_type="application/json"
        )
    )
    p.end()


def test_a_filter_that_waits_holds_the_request():
    p = python("""
        import asyncio
        class F(Filter):
            async def on_request(self, request):
                await asyncio.sleep(2)
                request.headers["x-a"] = "1"
    """)
    p >> headers("POST") << held()
    p >> data(b"a") << held()
    p >> data(b"b", end=True) << held()
    p >> after(2) << forwarded(x_a="1", end=False) << forwarded_data(b"ab", end=True)
    p >> response(200) << sent(200)
    p.end()


def test_a_filter_that_waits_and_answers():
    p = python("""
        import asyncio
        class F(Filter):
            async def on_request(self, request):
                await asyncio.sleep(1)
                return Response(401)
    """)
    p >> headers("POST") << held()
    p >> after(1) << reply(401)
    p.end()


def test_time_outs_of_asyncio_work_from_the_first_step_on():
    p = python("""
        import asyncio
        class F(Filter):
            async def on_request(self, request):
                try:
                    async with asyncio.timeout(1):
                        await asyncio.sleep(5)
                except TimeoutError:
                    return Response(504)
    """)
    p >> headers() << held()
    p >> after(1) << reply(504)
    p.end()


BODY = """
    class F(Filter):
        async def on_request(self, request):
            body = await request.body()
            request.headers["x-length"] = str(len(body))
            request.set_body(body.upper())
"""


def test_a_body_is_read_and_changed():
    p = python(BODY)
    p >> headers("POST", content_length="3") << held()
    p >> data(b"a") << held()
    p >> data(b"bc", end=True) << forwarded(x_length="3", content_length="3", end=False)
    p << forwarded_data(b"ABC", end=True)
    p.end()


def test_a_body_that_is_not_there():
    p = python(BODY)
    p >> headers("GET") << forwarded(x_length="0", end=True)
    p.end()


def test_a_body_with_trailers():
    p = python(BODY)
    p >> headers("POST") << held()
    p >> data(b"ab") << held()
    p >> trailers(x_t="1") << forwarded(x_length="2") << forwarded_data(b"AB", end=False) << forwarded_trailers(x_t="1")
    p.end()


def test_a_body_for_a_request_that_has_none():
    p = python("""
        class F(Filter):
            async def on_request(self, request):
                await request.body()
                request.set_body("made up")
                assert await request.text() == "made up"
    """)
    p >> headers("GET") << forwarded(content_length="7", end=False) << forwarded_data(b"made up", end=True)
    p.end()


def test_a_body_for_a_request_that_has_none_after_waiting():
    p = python("""
        import asyncio
        class F(Filter):
            async def on_request(self, request):
                request.set_body("first")
                await asyncio.sleep(1)
                assert await request.body() == b"first"
                request.set_body("second")
    """)
    p >> headers("GET") << held()
    p >> after(1) << forwarded(content_length="6", end=False) << forwarded_data(b"second", end=True)
    p.end()


def test_a_body_that_is_taken_away():
    p = python("""
        class F(Filter):
            async def on_request(self, request):
                await request.body()
                request.set_body(b"")
    """)
    p >> headers("POST") << held()
    p >> data(b"abc", end=True) << forwarded(content_length="0", end=True)
    p.end()


@pytest.mark.parametrize("size", [0, 1, 65536])
@pytest.mark.parametrize("kind", ["def", "async def"])
def test_bodies_of_every_size(size, kind):
    wait = "await " if kind == "async def" else ""
    body = f"({wait}response.body())" if wait else "b''"
    p = python(f"""
        class F(Filter):
            {kind} on_request(self, request):
                request.headers["x-seen"] = "1"
            {kind} on_response(self, response):
                response.headers["x-size"] = str(len({body}))
    """)
    p >> headers("POST") << forwarded(x_seen="1")
    p >> data(b"x" * size, end=True) << forwarded_data(b"x" * size, end=True)
    p >> whole_response(200, b"y" * size)
    assert p.stage.record.body("sent_data") == b"y" * size
    assert p.stage.record.of("sent")[0].header("x-size") == b"%d" % (size if wait else 0)
    p.stage.close()


def test_a_body_of_one_mebibyte_in_pieces():
    p = python(BODY)
    p >> headers("POST")
    for _ in range(16):
        p >> data(b"x" * 65535) << held()
    p >> data(b"", end=True) << forwarded(x_length=str(16 * 65535)) << forwarded_data(b"X" * 16 * 65535, end=True)
    p.end()


def test_a_body_over_the_limit():
    p = python(BODY, stage={"buffer_limit_bytes": 10})
    p >> headers("POST") << held()
    p >> data(b"x" * 11) << reply(413, detail="request_payload_too_large")
    p.end()


def test_a_body_over_the_limit_that_nobody_asked_for_waits_outside():
    p = python(
        """
        import asyncio
        class F(Filter):
            async def on_request(self, request):
                await asyncio.sleep(1)
    """,
        stage={"buffer_limit_bytes": 10},
    )
    p >> headers("POST") << held()
    p >> data(b"x" * 11) << paused()
    p >> after(1) << resumed() << forwarded() << forwarded_data(b"x" * 11)
    p >> data(b"y", end=True) << forwarded_data(b"y", end=True)
    p.end()


def test_a_body_over_the_limit_that_is_asked_for_late():
    p = python(
        """
        import asyncio
        class F(Filter):
            async def on_request(self, request):
                await asyncio.sleep(1)
                await request.body()
    """,
        stage={"buffer_limit_bytes": 10},
    )
    p >> headers("POST") << held()
    p >> data(b"x" * 11) << paused()
    p >> after(1) << reply(413, detail="request_payload_too_large")
    p.stage.close()


def test_the_body_flows_past_when_the_method_is_done():
    p = python("""
        class F(Filter):
            async def on_request(self, request):
                request.headers["x-a"] = "1"
            async def on_response(self, response):
                response.headers["x-b"] = "1"
    """)
    p >> headers("POST") << forwarded(x_a="1")
    p >> data(b"a") << forwarded_data(b"a")
    p >> data(b"b", end=True) << forwarded_data(b"b", end=True)
    p >> response(200) << sent(200, x_b="1")
    p >> response_data(b"c") << sent_data(b"c")
    p >> response_trailers(x_t="1") << sent_trailers(x_t="1")
    p.end()


def test_a_response_is_read_and_changed():
    p = python("""
        class F(Filter):
            async def on_response(self, response):
                data = await response.json()
                response.status = 201
                response.set_body(str(data["n"] + 1))
                assert not response.is_local
    """)
    p >> headers() << forwarded()
    p >> response(200, content_length="8") << held()
    p >> response_data(b'{"n":') << held()
    p >> response_data(b" 1}", end=True) << sent(201, content_length="1") << sent_data(b"2", end=True)
    p.end()


def test_a_whole_response_is_read():
    p = python("""
        class F(Filter):
            async def on_response(self, response):
                response.set_body((await response.text()) * 2)
    """)
    p >> headers() << forwarded()
    p >> whole_response(200, b"ab") << sent(200, content_length="4") << sent_data(b"abab", end=True)
    p.end()


def test_a_response_is_replaced():
    p = python("""
        class F(Filter):
            async def on_response(self, response):
                return Response(500, "broken")
    """)
    p >> headers() << forwarded()
    p >> response(200) << sent(500) << sent_data(b"broken", end=True) << upstream_cut()
    p.end()


def test_a_response_body_over_the_limit():
    p = python(
        """
        class F(Filter):
            async def on_response(self, response):
                await response.body()
    """,
        stage={"buffer_limit_bytes": 10},
    )
    p >> headers() << forwarded()
    p >> response(200) << held()
    p >> response_data(b"x" * 11) << sent(500) << sent_data(b"Internal Server Error", end=True) << upstream_cut()
    p.end()


def test_the_client_vanishes_while_the_filter_waits():
    p = python("""
        class F(Filter):
            seen = []
            async def on_request(self, request):
                try:
                    await request.body()
                finally:
                    self.counter("left").inc()
    """)
    p >> headers("POST") << held()
    p >> reset() << held()
    assert p.counter("http.test.python.F.left") == 1
    assert p.counter("http.test.python.F.errors") == 0
    p.end()


def test_what_the_request_knows():
    p = python("""
        class F(Filter):
            def on_request(self, request):
                assert request.client == "127.0.0.1:40000"
                assert request.tls is None
                assert request.scheme == "http"
                assert request.route_name == "route"
                assert request.route_metadata("ns") == {}
                assert request.attribute("source.port") == 40000
                assert request.attribute("no.such") is None
                assert request.trailers is None
                request.metadata.setdefault("ns", {})["k"] = 1
                request.filter_state["a"] = b"b"
                request.override_upstream_host("10.0.0.1:80", strict=True)
                request.clear_route_cache()
    """)
    p >> headers() << forwarded()
    assert p.stream.info.dynamic_metadata == {"ns": {"k": 1}}
    assert p.stream.upstream_override_host == ("10.0.0.1:80", True)
    p.end()


def test_one_instance_serves_a_request_and_its_response():
    p = python("""
        class F(Filter):
            def __init__(self):
                self.n = 0
            async def on_request(self, request):
                self.n += 1
            async def on_response(self, response):
                response.headers["x-n"] = str(self.n)
    """)
    for _ in range(2):
        p >> headers() << forwarded()
        p >> response(200, end=True) << sent(200, x_n="1")
    p.end()


def test_the_log_event_works_here_too():
    p = python("""
        class F(Filter):
            def on_request(self, request):
                pass
            def on_log(self, stream):
                self.counter("logged").inc(stream.info.response_code)
    """)
    p >> headers() << forwarded()
    p >> response(204, end=True) << sent(204)
    assert p.counter("http.test.python.F.logged") == 204
    p.end()


def test_a_body_that_is_gone():
    p = python("""
        class F(Filter):
            async def on_request(self, request):
                try:
                    request.set_body(b"x")
                except BodyGone:
                    request.headers["x-first"] = "refused"
            async def on_response(self, response):
                try:
                    await response.request.body()
                except BodyGone:
                    response.headers["x-then"] = "gone"
    """)
    p >> headers("POST") << forwarded(x_first="refused")
    p >> response(200, end=True) << sent(200, x_then="gone")
    p.end()


@pytest.mark.parametrize(
    "line",
    ["request.path = '/a b'", "request.path = '/a\\t'", "request.path = ''", "request.method = 'GET /x'",
     "request.headers[':path'] = '/a b'", "request.host = 'a b'"],
)  # fmt: skip
def test_what_would_break_the_request_line_is_refused(line):
    p = python(f"""
        class F(Filter):
            def on_request(self, request):
                {line}
    """)
    p >> headers("GET", "/", end=True) << reply(500, detail="extension_failed{F}")


def test_an_answer_of_the_wrong_kind_names_the_method(caplog):
    p = python("""
        class F(Filter):
            def on_request(self, request):
                return 403
    """)
    p >> headers("GET", "/", end=True) << reply(500, detail="extension_failed{F}")
    assert "F.on_request must answer a Response or nothing, not 403" in caplog.text


def test_a_status_that_is_no_number_is_refused(caplog):
    p = python("""
        class F(Filter):
            def on_response(self, response):
                response.status = "201"
    """)
    p >> headers("GET", "/", end=True)
    p >> whole_response(200) << reply(500, detail="extension_failed{F}")
    assert "the status must be a number between 200 and 599, not '201'" in caplog.text


def test_a_body_of_values_is_json():
    p = python("""
        class F(Filter):
            async def on_response(self, response):
                data = await response.json()
                data["seen"] = True
                response.set_body(data)
    """)
    p >> headers("GET", "/", end=True)
    p >> response(200, content_type="application/json")
    p >> response_data(b'{"a": 1}', end=True) << sent(200, content_type="application/json", content_length=22)
    p << sent_data(b'{"a": 1, "seen": true}', end=True)
